//! Both planes over a store that refuses writes, loses replies, delays and reorders: what was
//! acknowledged is counted, once.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ballot::{
    Ballot, BallotId, ChannelNumber, ChoiceNumber, Clock, Contest, Counts, Destination, Hours,
    Moment, NodeClock, Slug, Timestamp, Voter,
};
use futures_core::future::BoxFuture;
use intake::{Gatherer, Intake, IntakeSettings, Observer};
use landslide::machine::{SystemClock, SystemEntropy};
use store::{EmbeddedSettings, EmbeddedStore, FaultSettings, FaultyStore, Read, StoreError};
use tally::{Hooks, Tally, TallyContest, TallySettings, load_counts};

use crate::node::now;

type Faulty = FaultyStore<EmbeddedStore>;

struct Silent;

impl Observer for Silent {
    fn committed(&self, _: usize, _: usize, _: Duration) {}
    fn put_failed(&self, _: &StoreError, _: bool) {}
}

struct One(TallyContest);

impl tally::Contests for One {
    fn names(&self) -> Result<Vec<Slug>, StoreError> {
        Ok(vec![self.0.slug.clone()])
    }

    fn read<'a>(&'a self, _: &'a Slug) -> BoxFuture<'a, Result<Option<TallyContest>, StoreError>> {
        Box::pin(std::future::ready(Ok(Some(self.0.clone()))))
    }

    fn seal<'a>(&'a self, _: &'a Slug) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// This machine's clock, ahead by some seconds: they have passed for the tally.
struct Ahead(Arc<AtomicU64>);

impl Clock for Ahead {
    fn wall(&self) -> Timestamp {
        SystemClock.wall().plus(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }

    fn moment(&self) -> Moment {
        SystemClock.moment().plus(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }
}

const VOTERS: u64 = 3_000;

/// Votes until acknowledged, as a client does: the same ballot again, and now and then once more.
async fn vote(gatherer: Arc<Gatherer>, to: Destination, n: u64, choice: u16) {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    let id = BallotId::new(now(), random);
    // Spread as a keyed hash would spread them.
    let bits = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let voter = Voter::from_bytes(bits.to_be_bytes());
    let mut more = usize::from(n.is_multiple_of(7));
    loop {
        let ballot = Ballot {
            id,
            voter,
            choice: ChoiceNumber(choice),
            channel: ChannelNumber::WEB,
            recorded_at: now(),
        };
        let ticket = gatherer.submit(&to, ballot, SystemClock.moment());
        let acknowledged = match ticket {
            Ok(ticket) => ticket.await.is_ok(),
            Err(_) => false,
        };
        match (acknowledged, more) {
            (true, 0) => return,
            (true, _) => more -= 1,
            (false, _) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[test]
fn acknowledged_is_counted_once_over_a_store_that_fails() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let embedded = EmbeddedStore::open(folder.path(), EmbeddedSettings::default()).unwrap();
    let store = Arc::new(Faulty::new(embedded, FaultSettings::for_testing(seed)));

    let opens_at = now();
    let closes_at = opens_at.plus(Duration::from_secs(20));
    let mut definition = crate::node::definition(serde_json::json!({}));
    definition["opens_at"] = opens_at.to_string().into();
    definition["closes_at"] = closes_at.to_string().into();
    let contest = Contest::from_json(definition.to_string().as_bytes()).unwrap();
    let slug: Slug = "tv".parse().unwrap();
    let to = Destination { contest: slug.clone(), shards: contest.shards };
    let listed = TallyContest { slug: slug.clone(), contest: Arc::new(contest), channels: vec![] };

    // Once everybody has voted the tally's clock jumps past the close, and then over the pauses
    // that a tally makes after a failure.
    let ahead = Arc::new(AtomicU64::new(0));
    let clock = NodeClock::new(Arc::new(Ahead(Arc::clone(&ahead))));
    let mut tally = Tally::new(
        Arc::clone(&store) as _,
        Arc::clone(&store) as _,
        Arc::new(One(listed)),
        Arc::new(clock),
        TallySettings::for_testing(),
        Hooks::default(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let voters = std::thread::spawn({
        let store = Arc::clone(&store);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        move || {
            runtime.block_on(async {
                let settings = IntakeSettings::default();
                let (clock, entropy) =
                    (Arc::new(NodeClock::new(Arc::new(SystemClock))), SystemEntropy);
                let intake =
                    Intake::new(store, settings, Arc::new(Silent), clock, Arc::new(entropy));
                let gatherer = Gatherer::new(intake);
                tokio::spawn(Arc::clone(&gatherer).run());
                let votes: Vec<_> = (0..VOTERS)
                    .map(|n| {
                        let (gatherer, to) = (Arc::clone(&gatherer), to.clone());
                        tokio::spawn(async move {
                            tokio::time::sleep(Duration::from_millis(n % 1_000)).await;
                            vote(gatherer, to, n, (n % 3) as u16).await;
                        })
                    })
                    .collect();
                for vote in votes {
                    vote.await.unwrap();
                }
            });
        }
    });
    while !voters.is_finished() {
        runtime.block_on(tally.run_once());
        std::thread::sleep(Duration::from_millis(20));
    }
    voters.join().unwrap();
    assert!(Hours { opens_at: Some(opens_at), closes_at: Some(closes_at) }.contain(now()));
    ahead.store(3_600, Ordering::SeqCst);
    let counts = (0..300).find_map(|_| {
        runtime.block_on(tally.run_once());
        ahead.fetch_add(60, Ordering::SeqCst);
        let counts = runtime.block_on(load_counts(&**store.inner(), &slug, Read::Serial)).unwrap();
        counts.filter(|counts: &Counts| counts.status == ballot::CountsStatus::Final)
    });
    let counts = counts.expect("a final count, however often the store fails");
    let votes: HashMap<_, _> =
        counts.choices.iter().map(|c| (c.choice.as_str(), c.votes)).collect();
    assert_eq!(votes, HashMap::from([("a", 1_000), ("b", 1_000), ("c", 1_000)]), "{counts:?}");
    assert!(counts.ballots.duplicate > 0 && counts.ballots.late == 0, "{counts:?}");
}
