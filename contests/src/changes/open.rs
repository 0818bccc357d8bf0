//! `POST …/open`.

use ballot::{Contest, Hours, Phase, Slug, Timestamp};

use super::change::{Change, Changed, ContestError, Next, Stored};
use crate::{
    contests::{Contests, Pace},
    documents::ContestDocument,
};

impl Contests {
    /// Opens a contest now. One that is open stays as it is; one that is closed stays closed.
    pub async fn open(&self, slug: &Slug) -> Result<Changed, ContestError> {
        self.change(slug, &Open).await
    }
}

struct Open;

impl Change for Open {
    fn decide(
        &self,
        stored: Option<&Stored>,
        now: Timestamp,
        _: &Pace,
    ) -> Result<Option<Next>, ContestError> {
        let Stored { document, contest, .. } = stored.ok_or(ContestError::NotFound)?;
        let hours = contest.hours;
        match hours.phase(now) {
            Phase::Open => Ok(None),
            Phase::Closed => {
                let detail = "a contest that has closed does not open again";
                Err(ContestError::not_by_hand(hours, detail))
            }
            Phase::Draft if hours.closes_at.is_some_and(|end| end <= now) => {
                Err(ContestError::not_by_hand(hours, "its closes_at has passed"))
            }
            Phase::Draft => {
                let opened = Contest {
                    hours: Hours { opens_at: Some(now), ..hours },
                    // Whoever opens it wants voters.
                    public_from: contest.public_from.filter(|from| *from <= now),
                    ..contest.clone()
                };
                let document = ContestDocument { opened_by_hand: true, ..document.clone() };
                Ok(Some(Next::new(document, opened)))
            }
        }
    }

    fn holds(&self, stored: &Contest, next: &Contest, now: Timestamp, _: &Pace) -> bool {
        stored.hours.phase(now) == Phase::Draft && next.hours.phase(now) == Phase::Open
    }
}
