//! Changing a contest's document so that it is known, soon, whether the change was done.
//!
//! A reply that is lost says nothing, and the request may lie in a paused node of the cluster and be
//! carried out when that goes on: a close long after its time. So what was not done is voided, by a
//! swap that leaves the document as it is but for its version; and what could not be voided is tried
//! again with every refresh, for as long as this node lives.

use ballot::{Moment, Slug};
use bytes::Bytes;
use store::{Read, StoreError, Version};

use crate::{
    contests::Contests,
    documents::{ContestDocument, key, written},
};

impl Contests {
    /// Compares and swaps a contest's document. After `Unavailable` it was not done, or is held to be
    /// in doubt until a refresh has settled it.
    pub(crate) async fn swap(
        &self,
        slug: &Slug,
        path: &str,
        expected: Version,
        document: &ContestDocument,
        decided: Moment,
    ) -> Result<Version, StoreError> {
        let body = written(document);
        let swap = self.control.compare_and_swap(path, expected, body.clone());
        let outcome = if self.pace.definition_age_max.is_some() {
            // A change that takes longer is of no use: its margin is gone.
            let left = self.pace.close_written.saturating_sub(self.elapsed(decided));
            let late = StoreError::Unavailable("no reply in time".into());
            tokio::time::timeout(left, swap).await.unwrap_or(Err(late))
        } else {
            swap.await
        };
        let Err(StoreError::Unavailable(lost)) = outcome else { return outcome };
        self.doubtful.lock().insert(slug.clone(), expected);
        match self.settle_doubt(slug, path, expected, Some(&body)).await? {
            Settled::Voided => {
                Err(StoreError::Unavailable(format!("{lost}; it was not done").into()))
            }
            Settled::Done(version) => Ok(version),
            Settled::Overtaken => Err(StoreError::Conflict),
            // Of a contest that is not there nobody has read anything.
            Settled::NotThere => Err(StoreError::Unavailable(lost)),
        }
    }

    /// Settles the changes whose outcome is not known yet, as far as the store answers.
    pub(crate) async fn settle_doubts(&self) {
        let doubtful: Vec<_> = self.doubtful.lock().clone().into_iter().collect();
        for (slug, expected) in doubtful {
            // What it came to is read by the refresh that asked.
            let _ = self.settle_doubt(&slug, &key("contest", &slug), expected, None).await;
        }
    }

    pub(crate) fn is_doubtful(&self, slug: &Slug) -> bool {
        self.doubtful.lock().contains_key(slug)
    }

    pub(crate) fn took_too_long(&self, decided: Moment) -> bool {
        self.pace.definition_age_max.is_some() && self.elapsed(decided) > self.pace.close_written
    }

    async fn settle_doubt(
        &self,
        slug: &Slug,
        path: &str,
        expected: Version,
        body: Option<&Bytes>,
    ) -> Result<Settled, StoreError> {
        let settled = match self.control.get(path, Read::Serial).await? {
            Some(document) if document.version == expected => {
                match self.control.compare_and_swap(path, expected, document.body).await {
                    Ok(_) => Settled::Voided,
                    // It was carried out in between, or somebody else's was: the next read says.
                    Err(StoreError::Conflict) => Settled::Overtaken,
                    Err(error) => return Err(error),
                }
            }
            Some(document) if body == Some(&document.body) => Settled::Done(document.version),
            Some(_) => Settled::Overtaken,
            None => Settled::NotThere,
        };
        self.doubtful.lock().remove(slug);
        Ok(settled)
    }

    fn elapsed(&self, since: Moment) -> std::time::Duration {
        self.clock.moment().since(since)
    }
}

/// What became of a change without a reply. It will not be carried out later.
enum Settled {
    Voided,
    Done(Version),
    Overtaken,
    NotThere,
}
