//! Reading the contests' documents again: what has changed, what is settled, what is final.
//!
//! A contest that cannot be read stops nobody's but its own ballots.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use ballot::{Contest, Counts, CountsStatus, Hours, Moment, Phase, Slug};
use futures_util::{StreamExt, stream};
use store::{Document, Read, StoreError, Version};
use tokio::sync::MutexGuard;

use crate::{
    contests::{Contests, Snapshot},
    documents::{ChannelsDocument, ContestDocument, CountedSoFar, Etag, key, parse, slug_of},
    live::LiveContest,
    settled,
};

/// Documents that are read at the same moment: most of a read's time is waiting for replicas.
const READS_AT_ONCE: usize = 16;

/// What one refresh goes by.
struct Reading {
    began: Moment,
    known: Arc<Snapshot>,
    channels: HashMap<String, Document>,
}

/// What became of one contest in a refresh.
enum Outcome {
    Live(Arc<LiveContest>),
    /// It is there, and cannot be understood.
    Unreadable(StoreError),
    /// It was deleted a moment ago.
    Gone,
    /// The store did not say; what is known of it stays, and grows older.
    Away(StoreError),
}

impl Contests {
    /// Reads what has changed in the store. Fails where it could not read all of it; what it could
    /// is taken into account.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut tried_at = self.replacing.lock().await;
        self.refresh_holding(&mut tried_at).await
    }

    /// A contest's definition as it is in the store now, and the names of its gateways' channels, for
    /// whoever counts by it. Waits for nothing but this contest's documents, and changes nothing that is
    /// known here.
    pub async fn read(&self, slug: &Slug) -> Result<Option<(Contest, Vec<Slug>)>, StoreError> {
        let Some(document) = self.control.get(&key("contest", slug), Read::Serial).await? else {
            return Ok(None);
        };
        let document: ContestDocument = parse(slug, &document.body)?;
        if document.deleted.is_some() {
            return Ok(None);
        }
        let contest = document.contest(slug)?;
        let channels = match self.control.get(&key("channels", slug), Read::Quorum).await? {
            Some(channels) => {
                let channels: ChannelsDocument = parse(slug, &channels.body)?;
                channels.of(document.edition.as_deref()).channels
            }
            None => Vec::new(),
        };
        Ok(Some((contest, channels.into_iter().map(|channel| channel.channel).collect())))
    }

    /// Until the next refresh, refuses what either the present hours or `hours` refuse.
    pub(crate) fn restrict(&self, slug: &Slug, hours: Hours) {
        let known = self.snapshot.load_full();
        let Some(live) = known.live.get(slug) else { return };
        let mut next = known.live.clone();
        next.insert(slug.clone(), Arc::new(live.restricted_to(hours, self.clock.now())));
        self.publish(Snapshot { live: next, unreadable: known.unreadable.clone() });
    }

    pub(crate) async fn refresh_holding(
        &self,
        tried_at: &mut MutexGuard<'_, Moment>,
    ) -> Result<(), StoreError> {
        let began = self.clock.moment();
        **tried_at = began;
        self.settle_doubts().await;
        let channels = self.control.list("channels/", Read::Quorum).await?.into_iter().collect();
        let documents = self.control.list("contest/", Read::Quorum).await?;
        let reading = Reading { began, known: self.snapshot.load_full(), channels };
        let read = documents.into_iter().filter_map(|(path, document)| {
            // Nobody could ask for a contest of such a name.
            let slug = slug_of(&path)?;
            Some(self.read_contest(&reading, slug, document))
        });
        let outcomes: Vec<_> = stream::iter(read).buffered(READS_AT_ONCE).collect().await;

        let (mut next, mut away) = (Snapshot::default(), None);
        for (slug, outcome) in outcomes {
            match outcome {
                Outcome::Live(live) => drop(next.live.insert(slug, live)),
                Outcome::Gone => {}
                Outcome::Unreadable(error) => {
                    self.note_unreadable(&reading.known, &slug, &error);
                    next.unreadable.insert(slug, error.to_string().into());
                }
                Outcome::Away(error) => {
                    let live = reading.known.live.get(&slug);
                    live.map(|live| next.live.insert(slug.clone(), Arc::clone(live)));
                    let unreadable = reading.known.unreadable.get(&slug);
                    unreadable.map(|why| next.unreadable.insert(slug, Arc::clone(why)));
                    away = Some(error);
                }
            }
        }
        self.publish(next);
        if let Some(error) = away {
            return Err(error);
        }
        self.read_at_us.fetch_max(began.as_micros(), Ordering::Release);
        Ok(())
    }

    /// One contest, of whose definition `document` is a look.
    async fn read_contest(
        &self,
        reading: &Reading,
        slug: Slug,
        document: Document,
    ) -> (Slug, Outcome) {
        let outcome = match self.settle(reading, &slug, document).await {
            Ok(Some(live)) => match self.note_counted(&live).await {
                Ok(()) => Outcome::Live(live),
                Err(error) => Outcome::Away(error),
            },
            Ok(None) => Outcome::Gone,
            Err(error @ StoreError::Unavailable(_)) => Outcome::Away(error),
            Err(error) => Outcome::Unreadable(error),
        };
        (slug, outcome)
    }

    /// Reads the definition serially where a look is not enough: where a change whose outcome nobody
    /// knows could do harm, it is done or not from this read on, and not hours later.
    async fn settle(
        &self,
        reading: &Reading,
        slug: &Slug,
        looked: Document,
    ) -> Result<Option<Arc<LiveContest>>, StoreError> {
        if self.is_doubtful(slug) {
            return Err(StoreError::Unavailable("a change of it is in doubt".into()));
        }
        let known = reading.known.live.get(slug);
        let unchanged = known.filter(|live| {
            let age = reading.began.since(live.settled_at());
            let (hours, margin) = (live.contest.hours, self.pace.close_margin);
            !live.is_restricted()
                && settled::is_a_look_enough(slug, hours, age, self.clock.now(), margin)
                // What else is under way with a changed one may harm more now than it could before.
                && live.etag() == Etag(looked.version)
        });
        let (document, settled_at) = match unchanged {
            Some(live) => (looked, live.settled_at()),
            None => match self.control.get(&key("contest", slug), Read::Serial).await? {
                Some(document) => (document, reading.began),
                None => return Ok(None),
            },
        };
        let channels = reading.channels.get(&key("channels", slug));
        let versions = (document.version, channels.map_or(Version::NONE, |d| d.version));
        let live = match known {
            Some(live) if live.is_current(versions) => Arc::clone(live),
            _ => {
                let Some(live) = self.understand(slug, &document, channels).await? else {
                    return Ok(None);
                };
                known.inspect(|known| live.inherit(known));
                Arc::new(live)
            }
        };
        live.set_settled_at(settled_at);
        Ok(Some(live))
    }

    /// Makes of the documents what a ballot is checked against; nothing of one that is being deleted.
    async fn understand(
        &self,
        slug: &Slug,
        stored: &Document,
        channels: Option<&Document>,
    ) -> Result<Option<LiveContest>, StoreError> {
        let document: ContestDocument = parse(slug, &stored.body)?;
        if document.deleted.is_some() {
            return Ok(None);
        }
        let key = self.key(slug).await?;
        let edition = document.edition.clone().unwrap_or_else(|| key.edition());
        let contest = Contest { edition: Some(edition), ..document.contest(slug)? };
        let (channels_version, channels) = match channels {
            None => (Version::NONE, ChannelsDocument::default()),
            Some(channels) => (channels.version, parse(slug, &channels.body)?),
        };
        let channels = channels.of(contest.edition.as_deref()).channels;
        let versions = (stored.version, channels_version);
        let live = LiveContest::new(slug.clone(), contest, key, channels, versions);
        Ok(Some(live.with_replaced_end(document.replaced_end)))
    }

    /// Notes how far a contest has been counted: nothing is stamped before that any more, and nothing
    /// is taken for it once that is final.
    async fn note_counted(&self, live: &LiveContest) -> Result<(), StoreError> {
        if live.is_final() || live.contest.hours.phase(self.clock.now()) == Phase::Draft {
            return Ok(());
        }
        let row = self.control.get(&Counts::document_key(&live.slug), Read::Quorum).await?;
        // A row that cannot be read is the tally's to report.
        let counted: Option<CountedSoFar> =
            row.and_then(|row| serde_json::from_slice(&row.body).ok());
        if let Some(counted) = counted {
            self.clock.raise_floor(counted.counted_through);
            live.set_counted(counted.counted_through, counted.status >= CountsStatus::Final);
        }
        Ok(())
    }

    fn note_unreadable(&self, known: &Snapshot, slug: &Slug, error: &StoreError) {
        // Once, and not every second.
        if known.unreadable.get(slug).is_none_or(|why| **why != *error.to_string()) {
            tracing::error!(contest = %slug, %error, "the contest is refused: it cannot be read");
        }
    }

    fn publish(&self, next: Snapshot) {
        self.snapshot.store(Arc::new(next));
    }
}
