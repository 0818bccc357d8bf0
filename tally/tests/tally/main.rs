//! The tally over a store in memory and a clock that the test turns.

#![allow(clippy::disallowed_methods, reason = "the clocks of these tests")]
// A check that fails should say where, and tests may panic.
#![allow(clippy::unwrap_used)]

mod clocks;
mod faults;
mod world;

mod apart;
mod certifying;
mod counting;
mod failing;
mod random;
mod simulated;
mod stopping;
mod taking_over;
mod time;
