//! `PUT` of a definition: what may change when.

use std::time::Duration;

use ballot::{Admission, Contest, Hours, InvalidDefinition, Phase, Slug, Timestamp, random_bytes};

use super::change::{Change, Changed, ContestError, Next, Stored};
use crate::{
    contests::{Contests, Pace},
    documents::{ContestDocument, Etag},
};

impl Contests {
    /// Creates or changes a contest. `precondition` is asked with its version, if it exists.
    pub async fn put(
        &self,
        slug: &Slug,
        definition: &Contest,
        precondition: impl Fn(Option<Etag>) -> bool,
    ) -> Result<Changed, ContestError> {
        if definition.admission != Admission::Open {
            let detail = "this version admits by `open` only";
            return Err(InvalidDefinition::new("admission", detail).into());
        }
        let new_edition = format!("{:016x}", u64::from_be_bytes(random_bytes(&*self.entropy)));
        self.change(slug, &Put { definition, precondition, new_edition }).await
    }
}

struct Put<'a, P> {
    definition: &'a Contest,
    precondition: P,
    /// For a contest that is new.
    new_edition: String,
}

impl<P: Fn(Option<Etag>) -> bool> Change for Put<'_, P> {
    fn decide(
        &self,
        stored: Option<&Stored>,
        now: Timestamp,
        pace: &Pace,
    ) -> Result<Option<Next>, ContestError> {
        if !(self.precondition)(stored.map(|stored| Etag(stored.version))) {
            return Err(ContestError::Stale);
        }
        let mut contest = self.definition.clone();
        let edition = stored.map_or(Some(&self.new_edition), |now| now.contest.edition.as_ref());
        if contest.edition.is_some() && (stored.is_none() || contest.edition.as_ref() != edition) {
            let detail = "is made with the contest and cannot be set; leave it out";
            return Err(InvalidDefinition::new("edition", detail).into());
        }
        contest.edition = edition.cloned();
        // A definition of an earlier version may keep the words it has.
        if stored.is_none_or(|stored| !stored.contest.has_words_of(&contest)) {
            contest.check_words()?;
        }
        let mut document = ContestDocument::default();
        if let Some(Stored { document: known, contest: before, .. }) = stored {
            keep_what_was_set_by_hand(&mut contest, known, before, now);
            contest.check_times()?;
            check_change(before, &contest, now, pace.close_margin)?;
            document.opened_by_hand = known.opened_by_hand;
            if before.hours.closes_at == contest.hours.closes_at {
                document.closed_by_hand = known.closed_by_hand;
                document.replaced_end = known.replaced_end;
            }
        }
        Ok(Some(Next::new(document, contest)))
    }

    fn holds(&self, stored: &Contest, next: &Contest, now: Timestamp, pace: &Pace) -> bool {
        check_change(stored, next, now, pace.close_margin_left()).is_ok()
    }
}

/// A definition without hours leaves those that `open` and `close` have set, and the opening of
/// a contest that has opened. What was opened by hand before its time is no secret any more.
fn keep_what_was_set_by_hand(
    next: &mut Contest,
    document: &ContestDocument,
    before: &Contest,
    now: Timestamp,
) {
    let opened = before.hours.phase(now) != Phase::Draft;
    if next.hours.opens_at.is_none() && (document.opened_by_hand || opened) {
        next.hours.opens_at = before.hours.opens_at;
    }
    if next.hours.closes_at.is_none() && document.closed_by_hand {
        next.hours.closes_at = before.hours.closes_at;
    }
    if document.opened_by_hand && next.public_from > next.hours.opens_at {
        next.public_from = before.public_from;
    }
}

/// Once open, only words, pictures, `results`, `listed`, `embed_origins` and `closes_at` change, and the
/// close not to a moment that may already be acknowledged in; once closed, the close stays.
fn check_change(
    now_is: &Contest,
    next: &Contest,
    now: Timestamp,
    close_margin: Duration,
) -> Result<(), ContestError> {
    let hours = now_is.hours;
    let phase = hours.phase(now);
    let not_now = |field, detail: String| Err(ContestError::NotNow { field, detail, hours });
    if !is_settled(hours, now, close_margin) {
        return Ok(());
    }
    let slugs = |contest: &Contest| -> Vec<Slug> {
        contest.choices.iter().map(|choice| choice.choice.clone()).collect()
    };
    let frozen = [
        ("opens_at", now_is.hours.opens_at != next.hours.opens_at),
        ("policy", now_is.policy != next.policy),
        ("admission", now_is.admission != next.admission),
        ("shards", now_is.shards != next.shards),
        ("choices", slugs(now_is) != slugs(next)),
        ("public_from", now_is.public_from != next.public_from),
        ("order", now_is.order != next.order),
    ];
    if let Some((field, _)) = frozen.into_iter().find(|(_, changed)| *changed) {
        let which = if field == "choices" { "the set of choices" } else { field };
        return not_now(Some(field), format!("{which} is frozen since the contest opened"));
    }
    if hours.closes_at == next.hours.closes_at {
        return Ok(());
    }
    if phase == Phase::Closed {
        return not_now(Some("closes_at"), "a contest that has closed does not open again".into());
    }
    // Where the present close is nearer still, it may stay but not move.
    let earliest = now.plus(close_margin);
    if hours.closes_at.is_some_and(|end| end <= earliest) {
        return not_now(Some("closes_at"), "the contest is closing".into());
    }
    if next.hours.closes_at.is_some_and(|end| end < earliest) {
        let detail =
            format!("closes_at cannot be earlier than {earliest}: ballots are being taken");
        return not_now(Some("closes_at"), detail);
    }
    Ok(())
}

/// Whether the contest has opened, or may have on another node before that reads a change that is made
/// now.
pub(super) fn is_settled(hours: Hours, now: Timestamp, close_margin: Duration) -> bool {
    let is_opening = hours.opens_at.is_some_and(|start| start <= now.plus(close_margin));
    hours.phase(now) != Phase::Draft || is_opening
}
