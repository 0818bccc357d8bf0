//! The crowd and the checker behind `landslide bench`: offers votes like clients do, then compares
//! acknowledged with counted.
//!
//! It knows only the HTTP contract. Ballots are made before they are first sent and never change;
//! what is not acknowledged is sent again; what was acknowledged must be counted, once.

#![allow(
    clippy::disallowed_methods,
    reason = "latencies and a pace are of real time; no count leans on it"
)]

mod failure;
pub use failure::Failure;

mod clock;
pub use clock::now;

mod choices;
pub use choices::{Draw, Spread, WeightedChoice, tv_series};

mod ballots;
pub use ballots::{Delivery, Source, Votes};

mod options;
pub use options::{Options, read_duration};

mod profile;
pub use profile::Profile;

mod retry;
pub use retry::RetryPolicy;

mod endpoints;

mod address;
pub use address::{Address, Stream, Trust};

mod reply;

mod connection;

mod route;
pub use route::Route;

mod outcome;

mod latency;
pub use latency::Latency;

mod ledger;
pub use ledger::{ChoiceBallots, Ledger};

mod offer;
pub use offer::{Offer, Pace};

mod lane;

mod client;

mod crowd;
pub use crowd::Crowd;

mod row;
pub use row::{CountsRow, RowBallots, RowChoice};

mod api;
pub use api::{Api, DefinedChoice, Definition};

mod viewers;

mod figures;
pub use figures::{Figures, LiveFigures};

mod comparison;

mod report;

mod bench;
pub use bench::run;

#[cfg(test)]
mod tests;
