//! The suite that every backend must pass, over the store in memory with and without faults.

use std::sync::Arc;

use store::{FaultSettings, FaultyStore, MemoryStore, conformance::Backend};

#[derive(Default)]
struct Memory(Arc<MemoryStore>);

impl Backend for Memory {
    type Store = MemoryStore;

    async fn open(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.0)
    }
}

mod memory {
    store::conformance_tests!(super::Memory::default());
}

#[derive(Default)]
struct Faulty(Memory);

impl Backend for Faulty {
    type Store = FaultyStore<MemoryStore>;

    async fn open(&self) -> Arc<Self::Store> {
        let seed = fastrand::u64(..);
        println!("faults from seed {seed}");
        Arc::new(FaultyStore::new(self.0.open().await, FaultSettings::for_testing(seed)))
    }
}

mod faulty_over_memory {
    store::conformance_tests!(super::Faulty::default());
}
