//! Control documents: a partition each, changed by lightweight transactions, and a partition of
//! their names, since keys that are hashed cannot be listed in their order.

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
use crate::{ConnectError, Document, StoreError, Version, check_document};

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
    get: Request,
    peek: Request,
    put_name: Request,
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
            get: prepare(Serial, select.clone()).await?,
            // A serial read is a transaction too, and holds up its document's writer. This one
            // does not: an acknowledged change is on a quorum, and any other quorum sees it.
            peek: prepare(Quorum, select).await?,
            put_name: prepare(
                Quorum,
                format!("INSERT INTO \"{keyspace}\".names (part, key) VALUES (?, ?)"),
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

    pub(super) async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        self.read(&self.get, key).await
    }

    pub(super) async fn peek(&self, key: &str) -> Result<Option<Document>, StoreError> {
        self.read(&self.peek, key).await
    }

    async fn read(&self, how: &Request, key: &str) -> Result<Option<Document>, StoreError> {
        // Under a key that cannot be, there is nothing; the cluster would call some an error.
        if check_document(key, &[]).is_err() {
            return Ok(None);
        }
        let answer = how.execute(&self.session, (key,)).await?;
        let rows = answer.into_rows_result().map_err(corrupt)?;
        let row = rows.maybe_first_row::<(i64, Bytes)>();
        let row = row.map_err(|error| corrupt(format!("the document {key}: {error}")))?;
        let Some((version, body)) = row else { return Ok(None) };
        match u64::try_from(version) {
            Ok(version @ 1..) => Ok(Some(Document { version: Version(version), body })),
            _ => Err(corrupt(format!("the document {key} is of version {version}"))),
        }
    }

    /// Each document is as it was at some moment of the call; all that were there before it are
    /// in the list.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<(String, Document)>, StoreError> {
        self.list_or_peek(prefix, &|_| false).await
    }

    pub(super) async fn peek_all(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, Document)>, StoreError> {
        self.list_or_peek(prefix, &|_| true).await
    }

    pub(super) async fn list_or_peek(
        &self,
        prefix: &str,
        peeks: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<Vec<(String, Document)>, StoreError> {
        let documents = stream::iter(self.names(prefix).await?).map(async |key| {
            let how = if peeks(&key) { &self.peek } else { &self.get };
            let document = self.read(how, &key).await?;
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
        // No document is of a version that a column cannot hold, or is the last.
        let next = expected.0.checked_add(1).and_then(|next| i64::try_from(next).ok());
        let next = next.ok_or(StoreError::Conflict)?;
        let answer = if expected == Version::NONE {
            // Before the document, so that one that is there is always listed. A name whose
            // document never came to be is passed over by a list.
            self.put_name.execute(&self.session, (NAMES_PART, key)).await?;
            self.create.execute(&self.session, (key, next, body)).await?
        } else {
            self.update.execute(&self.session, (next, body, key, next - 1)).await?
        };
        if applied(answer)? { Ok(Version(next as u64)) } else { Err(StoreError::Conflict) }
    }
}

/// Whether the transaction was done: the first column, `[applied]`, says so. The others differ
/// from engine to engine.
fn applied(answer: QueryResult) -> Result<bool, StoreError> {
    let unreadable = "the answer to a compare-and-swap cannot be read";
    let rows = answer.into_rows_result().map_err(|_| unavailable(unreadable))?;
    let row = rows.first_row::<Row>().map_err(|_| unavailable(unreadable))?;
    match row.columns.first() {
        Some(Some(CqlValue::Boolean(applied))) => Ok(*applied),
        _ => Err(unavailable(unreadable)),
    }
}
