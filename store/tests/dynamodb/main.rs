//! The store on DynamoDB, over a server for tests.
//!
//! `LANDSLIDE_TEST_DYNAMODB` is its URL, such as `http://127.0.0.1:8000`; without it the tests
//! are skipped, with a word on stderr, or fail where `LANDSLIDE_TEST_ENGINES` is `required`.
//! The server takes any `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, but they must be set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod conformance;
mod control;
mod faults;
mod proxy;
mod reads;
mod schema;
mod server;
