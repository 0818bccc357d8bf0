//! All of Landslide that knows HTTP or HTML: the calls, the pages, who is an administrator, metrics.

pub mod app;

mod public_url;
pub use public_url::PublicUrl;

pub mod http;

mod pages;

mod counts_rows;

mod exports;

mod streams;

#[cfg(feature = "card")]
mod card;

mod qr;

pub mod metrics;

pub mod supervise;
