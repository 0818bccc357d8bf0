//! All of Landslide that knows HTTP or HTML: the calls, the pages, who is an administrator, metrics.
//!
//! An [`App`] is put together from a node's [`Planes`] and served by [`serve`]. Inside, one way:
//! `http` (the wire) <- `identity` <- `app` <- `api` and `visits` (the handlers) <- `routes` <- `front`.

mod http;
pub use http::{
    client::Audience,
    entrance::{Entrance, Listening},
    limits::LimitSettings,
    server::{Server, ServerSettings},
    tls::{Tls, TlsError},
};

mod identity;

mod metrics;
pub use metrics::Metrics;

mod public_url;
pub use public_url::PublicUrl;

mod counts_rows;

mod shares;

mod public_results;

mod streams;

mod qr;

#[cfg(feature = "card")]
mod card;

mod app;
pub use app::{App, AppSettings, NotReady, Planes, Roles};

mod worker;

mod shapes;

mod api;

mod tables;

mod pages;

mod visits;

mod openapi;

mod routes;

mod front;
pub use front::serve;

mod supervise;
pub use supervise::supervised;
