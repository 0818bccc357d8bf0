//! A node's tally, and what it asks of the contests.

use std::{num::NonZero, sync::Arc};

use ballot::{Slug, timing};
use futures_core::future::BoxFuture;
use store::StoreError;
use tally::{Hooks, Tally, TallyContest, TallySettings};

use crate::{
    bugs::{self, Bug},
    node::Node,
    world::World,
};

/// How often a tally that waits for another's contest counts along.
const STANDBY: std::time::Duration = std::time::Duration::from_secs(10);

/// Starts the node's tally on its island.
pub(crate) fn spawn(world: &World, node: &Arc<Node>) {
    let settings = if world.plan.alone {
        TallySettings { holder: "the process on this folder".into(), ..one_thread() }
    } else {
        TallySettings {
            holder: node.life.name.to_string(),
            clock_skew: timing::CLOCK_SKEW,
            standby: Some(STANDBY),
            ..one_thread()
        }
    };
    let settings = bugs::tally_settings(world.bug, settings);
    let contests =
        bugs::definitions(world.bug, Arc::new(Counted { node: Arc::clone(node), bug: world.bug }));
    let (ballots, control) = (Arc::clone(&node.ballots), Arc::clone(&node.control));
    let clock = Arc::clone(&node.clocks.tally);
    let tally = Tally::new(ballots, control, contests, clock, settings, Hooks::default());
    tokio::spawn(tally.run(std::future::pending()));
}

fn one_thread() -> TallySettings {
    TallySettings { threads: NonZero::<usize>::MIN, ..TallySettings::default() }
}

/// The contests, as the tally asks for them: as in the binary's wiring.
struct Counted {
    node: Arc<Node>,
    bug: Option<Bug>,
}

impl tally::Contests for Counted {
    fn names(&self) -> Result<Vec<Slug>, StoreError> {
        self.check_clock()?;
        Ok(self.node.contests.to_count(self.node.clocks.tally.now()))
    }

    fn read<'a>(
        &'a self,
        contest: &'a Slug,
    ) -> BoxFuture<'a, Result<Option<TallyContest>, StoreError>> {
        Box::pin(async {
            self.check_clock()?;
            let read = self.node.contests.read(contest).await?;
            Ok(read.map(|(definition, channels)| TallyContest {
                slug: contest.clone(),
                contest: Arc::new(definition),
                channels,
            }))
        })
    }

    fn seal<'a>(&'a self, contest: &'a Slug) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.node.contests.seal(contest))
    }
}

impl Counted {
    /// A clock that is ahead would make a count final while others take ballots.
    fn check_clock(&self) -> Result<(), StoreError> {
        if self.node.peers.may_not_count() && self.bug != Some(Bug::FinalByFastClock) {
            return Err(StoreError::Unavailable("this node's clock strays".into()));
        }
        Ok(())
    }
}
