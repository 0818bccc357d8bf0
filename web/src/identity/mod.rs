//! Who asks: an administrator, by the token itself or a session that it was exchanged for; a page of
//! ours or another site's.

pub(crate) mod administrators;

pub(crate) mod bearer;

pub(crate) mod same_site;

pub(crate) mod form_token;

pub(crate) mod admitted;
