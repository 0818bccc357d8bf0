//! The binary.

#[allow(dead_code, unused_imports, reason = "the server that serves them is not wired yet")]
mod pages;

fn main() {}
