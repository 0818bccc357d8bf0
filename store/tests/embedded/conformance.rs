//! The suite that every backend must pass, over the embedded store with and without faults.

use std::sync::Arc;

use store::{EmbeddedSettings, EmbeddedStore, FaultSettings, FaultyStore, conformance::Backend};
use tempfile::TempDir;

struct Embedded(TempDir);

impl Embedded {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Backend for Embedded {
    type Store = EmbeddedStore;

    async fn open(&self) -> Arc<EmbeddedStore> {
        EmbeddedStore::open(self.0.path(), EmbeddedSettings::default()).unwrap()
    }
}

mod embedded {
    store::conformance_tests!(super::Embedded::new());
}

struct Faulty(Embedded);

impl Backend for Faulty {
    type Store = FaultyStore<EmbeddedStore>;

    async fn open(&self) -> Arc<Self::Store> {
        let seed = fastrand::u64(..);
        println!("faults from seed {seed}");
        Arc::new(FaultyStore::new(self.0.open().await, FaultSettings::for_testing(seed)))
    }
}

mod faulty_over_embedded {
    store::conformance_tests!(super::Faulty(super::Embedded::new()));
}
