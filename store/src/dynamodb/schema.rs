//! The tables: what they are, how they are made, and whether they are there.

#![expect(clippy::disallowed_methods, reason = "how long a new table is waited for")]

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType,
        PointInTimeRecoverySpecification, ScalarAttributeType, TableDescription, TableStatus,
    },
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    clients::Clients,
    errors::connect_error,
    item::{PARTITION, SORT, VERSION, number, take_number, text},
    settings::DynamoDbSettings,
};
use crate::ConnectError;

/// The version of the tables and of their items, which is stored in the table of the documents.
const TABLES_VERSION: u64 = 1;
/// Both keys of the item that says so.
const TABLES: &str = "tables";
/// A new table takes a few seconds to become active.
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(120);
const ACTIVE_POLL: Duration = Duration::from_millis(500);

/// A table, as it must be.
struct Table {
    name: String,
    sort: ScalarAttributeType,
}

impl Table {
    fn both(settings: &DynamoDbSettings) -> [Self; 2] {
        [
            Self { name: settings.ballots_table(), sort: ScalarAttributeType::B },
            Self { name: settings.control_table(), sort: ScalarAttributeType::S },
        ]
    }

    fn keys(&self) -> [(&'static str, ScalarAttributeType, KeyType); 2] {
        [
            (PARTITION, ScalarAttributeType::S, KeyType::Hash),
            (SORT, self.sort.clone(), KeyType::Range),
        ]
    }

    fn json(&self) -> Value {
        let keys = self.keys();
        let attribute = |(name, kind, _): &(&str, ScalarAttributeType, KeyType)| json!({ "AttributeName": name, "AttributeType": kind.as_str() });
        let key = |(name, _, role): &(&str, ScalarAttributeType, KeyType)| json!({ "AttributeName": name, "KeyType": role.as_str() });
        json!({
            "TableName": self.name,
            "AttributeDefinitions": keys.iter().map(attribute).collect::<Vec<_>>(),
            "KeySchema": keys.iter().map(key).collect::<Vec<_>>(),
            "BillingMode": "PAY_PER_REQUEST",
            "DeletionProtectionEnabled": true,
        })
    }

    /// Whether the table that is there has the keys that it must have.
    fn check(&self, found: &TableDescription) -> Result<(), ConnectError> {
        let is_key = |(name, kind, role): &(&str, ScalarAttributeType, KeyType)| {
            let defined = found
                .attribute_definitions()
                .iter()
                .any(|it| it.attribute_name() == *name && it.attribute_type() == kind);
            let key = found.key_schema().iter();
            defined
                && key.into_iter().any(|it| it.attribute_name() == *name && it.key_type() == role)
        };
        if self.keys().iter().all(is_key) {
            return Ok(());
        }
        let detail =
            format!("the table {} has other keys than ours: it is not our table", self.name);
        Err(ConnectError::Schema(detail.into()))
    }
}

/// The tables as JSON: an object whose members are commands of `aws dynamodb`, in the order in
/// which they must be given, with what each takes as `--cli-input-json`, once for every element.
pub(super) fn schema(settings: &DynamoDbSettings) -> String {
    let tables = Table::both(settings);
    let recovery = |table: &Table| {
        json!({
            "TableName": table.name,
            "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
        })
    };
    let version = json!({
        "TableName": settings.control_table(),
        "Item": {
            PARTITION: { "S": TABLES },
            SORT: { "S": TABLES },
            VERSION: { "N": TABLES_VERSION.to_string() },
        },
    });
    let commands = json!({
        "create-table": tables.iter().map(Table::json).collect::<Vec<_>>(),
        "put-item": [version],
        "update-continuous-backups": tables.iter().map(recovery).collect::<Vec<_>>(),
    });
    format!("{commands:#}\n")
}

/// Makes what is missing, and says what was done.
pub(super) async fn apply(settings: &DynamoDbSettings) -> Result<Vec<String>, ConnectError> {
    let client = Clients::new(settings).await.retrying;
    let mut done = Vec::new();
    for table in Table::both(settings) {
        let made = create(&client, &table).await?;
        wait_until_active(&client, &table).await?;
        let name = &table.name;
        done.push(if made {
            format!("made the table {name}")
        } else {
            format!("the table {name} is there")
        });
        done.push(keep_backups(&client, name).await?);
    }
    put_version(&client, settings).await?;
    check_version(&client, settings).await?;
    done.push(format!("the tables are of version {TABLES_VERSION}"));
    Ok(done)
}

/// Whether all is there as it must be.
pub(super) async fn check(
    client: &Client,
    settings: &DynamoDbSettings,
) -> Result<(), ConnectError> {
    for table in Table::both(settings) {
        let Some(found) = describe(client, &table.name).await? else {
            let detail = format!("the table {} is missing: run `landslide schema`", table.name);
            return Err(ConnectError::Schema(detail.into()));
        };
        table.check(&found)?;
        if !is_usable(&found) {
            let status = found.table_status().map_or("not known", TableStatus::as_str);
            let detail = format!("the table {} is not ready: its status is {status}", table.name);
            return Err(ConnectError::Unavailable(detail.into()));
        }
    }
    check_version(client, settings).await
}

/// Makes the table unless it is there.
async fn create(client: &Client, table: &Table) -> Result<bool, ConnectError> {
    if describe(client, &table.name).await?.is_some() {
        return Ok(false);
    }
    let doing = format!("the table {} was not made", table.name);
    let mut create = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .deletion_protection_enabled(true);
    for (name, kind, role) in table.keys() {
        let incomplete = |error: aws_sdk_dynamodb::error::BuildError| {
            ConnectError::Schema(format!("{doing}: {error}").into())
        };
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(role);
        create = create
            .attribute_definitions(attribute.build().map_err(incomplete)?)
            .key_schema(key.build().map_err(incomplete)?);
    }
    match create.send().await {
        Ok(_) => Ok(true),
        // Somebody else makes it at the same moment; or a lost reply's second try finds our own.
        Err(error) if error.code() == Some("ResourceInUseException") => Ok(false),
        Err(error) => Err(connect_error(&doing, error)),
    }
}

async fn wait_until_active(client: &Client, table: &Table) -> Result<(), ConnectError> {
    let deadline = Instant::now() + ACTIVE_TIMEOUT;
    loop {
        if let Some(found) = describe(client, &table.name).await?
            && is_usable(&found)
        {
            return table.check(&found);
        }
        if Instant::now() >= deadline {
            let detail = format!("the table {} does not become active", table.name);
            return Err(ConnectError::Unavailable(detail.into()));
        }
        tokio::time::sleep(ACTIVE_POLL).await;
    }
}

fn is_usable(table: &TableDescription) -> bool {
    matches!(table.table_status(), Some(TableStatus::Active | TableStatus::Updating))
}

async fn describe(client: &Client, name: &str) -> Result<Option<TableDescription>, ConnectError> {
    match client.describe_table().table_name(name).send().await {
        Ok(output) => Ok(output.table),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(connect_error(&format!("the table {name} was not looked up"), error)),
    }
}

fn is_missing<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ResourceNotFoundException")
}

/// Lets the table be brought back to any second of the last 35 days.
async fn keep_backups(client: &Client, name: &str) -> Result<String, ConnectError> {
    let doing = format!("point-in-time recovery of {name} was not switched on");
    let recovery = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
    let recovery = recovery
        .build()
        .map_err(|error| ConnectError::Schema(format!("{doing}: {error}").into()))?;
    let update = client
        .update_continuous_backups()
        .table_name(name)
        .point_in_time_recovery_specification(recovery);
    let deadline = Instant::now() + ACTIVE_TIMEOUT;
    loop {
        match update.clone().send().await {
            Ok(_) => return Ok(format!("point-in-time recovery of {name} is on")),
            // The service is still preparing a new table for it.
            Err(error)
                if error.code() == Some("ContinuousBackupsUnavailableException")
                    && Instant::now() < deadline =>
            {
                tokio::time::sleep(ACTIVE_POLL).await;
            }
            // DynamoDB Local and others of its kind have none.
            Err(error) if error.code() == Some("UnknownOperationException") => {
                return Ok(format!("the server has no point-in-time recovery for {name}"));
            }
            Err(error) => return Err(connect_error(&doing, error)),
        }
    }
}

async fn put_version(client: &Client, settings: &DynamoDbSettings) -> Result<(), ConnectError> {
    let put = client
        .put_item()
        .table_name(settings.control_table())
        .item(PARTITION, text(TABLES))
        .item(SORT, text(TABLES))
        .item(VERSION, number(TABLES_VERSION))
        .condition_expression("attribute_not_exists(p)");
    match put.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
        Err(error) => Err(connect_error("the version of the tables was not written", error)),
    }
}

async fn check_version(client: &Client, settings: &DynamoDbSettings) -> Result<(), ConnectError> {
    let table = settings.control_table();
    let get = client.get_item().table_name(&table).consistent_read(true);
    let get = get.key(PARTITION, text(TABLES)).key(SORT, text(TABLES));
    let item = match get.send().await {
        Ok(output) => output.item,
        Err(error) => {
            return Err(connect_error("the version of the tables was not read", error));
        }
    };
    let version = item.and_then(|mut item| take_number(&mut item, VERSION));
    let detail = match version {
        Some(TABLES_VERSION) => return Ok(()),
        Some(other) => format!(
            "the tables are of version {other}, this program's are of version {TABLES_VERSION}"
        ),
        None => format!("the table {table} does not say its version: run `landslide schema`"),
    };
    Err(ConnectError::Schema(detail.into()))
}
