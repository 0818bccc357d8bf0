//! The binary of Landslide as a library, so that its parts can be tested: command line, settings,
//! and how a node is put together.

pub mod settings;

pub mod stores;

#[cfg(feature = "planted-bugs")]
mod faults;

pub mod serve;

pub mod schema;

mod notify;

pub mod health;

pub mod recount;

mod counting;

mod listeners;

pub mod wiring;

pub mod logging;

pub mod machine;

mod output;

pub mod bench;

pub mod demo;

pub mod plan;
