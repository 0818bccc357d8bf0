//! The bodies of requests and replies, as the OpenAPI document describes them.
//!
//! Those of the domain mirror its types, which know nothing of HTTP; a test holds the replies against
//! the document.

pub(crate) mod problem;

pub(crate) mod ballots;

pub(crate) mod contests;

pub(crate) mod counts;

pub(crate) mod nodes;

pub(crate) mod standing;

pub(crate) mod sessions;
