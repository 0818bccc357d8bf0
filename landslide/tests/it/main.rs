//! The binary from outside, as clients and operators meet it. One test binary: it links once.
//! `http/` holds the contract call by call, `run/` the life and death of the process.
#![allow(clippy::disallowed_methods, reason = "the processes under test live in real time")]
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod client;
mod document;
mod node;

mod http {
    mod admin;
    mod ballots;
    mod clients;
    mod exports;
    mod forms;
    mod gateways;
    mod hidden;
    mod hosts;
    mod life;
    mod pages;
    mod public;
    mod secret;
    mod sessions;
    mod show;
    mod state;
    mod tls;
}

mod run {
    mod command_line;
    mod crash;
    mod faults;
    mod listeners;
    mod shutdown;
}
