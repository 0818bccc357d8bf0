//! The suite that every backend must pass, over a cluster with and without faults.

use std::sync::Arc;

use store::{CqlSettings, CqlStore, FaultSettings, FaultyStore, conformance::Backend};

use crate::cluster;

struct Cql(CqlSettings);

impl Backend for Cql {
    type Store = CqlStore;

    async fn open(&self) -> Arc<CqlStore> {
        CqlStore::connect(&self.0).await.unwrap()
    }
}

mod cql {
    store::conformance_tests!(match super::cluster::settings().await {
        Some(settings) => super::Cql(settings),
        None => return,
    });
}

struct Faulty(Cql);

impl Backend for Faulty {
    type Store = FaultyStore<CqlStore>;

    async fn open(&self) -> Arc<Self::Store> {
        let seed = fastrand::u64(..);
        println!("faults from seed {seed}");
        Arc::new(FaultyStore::new(self.0.open().await, FaultSettings::for_testing(seed)))
    }
}

mod faulty_over_cql {
    store::conformance_tests!(match super::cluster::settings().await {
        Some(settings) => super::Faulty(super::Cql(settings)),
        None => return,
    });
}
