//! Gathering: the ballots that are in flight at the same moment on one worker become one batch.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ballot::{Ballot, Destination, Moment, Shard, Slug, Timestamp, limits};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};

use crate::{
    commit::{self, Commit},
    intake::{Intake, Refused},
    ticket::{NotRecorded, Settlement, Ticket},
};

/// A batch whose oldest ballot has waited this long is committed beside others, however small it is:
/// ten more commits a second at most, and one that hangs delays nobody by more.
const COMMIT_BESIDE_AFTER: Duration = Duration::from_millis(100);

/// Gathers the ballots of one worker. The worker runs [`Gatherer::run`] beside its connections,
/// so that gathering, committing and waking stay on one thread and its locks are never contended.
#[derive(Debug)]
pub struct Gatherer {
    intake: Arc<Intake>,
    /// Batches being gathered, one a contest, oldest first; full ones may stand before their
    /// contest's next.
    gathering: Mutex<VecDeque<Gathering>>,
    commits_in_flight: AtomicUsize,
    /// There is something to commit, and perhaps room to commit it.
    ready: Notify,
    /// Whose turn it is among each contest's shards.
    turns: Mutex<HashMap<Slug, u16>>,
}

/// A batch that still takes ballots.
#[derive(Debug)]
struct Gathering {
    destination: Destination,
    /// When the oldest of its ballots was stamped, by both clocks: the commit deadline counts from
    /// here.
    created_at: Timestamp,
    created: Moment,
    ballots: Vec<Ballot>,
    settlement: Arc<Settlement>,
}

impl Gatherer {
    /// The gatherer of one worker.
    pub fn new(intake: Arc<Intake>) -> Arc<Self> {
        Arc::new(Self {
            intake,
            gathering: Mutex::default(),
            commits_in_flight: AtomicUsize::new(0),
            ready: Notify::new(),
            turns: Mutex::default(),
        })
    }

    /// Takes one ballot in, or refuses it at once. Never waits. `stamped` is the moment of its
    /// `recorded_at`: a process that was paused between the two is past the deadline sooner.
    pub fn submit(
        &self,
        to: &Destination,
        ballot: Ballot,
        stamped: Moment,
    ) -> Result<Ticket, Refused> {
        self.intake.take(1)?;
        self.intake.clock.keep(ballot.recorded_at);
        let mut gathering = self.gathering.lock();
        let ticket = self.add(&mut gathering, to, &[ballot], stamped).ticket();
        let may_commit = self.may_commit(&gathering);
        drop(gathering);
        // Else the end of a commit that is in flight says when to go on.
        if may_commit {
            self.ready.notify_one();
        }
        Ok(ticket)
    }

    /// Takes all ballots in, or none. They may become several batches, each with its ticket.
    pub fn submit_all(
        &self,
        to: &Destination,
        ballots: &[Ballot],
        stamped: Moment,
    ) -> Result<Vec<Ticket>, Refused> {
        if ballots.is_empty() {
            return Ok(Vec::new());
        }
        self.intake.take(ballots.len())?;
        ballots.iter().for_each(|ballot| self.intake.clock.keep(ballot.recorded_at));
        let mut tickets = Vec::with_capacity(2);
        let mut rest = ballots;
        let mut gathering = self.gathering.lock();
        while !rest.is_empty() {
            let room = gathering
                .iter()
                .rev()
                .find(|batch| batch.destination == *to)
                .map_or(0, |batch| limits::BATCH_BALLOTS_MAX - batch.ballots.len());
            let room = if room == 0 { limits::BATCH_BALLOTS_MAX } else { room };
            let (now, later) = rest.split_at(room.min(rest.len()));
            tickets.push(self.add(&mut gathering, to, now, stamped).ticket());
            rest = later;
        }
        drop(gathering);
        self.ready.notify_one();
        Ok(tickets)
    }

    /// Adds to the batch that its contest is gathering, or to a new one if they do not fit.
    fn add<'a>(
        &self,
        gathering: &'a mut VecDeque<Gathering>,
        to: &Destination,
        ballots: &[Ballot],
        stamped: Moment,
    ) -> &'a Arc<Settlement> {
        let fits = |batch: &Gathering| {
            batch.destination == *to
                && batch.ballots.len() + ballots.len() <= limits::BATCH_BALLOTS_MAX
        };
        let position = match gathering.iter().rposition(fits) {
            Some(position) => position,
            None => {
                gathering.push_back(Gathering {
                    destination: to.clone(),
                    created_at: ballots[0].recorded_at,
                    created: stamped,
                    ballots: Vec::with_capacity(ballots.len().max(64)),
                    settlement: Arc::default(),
                });
                gathering.len() - 1
            }
        };
        let batch = &mut gathering[position];
        batch.created = batch.created.min(stamped);
        batch.created_at = batch.created_at.min(ballots[0].recorded_at);
        batch.ballots.extend_from_slice(ballots);
        &batch.settlement
    }

    /// Commits what is gathered, for as long as it is polled. Must run on a tokio runtime.
    pub async fn run(self: Arc<Self>) {
        loop {
            if self.commits_in_flight.load(Ordering::SeqCst) == 0 {
                self.ready.notified().await;
            } else {
                // A commit that is answered late does not hold up those after it for long.
                let _ = timeout(COMMIT_BESIDE_AFTER, self.ready.notified()).await;
            }
            // Whoever is ready to submit now comes along in the same batch.
            tokio::task::yield_now().await;
            while let Some(batch) = self.next_to_commit() {
                tokio::spawn(Arc::clone(&self).commit(batch));
            }
        }
    }

    /// Commits one batch and settles its tickets.
    async fn commit(self: Arc<Self>, gathering: Gathering) {
        let Gathering { destination, created_at, created, ballots, settlement } = gathering;
        let mut unsettled = Unsettled {
            gatherer: Arc::clone(&self),
            settlement,
            ballots: ballots.len(),
            outcome: Err(NotRecorded::StoreFailed),
        };
        let turn = self.next_turn(&destination);
        let commit = Commit { destination, turn, created_at, created, ballots };
        unsettled.outcome = commit::put(&self.intake, commit).await;
    }

    /// The shard for the contest's next batch: one after the other, from any on.
    fn next_turn(&self, to: &Destination) -> Shard {
        let shards = to.shards.max(1);
        let mut turns = self.turns.lock();
        let turn = turns.entry(to.contest.clone()).or_insert_with(|| fastrand::u16(..shards));
        *turn = (*turn + 1) % shards;
        Shard(*turn)
    }

    /// Takes the oldest batch out, if it may be committed now, and counts it as in flight.
    fn next_to_commit(&self) -> Option<Gathering> {
        let mut gathering = self.gathering.lock();
        if !self.may_commit(&gathering) {
            return None;
        }
        let batch = gathering.pop_front()?;
        self.commits_in_flight.fetch_add(1, Ordering::SeqCst);
        Some(batch)
    }

    fn may_commit(&self, gathering: &VecDeque<Gathering>) -> bool {
        let in_flight = self.commits_in_flight.load(Ordering::SeqCst);
        let Some(next) = gathering.front() else { return false };
        let settings = &self.intake.settings;
        in_flight == 0
            || (in_flight < settings.commits_in_flight_max
                && (next.ballots.len() >= settings.beside_ballots_min(in_flight)
                    || self.intake.clock.moment().since(next.created) >= COMMIT_BESIDE_AFTER))
    }
}

/// A batch under way. Settles it when dropped, so that nobody waits for ever, whatever happens to
/// the task that commits.
struct Unsettled {
    gatherer: Arc<Gatherer>,
    settlement: Arc<Settlement>,
    ballots: usize,
    outcome: Result<(), NotRecorded>,
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.settlement.settle(self.outcome);
        self.gatherer.intake.give_back(self.ballots);
        self.gatherer.commits_in_flight.fetch_sub(1, Ordering::SeqCst);
        self.gatherer.ready.notify_one();
    }
}
