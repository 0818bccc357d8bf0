//! The wire: connections, what is read from a request, what a refusal looks like. Knows no route.

pub(crate) mod server;

pub(crate) mod connection;

pub(crate) mod entrance;

pub(crate) mod tls;

pub(crate) mod proxy_header;

pub(crate) mod places;

pub(crate) mod idle;

pub(crate) mod fair;

pub(crate) mod client;

pub(crate) mod network;

pub(crate) mod proxies;

pub(crate) mod hosts;

pub(crate) mod limits;

pub(crate) mod attempts;

pub(crate) mod in_path;

pub(crate) mod body;

pub(crate) mod members;

pub(crate) mod cookies;

pub(crate) mod conditions;

pub(crate) mod cors;

pub(crate) mod problem;

pub(crate) mod refusals;

pub(crate) mod reply;
