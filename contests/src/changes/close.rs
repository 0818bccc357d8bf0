//! `POST …/close` and `…/close/cancel`.
//!
//! A close is set far enough ahead for every node to know of it. Until it comes it can be taken back,
//! as long as every node can know of that, too: nothing that has closed opens again. A node that has
//! not read the definition since the close does not know, and says so to voters (`admit.rs`); and a
//! count is made final only after [`Contests::seal`].

use std::time::Duration;

use ballot::{Contest, Hours, Phase, Slug, Timestamp};
use store::{Read, StoreError};

use super::change::{Change, Changed, ContestError, Next, Stored, TRIES, too_many_changes};
use crate::{
    contests::{Contests, Pace},
    documents::{ContestDocument, ReplacedEnd, key, parse, written},
    live::LiveContest,
};

impl Contests {
    /// Closes a contest after so long, or as soon as every node can know of it. A second close moves
    /// nothing.
    pub async fn close(&self, slug: &Slug, after: Duration) -> Result<Changed, ContestError> {
        self.change(slug, &Close { after }).await
    }

    /// Takes a close by hand back that has not come yet: the end is what it was.
    pub async fn cancel_close(&self, slug: &Slug) -> Result<Changed, ContestError> {
        self.change(slug, &CancelClose).await
    }

    /// Until when a close by hand that is under way can be taken back.
    pub fn cancel_until(&self, live: &LiveContest) -> Option<Timestamp> {
        let closes_at = live.contest.hours.closes_at.filter(|_| live.close_can_be_cancelled())?;
        let until = closes_at.minus(self.pace.cancel_margin);
        (until >= self.clock.now()).then_some(until)
    }

    /// From now on a close by hand cannot be taken back, not even by a request that was made before and
    /// is still on its way to the store. Whoever makes a count final reads the definition after this.
    pub async fn seal(&self, slug: &Slug) -> Result<(), StoreError> {
        let path = key("contest", slug);
        for _ in 0..TRIES {
            let Some(stored) = self.control.get(&path, Read::Serial).await? else { return Ok(()) };
            let mut document: ContestDocument = parse(slug, &stored.body)?;
            if document.replaced_end.take().is_none() {
                return Ok(());
            }
            // What is on its way compares with a version that is gone.
            match self.control.compare_and_swap(&path, stored.version, written(&document)).await {
                Err(StoreError::Conflict) => {}
                outcome => return outcome.map(|_| ()),
            }
        }
        Err(too_many_changes())
    }
}

struct Close {
    after: Duration,
}

impl Change for Close {
    fn decide(
        &self,
        stored: Option<&Stored>,
        now: Timestamp,
        pace: &Pace,
    ) -> Result<Option<Next>, ContestError> {
        let Stored { document, contest, .. } = stored.ok_or(ContestError::NotFound)?;
        let hours = contest.hours;
        let close_at = now.plus(self.after.max(pace.close_margin));
        match hours.phase(now) {
            Phase::Closed => Ok(None),
            Phase::Draft => Err(ContestError::not_by_hand(hours, "the contest is not open")),
            Phase::Open if hours.closes_at.is_some_and(|end| end <= close_at) => Ok(None),
            // One is under way. Whoever wants another takes it back first.
            Phase::Open if document.closed_by_hand && hours.closes_at.is_some() => Ok(None),
            Phase::Open => {
                let closed = Contest {
                    hours: Hours { closes_at: Some(close_at), ..hours },
                    ..contest.clone()
                };
                let document = ContestDocument {
                    closed_by_hand: true,
                    replaced_end: Some(ReplacedEnd { closes_at: hours.closes_at }),
                    ..document.clone()
                };
                Ok(Some(Next::new(document, closed)))
            }
        }
    }

    fn holds(&self, stored: &Contest, next: &Contest, now: Timestamp, pace: &Pace) -> bool {
        let earliest = now.plus(pace.close_margin_left());
        stored.hours.phase(now) == Phase::Open
            && next.hours.closes_at.is_some_and(|end| end > now && end >= earliest)
    }
}

struct CancelClose;

impl Change for CancelClose {
    fn decide(
        &self,
        stored: Option<&Stored>,
        now: Timestamp,
        pace: &Pace,
    ) -> Result<Option<Next>, ContestError> {
        let Stored { document, contest, .. } = stored.ok_or(ContestError::NotFound)?;
        let hours = contest.hours;
        let refused = |detail| Err(ContestError::not_by_hand(hours, detail));
        let (Some(closes_at), Phase::Open) = (hours.closes_at, hours.phase(now)) else {
            return refused(match hours.phase(now) {
                Phase::Closed => "a contest that has closed does not open again",
                Phase::Draft => "the contest is not open",
                Phase::Open => "nobody has closed the contest",
            });
        };
        let Some(replaced) = document.replaced_end.filter(|_| document.closed_by_hand) else {
            return refused("nobody has closed the contest by hand");
        };
        if closes_at < now.plus(pace.cancel_margin) {
            return refused("the close is too near: not every node would know in time");
        }
        let hours = Hours { closes_at: replaced.closes_at, ..hours };
        let open = Contest { hours, ..contest.clone() };
        let document =
            ContestDocument { closed_by_hand: false, replaced_end: None, ..document.clone() };
        Ok(Some(Next::new(document, open)))
    }

    fn holds(&self, stored: &Contest, _: &Contest, now: Timestamp, pace: &Pace) -> bool {
        let earliest = now.plus(pace.cancel_margin.saturating_sub(pace.close_written));
        stored.hours.phase(now) == Phase::Open
            && stored.hours.closes_at.is_some_and(|end| end >= earliest)
    }
}
