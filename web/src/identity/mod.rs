//! Who is an administrator: the token itself, or a session that it was exchanged for.

pub(crate) mod administrators;

pub(crate) mod bearer;

pub(crate) mod same_site;

pub(crate) mod admitted;
