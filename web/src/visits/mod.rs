//! What browsers visit: looks up what a page shows, and takes the ballot that its form posts.

pub(crate) mod visitor;

pub(crate) mod addresses;

pub(crate) mod page_cache;

pub(crate) mod served;

pub(crate) mod voting;

pub(crate) mod posted_form;

pub(crate) mod results;

pub(crate) mod images;

pub(crate) mod console;

pub(crate) mod files;
