//! The tables.

use serde_json::{Value, json};
use store::{
    BallotStore, ConnectError, ControlStore, Read, Version,
    dynamodb::{DynamoDbSettings, DynamoDbStore},
};

use crate::server;

async fn refused(settings: &DynamoDbSettings) -> ConnectError {
    match DynamoDbStore::connect(settings).await {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

fn new_settings() -> Option<DynamoDbSettings> {
    server::endpoint().map(server::new_settings)
}

#[tokio::test]
async fn applied_twice_it_changes_nothing() {
    let Some(settings) = new_settings() else { return };
    let made = DynamoDbStore::apply_schema(&settings).await.unwrap();
    let table = format!("{}-ballots", settings.prefix);
    assert!(made.contains(&format!("made the table {table}")), "{made:?}");
    let store = DynamoDbStore::connect(&settings).await.unwrap();
    store.compare_and_swap("a", Version::NONE, "body".into()).await.unwrap();
    let again = DynamoDbStore::apply_schema(&settings).await.unwrap();
    assert!(again.contains(&format!("the table {table} is there")), "{again:?}");
    let document =
        DynamoDbStore::connect(&settings).await.unwrap().get("a", Read::Serial).await.unwrap();
    assert_eq!(document.unwrap().version, Version(1));
}

#[tokio::test]
async fn applied_by_several_at_once_all_are_content() {
    let Some(settings) = new_settings() else { return };
    let applied = (0..4).map(|_| DynamoDbStore::apply_schema(&settings));
    futures_util::future::try_join_all(applied).await.unwrap();
    DynamoDbStore::connect(&settings).await.unwrap();
}

#[tokio::test]
async fn without_it_nothing_is_opened() {
    let Some(settings) = new_settings() else { return };
    let error = refused(&settings).await;
    assert!(matches!(error, ConnectError::Schema(_)), "{error}");
    assert!(error.to_string().contains("landslide schema"), "{error}");
}

/// What is printed makes the same tables as what is applied.
#[tokio::test]
async fn the_printed_commands_make_a_store() {
    let Some(settings) = new_settings() else { return };
    let commands: Value = serde_json::from_str(&DynamoDbStore::schema(&settings)).unwrap();
    let inputs = |command: &str| commands[command].as_array().unwrap().clone();
    for table in inputs("create-table") {
        server::request("CreateTable", &table).await.unwrap();
    }
    let error = refused(&settings).await;
    assert!(matches!(error, ConnectError::Schema(_)), "the version is missing: {error}");
    for item in inputs("put-item") {
        server::request("PutItem", &item).await.unwrap();
    }
    assert_eq!(inputs("update-continuous-backups").len(), 2);
    let store = DynamoDbStore::connect(&settings).await.unwrap();
    let id = ballot::BatchId::from_bytes([1; 16]);
    let contest = "a".parse().unwrap();
    let batch = ballot::Batch { contest, id, shard: id.shard(1), packed: "b".into() };
    store.put_batch(batch).await.unwrap();

    let applied = server::new_settings(settings.endpoint.clone().unwrap());
    DynamoDbStore::apply_schema(&applied).await.unwrap();
    for suffix in ["ballots", "control"] {
        let described = async |settings: &DynamoDbSettings| {
            let name = json!({ "TableName": format!("{}-{suffix}", settings.prefix) });
            let table = server::request("DescribeTable", &name).await.unwrap();
            let table: Value = serde_json::from_str(&table).unwrap();
            ["AttributeDefinitions", "KeySchema", "BillingModeSummary", "DeletionProtectionEnabled"]
                .map(|member| {
                    let mut member = table["Table"][member].clone();
                    // The moment differs.
                    if let Some(billing) = member.as_object_mut() {
                        billing.remove("LastUpdateToPayPerRequestDateTime");
                    }
                    assert!(!member.is_null());
                    member
                })
        };
        assert_eq!(described(&settings).await, described(&applied).await);
    }
}

#[tokio::test]
async fn tables_of_others_and_of_other_versions_are_refused() {
    let Some(settings) = new_settings() else { return };
    let commands = DynamoDbStore::schema(&settings).replace(r#""p""#, r#""id""#);
    let commands: Value = serde_json::from_str(&commands).unwrap();
    server::request("CreateTable", &commands["create-table"][0]).await.unwrap();
    for error in
        [refused(&settings).await, DynamoDbStore::apply_schema(&settings).await.unwrap_err()]
    {
        assert!(matches!(error, ConnectError::Schema(_)), "{error}");
        assert!(error.to_string().contains("keys"), "{error}");
    }

    let settings = server::new_settings(settings.endpoint.unwrap());
    DynamoDbStore::apply_schema(&settings).await.unwrap();
    let commands: Value = serde_json::from_str(&DynamoDbStore::schema(&settings)).unwrap();
    let mut version = commands["put-item"][0].clone();
    version["Item"]["v"]["N"] = "2".into();
    server::request("PutItem", &version).await.unwrap();
    for error in
        [refused(&settings).await, DynamoDbStore::apply_schema(&settings).await.unwrap_err()]
    {
        assert!(matches!(error, ConnectError::Schema(_)), "{error}");
        assert!(error.to_string().contains("version 2"), "{error}");
    }
}
