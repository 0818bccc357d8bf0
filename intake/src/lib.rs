//! The data plane: ballots in, durable batches out, acknowledgements back. Stateless.
//!
//! An [`Intake`] belongs to a process, a [`Gatherer`] to each of its worker threads. A worker
//! [submits](Gatherer::submit) a ballot and gets a [`Ticket`]; the gatherer packs what is in
//! flight at the same moment into one batch, puts it, and settles the tickets. Knows nothing of
//! HTTP and nothing of the tally.

// `intake.rs` holds what the crate is named after.
#[allow(clippy::module_inception)]
mod intake;
pub use intake::{Intake, IntakeSettings, Observer, Refused};

mod ticket;
pub use ticket::{NotRecorded, Ticket};

mod commit;

mod gather;
pub use gather::Gatherer;
