//! The control plane: the scheduled map-reduce that turns ballots into counts.
//!
//! [`Tally`] visits every contest on a schedule; of many workers the one that holds the contest's
//! lease counts it. It shares nothing with the intake but the store, so voting does not notice
//! when it stops. [`recount`] counts again from the ballots alone, [`certify`] signs off.
//!
//! The walk of one count: `tally.rs` (when) → `worker.rs` (what to do for this contest now) →
//! `lease.rs`, `progress.rs` (which batches are new) → `map.rs` (scan, shuffle and reduce on all
//! cores) → `row.rs`, `publish.rs` (the counts row).

mod settings;
pub use settings::{
    Hooks, InvalidSchedule, OnPublish, OnRun, RunOutcome, RunReport, Schedule, TallySettings,
};

mod contests;
pub use contests::{Contests, TallyContest};

mod error;
pub use error::CountError;

mod time;

mod stop;

mod runtime;

mod tally;
pub use tally::{Tally, TallyHandle};

mod worker;

mod lease;
pub use lease::{LeaseHolder, load_lease};

mod progress;

mod gate;

mod map;

mod row;

mod publish;

mod batch_set;
pub use batch_set::{BatchSetError, load_batch_set};

mod certify;
pub use certify::{CertifyError, certify, load_counts};

mod recount;
pub use recount::{Compared, Difference, Published, Recount, recount};
