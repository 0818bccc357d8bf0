//! What is planned for.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What the ballots are stored on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// One process with everything, on one machine
    Embedded,
    /// Apache Cassandra or ScyllaDB
    Cassandra,
    /// Amazon DynamoDB, on demand
    Dynamodb,
}

/// What telephones do with their connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connections {
    /// Each vote comes over a new one: a TLS handshake a vote
    New,
    /// Every voter keeps one open, from some minutes before the finale
    Kept,
}

/// What is planned for, checked. Numbers that are counted are whole but may be large.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    pub(crate) peak: f64,
    pub(crate) voters: f64,
    pub(crate) votes_per_voter: f64,
    pub(crate) hours: f64,
    pub(crate) engine: Engine,
    pub(crate) regions: u32,
    /// In each region.
    pub(crate) replicas: u32,
    pub(crate) cores_per_node: u32,
    pub(crate) headroom: f64,
    pub(crate) connections: Connections,
}
