//! The two store contracts, split by what they need from an engine, and their backends.
//!
//! No type of a backend's driver appears in a public signature.

mod contract;
pub use contract::{
    BallotStore, ConnectError, ControlStore, DOCUMENT_BYTES_MAX, DOCUMENT_KEY_BYTES_MAX, Document,
    Read, StoreError, Version,
};
pub(crate) use contract::{check_batch, check_document};

#[cfg(feature = "cql")]
pub mod cql;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod embedded;
pub mod faulty;
pub mod memory;

#[cfg(feature = "conformance")]
pub mod conformance;

#[cfg(any(test, feature = "planted-bugs"))]
pub mod planted;

#[cfg(feature = "cql")]
pub use cql::{CqlSettings, CqlStore};
#[cfg(feature = "dynamodb")]
pub use dynamodb::{DynamoDbSettings, DynamoDbStore};
pub use embedded::{EmbeddedSettings, EmbeddedStore, OpenError};
pub use faulty::{FaultSettings, FaultyStore};
pub use memory::MemoryStore;
