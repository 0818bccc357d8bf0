//! The crowd and the checker behind `landslide bench`: offers votes like clients do, then compares
//! acknowledged with counted.
//!
//! It knows only the HTTP contract. Ballots are made before they are first sent and never change;
//! what is not acknowledged is sent again; what was acknowledged must be counted, once.

mod failure;
pub use failure::Failure;

mod clock;
pub use clock::now;

mod choices;
pub use choices::{Choices, Draw, Weight, tv_series};

mod ballots;
pub use ballots::{Delivery, Source, Votes};

mod options;
pub use options::{Options, duration};

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
pub use route::Requests;

mod outcome;

mod latency;
pub use latency::Latency;

mod ledger;
pub use ledger::{Ledger, Sent};

mod offer;
pub use offer::{Pace, Plan};

mod lane;

mod client;

mod load;
pub use load::Load;

mod row;
pub use row::{Row, RowBallots, RowChoice};

mod api;
pub use api::{Api, DefinedChoice, Definition};

mod watch;

mod live;
pub use live::{Figures, Live};

mod check;

mod report;

mod run;
pub use run::run;

#[cfg(test)]
mod tests;
