//! The store on Cassandra or ScyllaDB, over a cluster for tests.
//!
//! `LANDSLIDE_TEST_CQL` says where it is, such as `127.0.0.1:9042` or several with commas; without
//! it the tests are skipped, with a word on stderr, or fail where `LANDSLIDE_TEST_ENGINES` is
//! `required`. `LANDSLIDE_TEST_CQL_REPLICATION` is the number of copies of everything, 1 if not
//! set. Each run makes keyspaces of its own and leaves them to the cluster, which is to be thrown
//! away.

#![allow(clippy::disallowed_methods, reason = "a measurement of real time")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod checks;
mod cluster;
mod conformance;
mod puts;
mod tls;
