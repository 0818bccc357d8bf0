//! A fold's memory, as the allocator sees it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use ballot::{
    Ballot, BallotId, ChannelNumber, ChoiceNumber, Contest, Timestamp, Voter, fold::Fold,
};

static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[allow(unsafe_code)]
// SAFETY: passes every call on to the system's allocator, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is ours.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const OPENS_AT: i64 = 1_795_464_000_000_000;

fn ballot(n: u64) -> Ballot {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    // Two rounds of a multiplication spread the voters as a hash does.
    let high = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let high = (high ^ (high >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    Ballot {
        id: BallotId::new(Timestamp::from_micros(OPENS_AT), random),
        voter: Voter::from_bytes((u128::from(high ^ (high >> 32)) << 64).to_be_bytes()),
        choice: ChoiceNumber((n % 2) as u16),
        channel: ChannelNumber::WEB,
        recorded_at: Timestamp::from_micros(OPENS_AT + n as i64),
    }
}

#[test]
fn a_voter_takes_at_most_48_bytes() {
    let contest = Contest::from_json(
        br#"{"title": "t", "opens_at": "2026-01-01T00:00:00Z", "policy": "one",
            "choices": [{"choice": "a", "title": "A"}, {"choice": "b", "title": "B"}]}"#,
    )
    .unwrap();
    // Sizes on both sides of a split; absorbed at once, as a recount does, and in the small
    // pieces of an open contest, which leave slack.
    for voters in [50_000, 100_000, 140_000, 300_000, 1_000_000] {
        for piece in [voters, 20_000, 1_500] {
            let before = LIVE.load(Relaxed);
            let mut fold = Fold::new(&contest);
            let mut next = 0;
            while next < voters {
                let end = voters.min(next + piece);
                let ballots: Vec<_> = (next..end).map(ballot).collect();
                fold.absorb(&ballots).unwrap();
                next = end;
            }
            let live = LIVE.load(Relaxed) - before;
            assert_eq!(fold.votes().total(), voters);
            let bytes = live as f64 / voters as f64;
            assert!((40.0..=48.0).contains(&bytes), "{bytes} a voter of {voters} by {piece}");
            let own = fold.memory_bytes() as f64 / voters as f64;
            assert!((own - bytes).abs() < 0.1, "says {own}, takes {bytes}");
        }
    }
}
