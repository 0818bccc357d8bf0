//! The cluster's store: three replicas, quorums of two, and Paxos for the documents, as Cassandra has
//! them. Every replica coordinates too. Runs on the world's island.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use bytes::Bytes;
use parking_lot::Mutex;
use store::{Document, StoreError, Version};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    replica::{Committed, Promise, Proposal, Replica, Round, Value},
    signal::Signal,
};
use crate::truth::note;

pub(crate) const REPLICAS: usize = 3;
const QUORUM: usize = 2;
/// How long a coordinator waits for a quorum's answers.
const ROUND_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How often a coordinator begins a round anew that met another.
const ROUNDS: usize = 8;

/// How a replica fares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Health {
    /// Answers within some milliseconds.
    Well,
    /// Answers, but takes up to so many milliseconds.
    Slow(u64),
    /// Takes nothing in and answers nothing, but will go on where it was.
    Paused,
    /// Loses what it is sent, and what it was about to do.
    Down,
}

pub(crate) struct Cluster {
    replicas: Vec<Mutex<Replica>>,
    health: Vec<Signal<Health>>,
    /// Grows when a replica goes down: what it coordinated before is not carried on.
    lives: Vec<AtomicU64>,
    /// Links between two replicas that are cut, the smaller number first.
    cut: Mutex<Vec<(usize, usize)>>,
    last_round: AtomicU64,
    random: Mutex<fastrand::Rng>,
    on_commit: OnCommit,
}

/// Hears of every change of a document, once or more often: key, version and body.
pub(crate) type OnCommit = Box<dyn Fn(&str, u64, Option<&Bytes>) + Send + Sync>;

/// What ends an operation of a coordinator without an answer.
type Silent<T> = Option<T>;

impl Cluster {
    pub(crate) fn new(seed: u64, on_commit: OnCommit) -> Arc<Self> {
        Arc::new(Self {
            replicas: (0..REPLICAS).map(|_| Mutex::default()).collect(),
            health: (0..REPLICAS).map(|_| Signal::new(Health::Well)).collect(),
            lives: (0..REPLICAS).map(|_| AtomicU64::new(0)).collect(),
            cut: Mutex::default(),
            last_round: AtomicU64::new(0),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            on_commit,
        })
    }

    pub(crate) fn set_health(&self, replica: usize, health: Health) {
        note!(format!("replica-{replica}"), "is {health:?}");
        if health == Health::Down {
            self.lives[replica].fetch_add(1, Ordering::Relaxed);
        }
        self.health[replica].set(health);
    }

    pub(crate) fn health(&self, replica: usize) -> Health {
        self.health[replica].get()
    }

    /// Cuts a link between two replicas, or mends it.
    pub(crate) fn set_cut(&self, a: usize, b: usize, is_cut: bool) {
        let link = (a.min(b), a.max(b));
        note!(format!("replica-{a}"), "{} replica-{b}", if is_cut { "loses" } else { "finds" });
        let mut cut = self.cut.lock();
        cut.retain(|other| *other != link);
        if is_cut {
            cut.push(link);
        }
    }

    /// Every batch that any replica has, for the checker.
    pub(crate) fn all_batches(&self) -> BTreeMap<BatchId, Batch> {
        let mut all = BTreeMap::new();
        for replica in &self.replicas {
            all.extend(replica.lock().batches().map(|batch| (batch.id, batch.clone())));
        }
        all
    }

    /// Every document as any replica has it newest, for the checker.
    pub(crate) fn all_documents(&self) -> BTreeMap<String, Document> {
        let mut newest: BTreeMap<String, Committed> = BTreeMap::new();
        for replica in &self.replicas {
            for (key, committed) in replica.lock().documents() {
                let known = newest.entry(key.clone()).or_default();
                if committed.round > known.round {
                    *known = committed.clone();
                }
            }
        }
        let document =
            |(key, committed): (String, Committed)| Some((key, committed.value.document()?));
        newest.into_iter().filter_map(document).collect()
    }

    /// A replica that is not down, to coordinate an operation.
    pub(crate) fn coordinator(&self) -> Option<usize> {
        let up: Vec<_> = (0..REPLICAS).filter(|n| self.health(*n) != Health::Down).collect();
        self.random.lock().choice(up)
    }

    pub(crate) async fn put_batch(
        self: &Arc<Self>,
        at: usize,
        batch: Batch,
        quorum: usize,
    ) -> Silent<Result<(), StoreError>> {
        self.coordinate(at, async {
            let put = self.ask(at, move |replica| replica.put_batch(batch.clone()));
            self.quorum(put, quorum).await.map(|_| ())
        })
        .await
    }

    /// Reads at a quorum, and repairs what it finds to differ before it answers.
    pub(crate) async fn scan(
        self: &Arc<Self>,
        at: usize,
        contest: Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
        quorum: usize,
    ) -> Silent<Result<Vec<Batch>, StoreError>> {
        self.coordinate(at, async {
            let scan = self.ask(at, move |replica| replica.scan(&contest, shard, &buckets));
            let answers = self.quorum(scan, quorum).await?;
            let mut all = BTreeMap::new();
            for (_, answer) in &answers {
                all.extend(answer.iter().map(|(id, batch)| (*id, batch.clone())));
            }
            for (replica, answer) in &answers {
                let missing: Vec<_> =
                    all.iter().filter(|(id, _)| !answer.contains_key(id)).collect();
                let missing: Vec<_> = missing.into_iter().map(|(_, batch)| batch.clone()).collect();
                if !missing.is_empty() {
                    self.repair(at, *replica, move |replica| {
                        missing.iter().for_each(|batch| replica.put_batch(batch.clone()));
                    })
                    .await?;
                }
            }
            Ok(all.into_values().collect())
        })
        .await
    }

    /// What was committed last, at a quorum: does not see a change that is half done.
    pub(crate) async fn look(
        self: &Arc<Self>,
        at: usize,
        key: String,
    ) -> Silent<Result<Option<Document>, StoreError>> {
        self.coordinate(at, async {
            let asked = key.clone();
            let looks = self.ask(at, move |replica| replica.committed(&asked));
            let answers = self.quorum(looks, QUORUM).await?;
            let newest = newest(answers.iter().map(|(_, committed)| committed));
            for (replica, committed) in &answers {
                if committed.round < newest.round {
                    let (key, newest) = (key.clone(), newest.clone());
                    self.repair(at, *replica, move |replica| replica.commit(&key, newest.clone()))
                        .await?;
                }
            }
            Ok(newest.value.document())
        })
        .await
    }

    /// A serial read: finishes, or voids for good, what is half done.
    pub(crate) async fn read(
        self: &Arc<Self>,
        at: usize,
        key: String,
    ) -> Silent<Result<Option<Document>, StoreError>> {
        self.coordinate(at, async {
            for _ in 0..ROUNDS {
                let Some((round, value)) = self.begin(at, &key).await? else { continue };
                if self.propose(at, &key, round, Proposal::Nothing).await?.is_accepted {
                    return Ok(value.document());
                }
            }
            Err(unavailable("too many rounds met"))
        })
        .await
    }

    /// `None` for the body deletes.
    pub(crate) async fn swap(
        self: &Arc<Self>,
        at: usize,
        key: String,
        expected: Version,
        body: Option<Bytes>,
    ) -> Silent<Result<Version, StoreError>> {
        self.coordinate(at, async {
            if expected == Version::NONE {
                let name = key.clone();
                let named = self.ask(at, move |replica| replica.put_name(name.clone()));
                self.quorum(named, QUORUM).await?;
            }
            for _ in 0..ROUNDS {
                let Some((round, value)) = self.begin(at, &key).await? else { continue };
                let document = value.document();
                if document.map_or(Version::NONE, |document| document.version) != expected {
                    // As a read: what it says of the document must hold.
                    if self.propose(at, &key, round, Proposal::Nothing).await?.is_accepted {
                        return Err(StoreError::Conflict);
                    }
                    continue;
                }
                let version = value.version + 1;
                let next = Value { version, body: body.clone() };
                let proposed = self.propose(at, &key, round, Proposal::Write(next.clone())).await?;
                if proposed.is_accepted {
                    (self.on_commit)(&key, version, next.body.as_ref());
                    self.commit(at, &key, Committed { round, value: next }).await?;
                    return Ok(Version(version));
                }
                if proposed.by_some {
                    return Err(unavailable("a minority has accepted it"));
                }
            }
            Err(unavailable("too many rounds met"))
        })
        .await
    }

    /// Every name with this prefix, at a quorum.
    pub(crate) async fn names(
        self: &Arc<Self>,
        at: usize,
        prefix: String,
    ) -> Silent<Result<Vec<String>, StoreError>> {
        self.coordinate(at, async {
            let names = self.ask(at, move |replica| replica.names(&prefix));
            let answers = self.quorum(names, QUORUM).await?;
            let mut all: Vec<_> = answers.into_iter().flat_map(|(_, names)| names).collect();
            all.sort_unstable();
            all.dedup();
            Ok(all)
        })
        .await
    }

    /// Prepares a round, finishes what is half done, and gives the document. `None`: met another.
    async fn begin(
        self: &Arc<Self>,
        at: usize,
        key: &str,
    ) -> Result<Option<(Round, Value)>, StoreError> {
        self.going_on(at).await;
        let round = self.last_round.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = key.to_owned();
        let prepared = self.ask(at, move |replica| replica.prepare(&asked, round));
        let promises: Vec<Promise> =
            self.quorum(prepared, QUORUM).await?.into_iter().map(|(_, promise)| promise).collect();
        if promises.iter().any(|promise| !promise.given) {
            self.pause_after_meeting().await;
            return Ok(None);
        }
        let committed = newest(promises.iter().map(|promise| &promise.committed));
        let half_done = promises.iter().filter_map(|promise| promise.accepted.as_ref());
        let half_done = half_done.max_by_key(|(round, _)| *round);
        match half_done {
            Some((of, Proposal::Write(value))) if *of > committed.round => {
                let again = Proposal::Write(value.clone());
                if self.propose(at, key, round, again).await?.is_accepted {
                    note!(format!("replica-{at}"), "finishes {key}, which was half done");
                    (self.on_commit)(key, value.version, value.body.as_ref());
                    self.commit(at, key, Committed { round, value: value.clone() }).await?;
                }
                // What was to be done with the document begins a round of its own.
                Ok(None)
            }
            _ => {
                if promises.iter().any(|promise| promise.committed.round < committed.round) {
                    self.commit(at, key, committed.clone()).await?;
                }
                Ok(Some((round, committed.value)))
            }
        }
    }

    async fn propose(
        self: &Arc<Self>,
        at: usize,
        key: &str,
        round: Round,
        proposal: Proposal,
    ) -> Result<Proposed, StoreError> {
        self.going_on(at).await;
        let asked = key.to_owned();
        let accepts = self.ask(at, move |replica| replica.accept(&asked, round, proposal.clone()));
        let answers = self.quorum(accepts, QUORUM).await?;
        let yes = answers.iter().filter(|(_, accepted)| *accepted).count();
        if yes < QUORUM {
            self.pause_after_meeting().await;
        }
        Ok(Proposed { is_accepted: yes == QUORUM, by_some: yes > 0 })
    }

    async fn commit(
        self: &Arc<Self>,
        at: usize,
        key: &str,
        committed: Committed,
    ) -> Result<(), StoreError> {
        self.going_on(at).await;
        let asked = key.to_owned();
        let commits = self.ask(at, move |replica| replica.commit(&asked, committed.clone()));
        self.quorum(commits, QUORUM).await.map(|_| ())
    }

    async fn pause_after_meeting(&self) {
        let millis = self.random.lock().u64(5..60);
        sleep(Duration::from_millis(millis)).await;
    }

    /// Runs an operation at its coordinator. `None` if that goes down meanwhile: nobody answers.
    async fn coordinate<T>(
        &self,
        at: usize,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Silent<Result<T, StoreError>> {
        let life = self.lives[at].load(Ordering::Relaxed);
        if !self.going_on(at).await {
            return None;
        }
        let is_another = |_| self.lives[at].load(Ordering::Relaxed) != life;
        let died = self.health[at].wait_for(is_another);
        tokio::select! {
            biased;
            _ = died => None,
            outcome = operation => {
                self.going_on(at).await;
                Some(outcome)
            }
        }
    }

    /// Waits while a replica is paused; whether it is not down then.
    async fn going_on(&self, replica: usize) -> bool {
        let goes_on = self.health[replica].wait_for(|health| health != Health::Paused);
        goes_on.await != Health::Down
    }

    /// Asks all replicas; the answers come as they come, also when nobody waits any more.
    fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        at: usize,
        work: impl Fn(&mut Replica) -> T + Send + Sync + 'static,
    ) -> mpsc::Receiver<(usize, T)> {
        let (answers, receiver) = mpsc::channel(REPLICAS);
        let work = Arc::new(work);
        for to in 0..REPLICAS {
            let (cluster, work, answers) = (Arc::clone(self), Arc::clone(&work), answers.clone());
            tokio::spawn(async move {
                if let Some(answer) = cluster.deliver(at, to, &*work).await {
                    let _ = answers.try_send((to, answer));
                }
            });
        }
        receiver
    }

    async fn repair(
        self: &Arc<Self>,
        at: usize,
        to: usize,
        work: impl Fn(&mut Replica) + Send + Sync + 'static,
    ) -> Result<(), StoreError> {
        let repaired = timeout(ROUND_TIMEOUT, self.deliver(at, to, &work)).await;
        match repaired {
            Ok(Some(())) => Ok(()),
            _ => Err(unavailable("a replica could not be repaired")),
        }
    }

    /// Does some work at a replica, if the message reaches it, and gives the answer if that comes back.
    async fn deliver<T>(
        &self,
        at: usize,
        to: usize,
        work: &(dyn Fn(&mut Replica) -> T + Send + Sync),
    ) -> Option<T> {
        self.way(at, to).await?;
        if !self.going_on(to).await {
            return None;
        }
        let answer = work(&mut self.replicas[to].lock());
        self.way(to, at).await?;
        Some(answer)
    }

    /// The way of a message from one replica to another; `None` if it is lost.
    async fn way(&self, from: usize, to: usize) -> Option<()> {
        if from == to {
            return Some(());
        }
        let slow = |replica| match self.health(replica) {
            Health::Slow(millis) => millis,
            _ => 0,
        };
        let slowest = slow(from).max(slow(to));
        let millis = {
            let mut random = self.random.lock();
            random.u64(1..=3) + if slowest > 0 { random.u64(0..=slowest) } else { 0 }
        };
        sleep(Duration::from_millis(millis)).await;
        let is_cut = self.cut.lock().contains(&(from.min(to), from.max(to)));
        (!is_cut).then_some(())
    }

    async fn quorum<T>(
        &self,
        mut answers: mpsc::Receiver<(usize, T)>,
        quorum: usize,
    ) -> Result<Vec<(usize, T)>, StoreError> {
        let mut first = Vec::with_capacity(quorum);
        let enough = async {
            while first.len() < quorum {
                match answers.recv().await {
                    Some(answer) => first.push(answer),
                    None => return false,
                }
            }
            true
        };
        match timeout(ROUND_TIMEOUT, enough).await {
            Ok(true) => Ok(first),
            _ => Err(unavailable("no quorum answered")),
        }
    }
}

/// What came of a proposal.
struct Proposed {
    is_accepted: bool,
    /// A replica has it, so a later round may finish it.
    by_some: bool,
}

fn newest<'a>(all: impl Iterator<Item = &'a Committed>) -> Committed {
    all.max_by_key(|committed| committed.round).cloned().unwrap_or_default()
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}
