//! Control documents: a partition each, changed by lightweight transactions, and a partition of
//! their names, since keys that are hashed cannot be listed in their order.
//!
//! A document that was removed leaves its row, with its last version below zero and without a body:
//! made again it goes on from there, and a late transaction of its former life finds its version
//! gone. Its name is deleted; the times of these writes are versions (see [`Control::put_name`]).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::{
    client::session::Session,
    response::{PagingState, query_result::QueryResult},
    statement::Consistency::{Quorum, Serial},
    value::{CqlValue, Row},
};

use super::{
    coordinators::Coordinators,
    error::{corrupt, unavailable},
    session::Request,
};
use crate::{ConnectError, Document, Read, StoreError, Version, check_document};

/// Longest time for a request: a transaction takes four ways between the nodes.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Documents of a list that are read at the same time.
const READS_IN_FLIGHT: usize = 16;
/// Names of one page.
const NAMES_A_PAGE: i32 = 1_000;
/// The partition of all names: they are written once for each document, and are few.
const NAMES_PART: i32 = 0;
/// After every character that a key may have.
const AFTER_ALL: char = '~';

/// The requests of a [`crate::ControlStore`].
pub(super) struct Control {
    session: Arc<Session>,
    read_serial: Request,
    read_quorum: Request,
    put_name: Request,
    delete_name: Request,
    names: Request,
    create: Request,
    update: Request,
}

impl Control {
    pub(super) async fn prepare(
        session: &Arc<Session>,
        keyspace: &str,
    ) -> Result<Self, ConnectError> {
        let nodes = Coordinators::new();
        let select = format!("SELECT version, body FROM \"{keyspace}\".documents WHERE key = ?");
        let prepare = async |consistency, cql: String| {
            Request::prepare(session, cql, consistency, TIMEOUT, &nodes).await
        };
        Ok(Self {
            session: Arc::clone(session),
            // A serial read finishes a transaction that its writer left half done, so that what
            // is read once is read ever after.
            read_serial: prepare(Serial, select.clone()).await?,
            // A serial read is a transaction too, and holds up its document's writer. This one
            // does not: an acknowledged change is on a quorum, and any other quorum sees it.
            read_quorum: prepare(Quorum, select).await?,
            put_name: prepare(
                Quorum,
                format!(
                    "INSERT INTO \"{keyspace}\".names (part, key) VALUES (?, ?) USING TIMESTAMP ?"
                ),
            )
            .await?,
            delete_name: prepare(
                Quorum,
                format!(
                    "DELETE FROM \"{keyspace}\".names USING TIMESTAMP ? WHERE part = ? AND key = ?"
                ),
            )
            .await?,
            names: prepare(
                Quorum,
                format!(
                    "SELECT key FROM \"{keyspace}\".names WHERE part = ? AND key >= ? AND key < ?"
                ),
            )
            .await?,
            create: prepare(
                Quorum,
                format!(
                    "INSERT INTO \"{keyspace}\".documents (key, version, body) VALUES (?, ?, ?) \
                     IF NOT EXISTS"
                ),
            )
            .await?,
            update: prepare(
                Quorum,
                format!(
                    "UPDATE \"{keyspace}\".documents SET version = ?, body = ? WHERE key = ? \
                     IF version = ?"
                ),
            )
            .await?,
        })
    }

    pub(super) async fn get(&self, key: &str, read: Read) -> Result<Option<Document>, StoreError> {
        // Under a key that cannot be, there is nothing; the cluster would call some an error.
        if check_document(key, &[]).is_err() {
            return Ok(None);
        }
        let select = match read {
            Read::Serial => &self.read_serial,
            Read::Quorum => &self.read_quorum,
        };
        let answer = select.execute(&self.session, (key,)).await?;
        let rows = answer.into_rows_result().map_err(corrupt)?;
        let row = rows.maybe_first_row::<(i64, Option<Bytes>)>();
        let row = row.map_err(|error| corrupt(format!("the document {key}: {error}")))?;
        match row {
            None => Ok(None),
            // Also with a body, which a replica may bring back that was away for weeks.
            Some((version, _)) if version < 0 => Ok(None),
            Some((version, Some(body))) if version > 0 => {
                Ok(Some(Document { version: Version(version.unsigned_abs()), body }))
            }
            Some((version, _)) => {
                Err(corrupt(format!("the document {key} is of version {version}")))
            }
        }
    }

    /// All documents that were there before the call and still are, are in the list.
    pub(super) async fn list(
        &self,
        prefix: &str,
        read: Read,
    ) -> Result<Vec<(String, Document)>, StoreError> {
        let documents = stream::iter(self.names(prefix).await?).map(async |key| {
            let document = self.get(&key, read).await?;
            Ok::<_, StoreError>(document.map(|document| (key, document)))
        });
        documents
            .buffered(READS_IN_FLIGHT)
            .try_filter_map(async |document| Ok(document))
            .try_collect()
            .await
    }

    /// The names that begin with the prefix, in their order.
    async fn names(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let end = format!("{prefix}{AFTER_ALL}");
        let (mut names, mut from) = (Vec::new(), Some(PagingState::start()));
        while let Some(state) = from {
            let values = (NAMES_PART, prefix, &end);
            let page = self.names.page(&self.session, values, NAMES_A_PAGE, state).await?;
            let rows = page.0.into_rows_result().map_err(corrupt)?;
            for row in rows.rows::<(String,)>().map_err(corrupt)? {
                names.push(row.map_err(corrupt)?.0);
            }
            from = page.1.into_paging_control_flow().continue_value();
        }
        Ok(names)
    }

    pub(super) async fn compare_and_swap(
        &self,
        key: &str,
        expected: Version,
        body: Bytes,
    ) -> Result<Version, StoreError> {
        check_document(key, &body)?;
        if expected == Version::NONE {
            return self.create(key, body).await;
        }
        let (expected, next) = (column(expected)?, column(expected.next()?)?);
        self.update(key, expected, next, Some(body)).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<Version, StoreError> {
        let first = Version::NONE.next()?;
        self.put_name(key, first).await?;
        let create = self.create.execute(&self.session, (key, column(first)?, body.clone()));
        match outcome(create.await?)? {
            Outcome::Applied => Ok(first),
            Outcome::Removed(last) => {
                let first = last.next()?;
                self.put_name(key, first).await?;
                self.update(key, -column(last)?, column(first)?, Some(body)).await
            }
            Outcome::Refused => Err(StoreError::Conflict),
        }
    }

    pub(super) async fn delete(&self, key: &str, expected: Version) -> Result<(), StoreError> {
        check_document(key, &[])?;
        if expected == Version::NONE {
            return Err(StoreError::Conflict);
        }
        let last = column(expected)?;
        self.update(key, last, -last, None).await?;
        // A name alone is passed over.
        let deleted = self.delete_name.execute(&self.session, (last, NAMES_PART, key)).await;
        if let Err(error) = deleted {
            tracing::warn!(key, %error, "the name of a removed document is left");
        }
        Ok(())
    }

    async fn update(
        &self,
        key: &str,
        expected: i64,
        next: i64,
        body: Option<Bytes>,
    ) -> Result<Version, StoreError> {
        let update = self.update.execute(&self.session, (next, body, key, expected));
        match outcome(update.await?)? {
            Outcome::Applied => Ok(Version(next.unsigned_abs())),
            Outcome::Removed(_) | Outcome::Refused => Err(StoreError::Conflict),
        }
    }

    /// Before the document, so that one that is there is always listed. A name whose document never
    /// came to be is passed over by a list.
    ///
    /// The time of the write is the document's first version, and that of a name's deletion its last:
    /// so a deletion that comes late, by whatever clock, leaves the name of the next life alone.
    async fn put_name(&self, key: &str, first: Version) -> Result<(), StoreError> {
        let values = (NAMES_PART, key, column(first)?);
        self.put_name.execute(&self.session, values).await.map(|_| ())
    }
}

/// The version as a column holds it. No document is of one that it cannot hold.
fn column(version: Version) -> Result<i64, StoreError> {
    i64::try_from(version.0).map_err(|_| StoreError::Conflict)
}

/// What became of a transaction.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Applied,
    /// Not applied: the document was removed, and this was its last version.
    Removed(Version),
    /// Not applied, for another reason.
    Refused,
}

/// The first column, `[applied]`, says whether it was done. Which others there are, and in which
/// order, differs from engine to engine.
fn outcome(answer: QueryResult) -> Result<Outcome, StoreError> {
    let unreadable = || unavailable("the answer to a transaction cannot be read");
    let rows = answer.into_rows_result().map_err(|_| unreadable())?;
    let place = rows.column_specs().iter().position(|column| column.name() == "version");
    let row = rows.first_row::<Row>().map_err(|_| unreadable())?;
    let version = place.and_then(|place| row.columns.get(place)?.as_ref()?.as_bigint());
    match (row.columns.first(), version) {
        (Some(Some(CqlValue::Boolean(true))), _) => Ok(Outcome::Applied),
        (Some(Some(CqlValue::Boolean(false))), Some(version)) if version < 0 => {
            Ok(Outcome::Removed(Version(version.unsigned_abs())))
        }
        (Some(Some(CqlValue::Boolean(false))), _) => Ok(Outcome::Refused),
        _ => Err(unreadable()),
    }
}
