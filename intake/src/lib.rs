//! The data plane: ballots in, durable batches out, acknowledgements back. Stateless.
//!
//! An [`Intake`] belongs to a process, a [`Gatherer`] to each of its worker threads. A worker
//! [submits](Gatherer::submit) a ballot and gets a [`Ticket`]; the gatherer packs what is in
//! flight at the same moment into one batch, puts it, and settles the tickets. Knows nothing of
//! HTTP and nothing of the tally.

mod ticket;
pub use ticket::{NotRecorded, Ticket};

mod gather;
pub use gather::{Destination, Gatherer};

mod commit;

mod permit;
pub use permit::{Intake, IntakeSettings, Observer, Refused};
