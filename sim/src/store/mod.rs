//! Models of the two kinds of stores, and a node's way to each.

use std::sync::Arc;

mod contract;
pub(crate) use contract::{Contract, Documents};

mod signal;

mod replica;

mod cluster;
pub(crate) use cluster::{Cluster, Health, OnCommit, REPLICAS};

mod line;
pub(crate) use line::{Line, Network};

mod disk;
pub(crate) use disk::{Disk, OpenDisk, Trouble};

mod watched;
pub(crate) use watched::Watched;

/// The store that the nodes share, or the disk of the only one.
pub(crate) enum Store {
    Cluster(Arc<Cluster>),
    Disk(Arc<Disk>),
}

mod audit;
pub(crate) use audit::Audit;
