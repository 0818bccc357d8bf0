//! Changes of a contest: what may change when, and how a close by hand stays honest.

mod change;
pub use change::{Changed, ContestError};

mod put;

mod open;

mod close;

mod delete;

mod channels;

mod difference;
pub use difference::Difference;
