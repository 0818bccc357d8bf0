use std::collections::{BTreeMap, HashMap};

use proptest::{collection::vec, prelude::*, sample};

use super::*;
use crate::{BallotId, ChannelNumber, Choice, ChoiceNumber, Hours, Policy, Timestamp, Voter};

const OPENS_AT: i64 = 1_795_464_000_000_000;
const CLOSES_AT: i64 = OPENS_AT + 10;
const POLICIES: [Policy; 5] =
    [Policy::One, Policy::Latest, Policy::UpTo(2), Policy::UpTo(3), Policy::Unlimited];

fn contest(policy: Policy) -> Contest {
    let choice = |n| Choice::new(format!("c{n}").parse().unwrap(), "C");
    Contest {
        hours: Hours {
            opens_at: Some(Timestamp::from_micros(OPENS_AT)),
            closes_at: Some(Timestamp::from_micros(CLOSES_AT)),
        },
        policy,
        shards: 1,
        ..Contest::new("t", (0..4).map(choice).collect())
    }
}

fn ballot(voter: u128, id: u64, at: i64, choice: u16, channel: u8) -> Ballot {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&id.to_be_bytes());
    Ballot {
        id: BallotId::new(Timestamp::from_micros(OPENS_AT), random),
        voter: Voter::from_bytes(voter.to_be_bytes()),
        choice: ChoiceNumber(choice),
        channel: ChannelNumber(channel),
        recorded_at: Timestamp::from_micros(OPENS_AT + at),
    }
}

fn fold_of(policy: Policy, ballots: &[Ballot]) -> Fold {
    let mut fold = Fold::new(&contest(policy));
    fold.absorb(ballots).unwrap();
    fold
}

/// Straight from DESIGN.md, over all rows at once: votes by choice and by channel.
fn reference(policy: Policy, ballots: &[Ballot]) -> (BTreeMap<u16, u64>, BTreeMap<u8, u64>) {
    let hours = contest(policy).hours;
    let mut voters: HashMap<Voter, HashMap<BallotId, (Timestamp, u16, u8)>> = HashMap::new();
    for ballot in ballots.iter().filter(|ballot| hours.contain(ballot.recorded_at)) {
        let row = (ballot.recorded_at, ballot.choice.0, ballot.channel.0);
        let ids = voters.entry(ballot.voter).or_default();
        let speaks = ids.entry(ballot.id).or_insert(row);
        *speaks = row.min(*speaks);
    }
    let (mut choices, mut channels) = (BTreeMap::new(), BTreeMap::new());
    for ids in voters.into_values() {
        let mut ids: Vec<_> = ids.into_iter().collect();
        match policy {
            Policy::Latest => ids.sort_by_key(|(id, _)| std::cmp::Reverse(*id)),
            _ => ids.sort_by_key(|(id, (recorded_at, ..))| (*recorded_at, *id)),
        }
        let count = match policy {
            Policy::One | Policy::Latest => 1,
            Policy::UpTo(k) => usize::from(k),
            Policy::Unlimited => usize::MAX,
        };
        for (_, (_, choice, channel)) in ids.into_iter().take(count) {
            *choices.entry(choice).or_default() += 1;
            *channels.entry(channel).or_default() += 1;
        }
    }
    (choices, channels)
}

fn sparse<N: TryFrom<usize> + Ord>(votes: &[u64]) -> BTreeMap<N, u64> {
    let number = |n| N::try_from(n).ok().unwrap();
    votes.iter().enumerate().filter(|(_, n)| **n > 0).map(|(i, n)| (number(i), *n)).collect()
}

fn assert_agrees(fold: &Fold, policy: Policy, ballots: &[Ballot]) {
    let votes = fold.votes();
    let (choices, channels) = reference(policy, ballots);
    assert_eq!((sparse(&votes.choices), sparse(&votes.channels)), (choices, channels));
    assert_eq!(votes.total(), votes.channels.iter().sum::<u64>());
}

/// Few voters, ids and moments, so that ties, retries and broken clients are the rule. Two
/// voters share their first 64 bits; rows lie around both edges of the hours.
fn rows() -> impl Strategy<Value = Vec<Ballot>> {
    let voter = sample::select(vec![0, 1, 1 << 64, u128::MAX, u128::MAX - 1, 7 << 100]);
    let row = (voter, 0..7_u64, -2..12_i64, 0..4_u16, 0..3_u8);
    vec(
        row.prop_map(|(voter, id, at, choice, channel)| ballot(voter, id, at, choice, channel)),
        0..60,
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    sample::select(POLICIES.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn agrees_with_the_reference(policy in policy(), ballots in rows()) {
        assert_agrees(&fold_of(policy, &ballots), policy, &ballots);
    }

    #[test]
    fn order_changes_nothing(
        policy in policy(),
        (ballots, shuffled) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
    ) {
        prop_assert_eq!(fold_of(policy, &ballots), fold_of(policy, &shuffled));
    }

    #[test]
    fn repetition_changes_nothing(policy in policy(), ballots in rows(), again in vec(any::<sample::Index>(), 0..60)) {
        let mut fold = fold_of(policy, &ballots);
        let once = fold.clone();
        if !ballots.is_empty() {
            let again: Vec<_> = again.iter().map(|index| *index.get(&ballots)).collect();
            fold.absorb(&again).unwrap();
            fold.merge(&once);
        }
        prop_assert_eq!(fold, once);
    }

    #[test]
    fn grouping_changes_nothing(policy in policy(), ballots in rows(), sizes in vec(1..9_usize, 60)) {
        let whole = fold_of(policy, &ballots);
        let mut increments = Fold::new(&contest(policy));
        let mut merged = Fold::new(&contest(policy));
        let mut threads = vec![];
        let mut rest = ballots.as_slice();
        for size in sizes {
            let (group, tail) = rest.split_at(size.min(rest.len()));
            rest = tail;
            increments.absorb(group).unwrap();
            merged.merge(&fold_of(policy, group));
            let mut rows = Rows::new(whole.rules());
            group.iter().for_each(|ballot| rows.push(ballot).unwrap());
            threads.push(rows);
        }
        prop_assert_eq!(&increments, &whole);
        prop_assert_eq!(&merged, &whole);
        let mut mapped = Fold::new(&contest(policy));
        mapped.absorb_rows(&threads.iter().collect::<Vec<_>>());
        prop_assert_eq!(&mapped, &whole);
    }
}

/// Enough voters for partitions to split, and each way of absorbing into them.
#[test]
fn large_folds_agree_too() {
    // SplitMix64, with the seed in the message of a failure.
    let seed = 20_261_123_u64;
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    for (policy, mask) in POLICIES.into_iter().flat_map(|policy| [(policy, !0), (policy, 0x7fff)]) {
        // Under the mask, all voters lie in one partition: slower, and as right.
        let rows: Vec<_> = (0..60_000)
            .map(|_| {
                let voter = u128::from(random() % 40_000);
                let voter = voter.wrapping_mul(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef) & mask;
                let at = (random() % 14) as i64 - 2;
                ballot(voter, random() % 5, at, (random() % 4) as u16, (random() % 3) as u8)
            })
            .collect();
        let whole = fold_of(policy, &rows);
        assert_agrees(&whole, policy, &rows);
        let mut increments = Fold::new(&contest(policy));
        for (n, group) in rows.chunks(1_000).enumerate() {
            increments.absorb(&group[..group.len() / 2]).unwrap();
            if n % 2 == 0 {
                group[group.len() / 2..]
                    .iter()
                    .for_each(|row| assert_eq!(increments.absorb(&[*row]).unwrap().recorded, 1));
            } else {
                increments.absorb(&group[group.len() / 2..]).unwrap();
            }
        }
        assert!(increments == whole, "seed {seed}, {policy:?}");
        if mask == !0 && policy == Policy::One {
            let split = whole.regions.iter().all(|region| region.partitions().count() > 1);
            assert!(split, "the test is too small");
        }
    }
}

#[test]
fn a_late_retry_of_an_older_ballot_does_not_win() {
    let (older, newer) = (ballot(1, 1, 1, 0, 0), ballot(1, 2, 2, 1, 0));
    let retry = ballot(1, 1, 9, 0, 0);
    assert_eq!(fold_of(Policy::Latest, &[older, newer, retry]).votes().choices, [0, 1, 0, 0]);
    assert_eq!(fold_of(Policy::Latest, &[newer, retry]).votes().choices, [0, 1, 0, 0]);
    // Under `one` the retry speaks where the first sending was lost.
    assert_eq!(fold_of(Policy::One, &[newer, retry]).votes().choices, [0, 1, 0, 0]);
    assert_eq!(fold_of(Policy::One, &[newer, retry, older]).votes().choices, [1, 0, 0, 0]);
}

#[test]
fn of_a_broken_client_the_smaller_row_speaks() {
    let rows = [ballot(1, 1, 5, 3, 0), ballot(1, 1, 5, 2, 1), ballot(1, 1, 6, 0, 0)];
    for policy in POLICIES {
        let votes = fold_of(policy, &rows).votes();
        assert_eq!(votes.choices, [0, 0, 1, 0], "{policy:?}");
        assert_eq!(votes.channels[..2], [0, 1], "{policy:?}");
    }
    // The same ballot id of another voter is another ballot.
    let other = ballot(2, 1, 5, 3, 0);
    assert_eq!(fold_of(Policy::One, &[rows[0], other]).votes().choices, [0, 0, 0, 2]);
}

#[test]
fn the_hours_hold_their_start_and_not_their_end() {
    let rows = [(1, -1), (2, 0), (3, 9), (4, 10), (5, i64::MIN / 2), (6, i64::MAX / 2)];
    let rows = rows.map(|(voter, at)| ballot(voter, 1, at, 0, 0));
    let mut fold = Fold::new(&contest(Policy::One));
    assert_eq!(fold.absorb(&rows), Ok(RowCounts { recorded: 6, late: 4 }));
    assert_eq!(fold.votes().total(), 2);

    let mut by_hand = contest(Policy::One);
    by_hand.hours.closes_at = None;
    let mut fold = Fold::new(&by_hand);
    assert_eq!(
        fold.absorb(&rows).unwrap().late,
        3,
        "open without an end, but not for 100,000 years"
    );
    by_hand.hours.opens_at = None;
    let mut fold = Fold::new(&by_hand);
    assert_eq!(fold.absorb(&rows).unwrap().late, 6, "not opened");
}

#[test]
fn an_impossible_choice_or_channel_is_refused() {
    let mut fold = Fold::new(&contest(Policy::One));
    let before = fold.clone();
    for bad in [ballot(1, 1, 1, 4, 0), ballot(1, 1, 1, 1_023, 0), ballot(1, 1, 1, 1, 64)] {
        assert!(fold.absorb(&[ballot(2, 2, 2, 1, 63), bad]).is_err());
        assert_eq!(fold, before);
    }
}
