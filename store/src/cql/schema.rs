//! The tables: what they are, and making them.

use std::{fmt::Write as _, time::Duration};

use scylla::{
    client::session::Session,
    errors::{DbError, ExecutionError, RequestAttemptError},
    statement::Statement,
};

use super::{
    checks,
    settings::{CqlSettings, Replication},
};
use crate::ConnectError;

/// Of the tables as they are made here. A program opens only a keyspace of its own version.
const VERSION: &str = "1";

/// Longest time for one change.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Everything to be run, in its order, each with what it makes.
fn statements(settings: &CqlSettings) -> Vec<(String, String)> {
    let keyspace = &settings.keyspace;
    let replication = match &settings.replication {
        Replication::Everywhere(copies) => format!("'replication_factor': {copies}"),
        Replication::Datacenters(datacenters) => {
            let each = datacenters.iter().map(|(name, copies)| format!("'{name}': {copies}"));
            each.collect::<Vec<_>>().join(", ")
        }
    };
    let keyspace_cql = format!(
        "CREATE KEYSPACE IF NOT EXISTS \"{keyspace}\"\n\
         \x20   WITH replication = {{'class': 'NetworkTopologyStrategy', {replication}}}\n\
         \x20   AND durable_writes = true"
    );
    let mut statements = vec![(format!("the keyspace {keyspace}"), keyspace_cql)];
    for (name, comment, rest) in TABLES {
        let comment = comment.replace('\n', " ");
        let cql = format!(
            "CREATE TABLE IF NOT EXISTS \"{keyspace}\".{name} {rest}\n    AND comment = '{comment}'"
        );
        statements.push((format!("the table {keyspace}.{name}"), cql));
    }
    statements
}

/// Name, comment, columns and options. The reasons stand in `docs/decisions/0006-cql-backend.md`.
const TABLES: [(&str, &str, &str); 5] = [
    (
        "ballots",
        "Batches of ballots. Written once, read by bucket",
        "(
    contest text,
    bucket bigint,
    shard int,
    batch_id uuid,
    packed blob,
    PRIMARY KEY ((contest, bucket, shard), batch_id)
) WITH compaction = {'class': 'TimeWindowCompactionStrategy',
        'compaction_window_unit': 'DAYS', 'compaction_window_size': 1}
    AND compression = {'class': 'LZ4Compressor', 'chunk_length_in_kb': 64}
    AND caching = {'keys': 'NONE', 'rows_per_partition': 'NONE'}
    AND speculative_retry = '50ms'",
    ),
    (
        "buckets",
        "Buckets of a shard that hold ballots",
        "(
    contest text,
    shard int,
    bucket bigint,
    PRIMARY KEY ((contest, shard), bucket)
) WITH compaction = {'class': 'SizeTieredCompactionStrategy'}
    AND speculative_retry = '50ms'",
    ),
    (
        "documents",
        "Control documents. Written by lightweight transactions only",
        "(
    key text PRIMARY KEY,
    version bigint,
    body blob
) WITH compaction = {'class': 'LeveledCompactionStrategy'}
    AND speculative_retry = '50ms'",
    ),
    (
        "names",
        "Keys of the control documents, and of some that are not there",
        "(
    part int,
    key text,
    PRIMARY KEY (part, key)
) WITH compaction = {'class': 'SizeTieredCompactionStrategy'}
    AND speculative_retry = '50ms'",
    ),
    (
        "meta",
        "The version of these tables",
        "(
    key text PRIMARY KEY,
    value text
) WITH compaction = {'class': 'SizeTieredCompactionStrategy'}",
    ),
];

/// All of it as text, to be read or to be run by hand.
pub(super) fn text(settings: &CqlSettings) -> String {
    let mut text = String::new();
    for (_, cql) in statements(settings) {
        let _ = writeln!(text, "{cql};\n");
    }
    let _ = writeln!(text, "{};", version_cql(settings));
    text
}

fn version_cql(settings: &CqlSettings) -> String {
    let keyspace = &settings.keyspace;
    format!(
        "INSERT INTO \"{keyspace}\".meta (key, value) VALUES ('schema', '{VERSION}') IF NOT EXISTS"
    )
}

/// Makes what is missing, and says what it did. What is there is left as it is.
pub(super) async fn apply(
    session: &Session,
    settings: &CqlSettings,
) -> Result<Vec<String>, ConnectError> {
    let mut done = Vec::new();
    // Of another version nothing is touched.
    match found(session, settings).await? {
        Found::Version(version) if version == VERSION => {
            done.push(format!("the tables are of version {VERSION}: nothing to do"));
            return Ok(done);
        }
        Found::Version(version) => return Err(other_version(settings, &version)),
        Found::Nothing => {}
    }
    for (number, (what, cql)) in statements(settings).into_iter().enumerate() {
        let error = |error| not_made(&what, &error);
        session.query_unpaged(patient(cql), ()).await.map_err(error)?;
        done.push(format!("made {what}, if it was not there"));
        if number == 0 {
            // Of a keyspace that was there, and of a new one for which there are too few nodes.
            checks::replication(session, settings).await?;
        }
    }
    let what = "the version of the tables";
    session
        .query_unpaged(patient(version_cql(settings)), ())
        .await
        .map_err(|error| not_made(what, &error))?;
    done.push(format!("wrote {what}, {VERSION}"));
    check(session, settings).await?;
    Ok(done)
}

/// A change of the schema waits until all nodes know of it, which takes seconds on busy ones.
fn patient(cql: String) -> Statement {
    let mut statement = Statement::new(cql);
    statement.set_request_timeout(Some(STATEMENT_TIMEOUT));
    statement
}

fn not_made(what: &str, error: &ExecutionError) -> ConnectError {
    let sentence = format!("cannot make {what}: {error}");
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::Invalid
            | DbError::SyntaxError
            | DbError::ConfigError
            | DbError::Unauthorized
            | DbError::AlreadyExists { .. },
            _,
        )) => ConnectError::Schema(sentence.into()),
        _ => ConnectError::Unavailable(sentence.into()),
    }
}

/// Whether the tables are there, and of this program's version.
pub(super) async fn check(session: &Session, settings: &CqlSettings) -> Result<(), ConnectError> {
    match found(session, settings).await? {
        Found::Version(version) if version == VERSION => Ok(()),
        Found::Version(version) => Err(other_version(settings, &version)),
        Found::Nothing => {
            let keyspace = &settings.keyspace;
            let sentence = format!(
                "the keyspace {keyspace} has no tables of ours: run `landslide schema` once to \
                 make them"
            );
            Err(ConnectError::Schema(sentence.into()))
        }
    }
}

fn other_version(settings: &CqlSettings, version: &str) -> ConnectError {
    let keyspace = &settings.keyspace;
    let sentence = format!(
        "the tables of the keyspace {keyspace} are of version {version}, this program's are of \
         version {VERSION}: take the program that fits, or another keyspace and run \
         `landslide schema`"
    );
    ConnectError::Schema(sentence.into())
}

enum Found {
    Nothing,
    Version(String),
}

async fn found(session: &Session, settings: &CqlSettings) -> Result<Found, ConnectError> {
    let cql = format!("SELECT value FROM \"{}\".meta WHERE key = 'schema'", settings.keyspace);
    let answer = match session.query_unpaged(cql, ()).await {
        Ok(answer) => answer,
        // No such keyspace, or no such table in it.
        Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::Invalid,
            _,
        ))) => return Ok(Found::Nothing),
        Err(error) => return Err(ConnectError::Unavailable(error.to_string().into())),
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        ConnectError::Schema(format!("the version of the tables cannot be read: {error}").into())
    };
    let rows = answer.into_rows_result().map_err(|error| unreadable(&error))?;
    let version = rows.maybe_first_row::<(String,)>().map_err(|error| unreadable(&error))?;
    Ok(version.map_or(Found::Nothing, |(version,)| Found::Version(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_creates_what_the_settings_ask_for() {
        let text_of = |address: &str| text(&address.parse().unwrap());
        let three = text_of("cql://u:secret@a/votes");
        assert!(three.contains("CREATE KEYSPACE IF NOT EXISTS \"votes\""), "{three}");
        assert!(three.contains("'NetworkTopologyStrategy', 'replication_factor': 3}"), "{three}");
        assert!(!three.contains("secret"), "{three}");
        assert_eq!(three.matches("CREATE TABLE IF NOT EXISTS \"votes\".").count(), 5);
        let each = text_of("cql://a/votes?replication=b:2,a:3");
        assert!(each.contains("'NetworkTopologyStrategy', 'a': 3, 'b': 2}"), "{each}");
    }
}
