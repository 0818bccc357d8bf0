//! The calls: what programs ask for, in JSON.

pub(crate) mod record;

pub(crate) mod ballots;

pub(crate) mod gateway;

pub(crate) mod public;

pub(crate) mod contests;

pub(crate) mod channels;

pub(crate) mod standing;

pub(crate) mod exports;

pub(crate) mod sessions;

pub(crate) mod operator;
