//! `DELETE` of a draft, and all that belongs to it.
//!
//! Several documents cannot go at once. So the contest's own is first marked, by a swap that meets an
//! opening or any other change; from then on nobody knows the contest. Then the others go, each only in
//! the version that was this contest's, and the marked one last. Whoever makes a contest of the same
//! name first finishes what was begun. So none is ever without its key, or has another's.

use ballot::{Contest, Slug, Timestamp};
use store::{Read, StoreError, Version};

use super::{
    change::{Change, ContestError, Next, Stored, TRIES, too_many_changes},
    put::is_settled,
};
use crate::{
    contests::{Contests, Pace},
    documents::{ContestDocument, Deleted, key, parse},
};

impl Contests {
    /// Deletes a contest that has not opened, and may not have opened elsewhere.
    pub async fn delete(&self, slug: &Slug) -> Result<(), ContestError> {
        for _ in 0..TRIES {
            let Some(stored) = self.stored(slug).await? else {
                // It may have broken off, and whoever began it tries again.
                let is_finished = self.finish_deletion(slug).await?;
                return if is_finished { Ok(()) } else { Err(ContestError::NotFound) };
            };
            // Between this read and the mark it is the same contest, so these are its documents.
            let (key, channels) =
                (self.version(slug, "key").await?, self.version(slug, "channels").await?);
            let delete = Delete { of: stored.version, deleted: Deleted { key, channels } };
            match self.apply(slug, &delete).await {
                Err(ContestError::Stale) => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    self.finish_deletion(slug).await?;
                    return Ok(());
                }
            }
        }
        Err(too_many_changes().into())
    }

    /// Deletes what is left of a contest that is marked, and the mark. Whether there was one.
    pub(super) async fn finish_deletion(&self, slug: &Slug) -> Result<bool, StoreError> {
        let path = key("contest", slug);
        let Some(stored) = self.control.get(&path, Read::Serial).await? else { return Ok(false) };
        let document: ContestDocument = parse(slug, &stored.body)?;
        let Some(Deleted { key: key_version, channels }) = document.deleted else {
            return Ok(false);
        };
        let documents = [
            (key("key", slug), Version(key_version)),
            (key("channels", slug), Version(channels)),
            (path, stored.version),
        ];
        for (path, version) in documents.into_iter().filter(|(_, of)| *of != Version::NONE) {
            match self.control.delete(&path, version).await {
                // Somebody else has finished it, and perhaps another contest is there already.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn version(&self, slug: &Slug, kind: &str) -> Result<u64, StoreError> {
        let document = self.control.get(&key(kind, slug), Read::Serial).await?;
        Ok(document.map_or(Version::NONE, |document| document.version).0)
    }
}

/// Marks a draft as deleted.
struct Delete {
    of: Version,
    deleted: Deleted,
}

impl Change for Delete {
    fn decide(
        &self,
        stored: Option<&Stored>,
        now: Timestamp,
        pace: &Pace,
    ) -> Result<Option<Next>, ContestError> {
        let Stored { version, document, contest } = stored.ok_or(ContestError::NotFound)?;
        if is_settled(contest.hours, now, pace.close_margin) {
            let detail = "only a draft can be deleted, and this contest has opened, or is about to";
            return Err(ContestError::not_by_hand(contest.hours, detail));
        }
        if *version != self.of {
            return Err(ContestError::Stale);
        }
        let document = ContestDocument { deleted: Some(self.deleted), ..document.clone() };
        Ok(Some(Next { document, contest: contest.clone() }))
    }

    fn holds(&self, stored: &Contest, _: &Contest, now: Timestamp, pace: &Pace) -> bool {
        !is_settled(stored.hours, now, pace.close_margin_left())
    }
}
