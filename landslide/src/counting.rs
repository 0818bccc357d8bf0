//! The tally of a node: what it asks of the contests, and who hears of what it does.

use std::sync::Arc;

use anyhow::Result;
use ballot::Slug;
use contests::{LiveContest, series::Recorder};
use futures_core::future::BoxFuture;
use store::{BallotStore, StoreError};
use tally::{Hooks, RunOutcome, RunReport, Tally, TallyContest, TallyHandle, TallySettings};
use web::Planes;

/// Starts it on a thread of its own.
pub(crate) fn start_tally(
    planes: &Planes,
    ballots: Arc<dyn BallotStore>,
    settings: TallySettings,
) -> Result<TallyHandle> {
    let metrics = Arc::clone(&planes.metrics);
    let on_run = move |report: &RunReport| {
        let outcome = match &report.outcome {
            RunOutcome::Published(_) => "published",
            RunOutcome::NotHeld => "not_held",
            RunOutcome::Failed(_) => "failed",
        };
        metrics.tally_ran(outcome, report.took);
    };
    let recorder = Recorder::start(Arc::clone(&planes.control));
    let hooks = Hooks {
        on_publish: Arc::new(move |counts| recorder.note(counts)),
        on_run: Arc::new(on_run),
    };
    let contests = Arc::new(Counted(planes.clone()));
    let clock = Arc::clone(&planes.clock);
    let control = Arc::clone(&planes.control);
    let tally = Tally::new(ballots, control, contests, clock, settings, hooks);
    Ok(tally.spawn()?)
}

/// The contests, as the tally asks for them.
struct Counted(Planes);

impl tally::Contests for Counted {
    fn names(&self) -> Result<Vec<Slug>, StoreError> {
        self.check_clock()?;
        Ok(self.0.contests.to_count(self.0.clock.now()))
    }

    fn read<'a>(
        &'a self,
        contest: &'a Slug,
    ) -> BoxFuture<'a, Result<Option<TallyContest>, StoreError>> {
        Box::pin(async {
            self.check_clock()?;
            let read = self.0.contests.read(contest).await?;
            Ok(read.map(|(definition, channels)| TallyContest {
                slug: contest.clone(),
                contest: Arc::new(definition),
                channels,
            }))
        })
    }

    fn seal<'a>(&'a self, contest: &'a Slug) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.0.contests.seal(contest))
    }
}

impl Counted {
    /// A clock that is ahead would make a count final while others take ballots.
    fn check_clock(&self) -> Result<(), StoreError> {
        if self.0.peers.may_not_count() {
            return Err(StoreError::Unavailable("this node's clock strays".into()));
        }
        Ok(())
    }
}

/// A contest as the tally sees it.
pub(crate) fn tally_contest(live: &LiveContest) -> TallyContest {
    TallyContest {
        slug: live.slug.clone(),
        contest: Arc::new(live.contest.clone()),
        channels: live.channels.iter().map(|channel| channel.channel.clone()).collect(),
    }
}
