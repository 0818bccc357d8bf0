//! The binary of Landslide as a library, so that its parts can be tested: command line, settings,
//! HTTP, pages, identity, metrics.

pub mod settings;

pub mod stores;

#[cfg(feature = "planted-bugs")]
mod faults;

pub mod serve;

pub mod schema;

mod notify;

pub mod health;

pub mod recount;

pub mod wiring;

pub mod node;

mod public_url;
pub use public_url::PublicUrl;

pub mod http;

mod pages;

mod exports;

mod streams;

#[cfg(feature = "card")]
mod card;

mod qr;

pub mod metrics;

pub mod logging;

pub mod machine;

mod supervise;

mod secret;

mod output;

pub mod bench;

pub mod demo;

pub mod plan;
