//! The suite that every backend must pass, over DynamoDB with and without faults.

use std::sync::Arc;

use store::{
    FaultSettings, FaultyStore,
    conformance::Backend,
    dynamodb::{DynamoDbSettings, DynamoDbStore},
};

use crate::server;

struct Tables(DynamoDbSettings);

impl Backend for Tables {
    type Store = DynamoDbStore;

    async fn open(&self) -> Arc<DynamoDbStore> {
        DynamoDbStore::connect(&self.0).await.unwrap()
    }
}

mod dynamodb {
    store::conformance_tests!(match super::server::settings().await {
        Some(settings) => super::Tables(settings),
        None => return,
    });
}

struct Faulty(Tables);

impl Backend for Faulty {
    type Store = FaultyStore<DynamoDbStore>;

    async fn open(&self) -> Arc<Self::Store> {
        let seed = fastrand::u64(..);
        println!("faults from seed {seed}");
        Arc::new(FaultyStore::new(self.0.open().await, FaultSettings::for_testing(seed)))
    }
}

mod faulty_over_dynamodb {
    store::conformance_tests!(match super::server::settings().await {
        Some(settings) => super::Faulty(super::Tables(settings)),
        None => return,
    });
}
