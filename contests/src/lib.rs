//! The contests that a node knows, and what it must know to take a ballot for one: definitions and
//! their life, hours, changes, the peers' clocks. Also how counts grew. Knows nothing of HTTP.
//!
//! [`Contests`] is a snapshot in memory, read again every second; [`Peers`] says whether this node's
//! clock can be trusted; [`Contests::admits`] is asked of each ballot.

mod documents;
pub use documents::{Channel, ChannelLimits, Etag};

mod live;

mod look;
pub use live::LiveContest;

mod settled;

mod contests;
pub use contests::{Contests, Pace, StoreAway};

mod refresh;

mod recorded;

mod admit;
pub use admit::NotAdmitted;

mod swap;

mod changes;
pub use changes::{Changed, ContestError, Difference};

mod clocks;

mod trust;

mod peers;
pub use peers::{Identity, JoinError, Peers, views::NodeView};

pub mod series;

#[cfg(test)]
mod test_clock;
