//! What a seed stands for: the machines, the contests, the voters, and what goes wrong when.

use std::time::Duration;

use ballot::{Policy, timing};
use fastrand::Rng;

use crate::mistake::Mistake;

/// By then nothing goes wrong any more, in seconds after the beginning.
pub(crate) const FAULTS_END: u64 = 55;

/// Everything that a seed decides beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// One process on its own disk; else a cluster.
    pub(crate) alone: bool,
    pub(crate) nodes: Vec<NodePlan>,
    pub(crate) contests: Vec<ContestPlan>,
    pub(crate) faults: Vec<(Duration, Fault)>,
}

#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    pub(crate) ahead_us: i64,
    pub(crate) drift_ppm: i64,
    /// Whether its second clock stands still while the machine sleeps.
    pub(crate) stands_still: bool,
    pub(crate) counts: bool,
    pub(crate) starts_at: Duration,
    /// One of another version writes a definition that the others do not know.
    pub(crate) workers: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct ContestPlan {
    pub(crate) slug: String,
    pub(crate) policy: Policy,
    pub(crate) shards: u16,
    pub(crate) choices: u16,
    pub(crate) made_at: Duration,
    pub(crate) opens_at: Duration,
    /// Whether somebody opens it then; else the definition says so.
    pub(crate) opened_by_hand: bool,
    /// When it ends, if nobody moves that.
    pub(crate) closes_at: Duration,
    /// When it is over then.
    pub(crate) ends_at: Duration,
    /// Whether somebody closes it then; else the definition says so.
    pub(crate) closed_by_hand: bool,
    /// When the end is moved, and to when.
    pub(crate) extensions: Vec<(Duration, Duration)>,
    /// When somebody closes it by mistake, how far ahead, and takes that back after how long.
    pub(crate) mistake: Option<Mistake>,
    /// Whether its administrator waits for long before trying again.
    pub(crate) is_patient: bool,
    /// When its title is changed.
    pub(crate) edits: Vec<Duration>,
    pub(crate) voters: Vec<VoterPlan>,
}

#[derive(Clone, Debug)]
pub(crate) struct VoterPlan {
    pub(crate) seed: u64,
    /// When each of the voter's ballots is first sent.
    pub(crate) votes_at: Vec<Duration>,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Crash {
        node: usize,
        down: Duration,
    },
    /// Told to end, it drains first.
    Restart {
        node: usize,
        down: Duration,
    },
    /// The process stands still; its clocks go on.
    Pause {
        node: usize,
        lasts: Duration,
    },
    /// The machine sleeps.
    Suspend {
        node: usize,
        lasts: Duration,
    },
    SetClock {
        node: usize,
        ahead_us: i64,
        lasts: Duration,
    },
    CutFromStore {
        node: usize,
        lasts: Duration,
    },
    /// Its batches get through, its documents don't.
    CutFromDocuments {
        node: usize,
        lasts: Duration,
    },
    CutFromVoters {
        node: usize,
        lasts: Duration,
    },
    LoseAnswers {
        permille: u32,
        lasts: Duration,
    },
    SlowReplica {
        replica: usize,
        millis: u64,
        lasts: Duration,
    },
    PauseReplica {
        replica: usize,
        lasts: Duration,
    },
    CrashReplica {
        replica: usize,
        down: Duration,
    },
    CutReplicas {
        a: usize,
        b: usize,
        lasts: Duration,
    },
    StallDisk {
        millis: u64,
        lasts: Duration,
    },
    FailDisk,
    /// A definition appears that no node of this version can read.
    UnreadableDefinition,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let random = &mut random;
        let alone = random.u8(0..4) == 0;
        let count = if alone { 1 } else { random.usize(2..=4) };
        let nodes = (0..count).map(|n| node(random, alone, n)).collect::<Vec<_>>();
        let contests: Vec<_> =
            (0..random.usize(1..=3)).map(|n| contest(random, alone, n)).collect();
        let mut faults = faults(random, alone, nodes.len());
        for contest in &contests {
            faults.extend(around_the_end(random, contest, alone, nodes.len()));
        }
        let faults = but_what_is_promised(faults, alone, nodes.len());
        Self { seed, alone, nodes, contests, faults }
    }
}

fn between(random: &mut Rng, from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_micros(random.u64(from_ms * 1_000..to_ms * 1_000))
}

fn node(random: &mut Rng, alone: bool, n: usize) -> NodePlan {
    NodePlan {
        ahead_us: random.i64(-400_000..400_000),
        drift_ppm: random.i64(-200..200),
        stands_still: random.bool(),
        counts: alone || n < 2 || random.bool(),
        starts_at: between(random, 0, 800),
        workers: random.usize(1..=2),
    }
}

fn contest(random: &mut Rng, alone: bool, n: usize) -> ContestPlan {
    let made_at = between(random, 7_000, 9_000);
    let opens_at = made_at + between(random, 500, if alone { 4_000 } else { 13_500 });
    let lasts_from = if alone { 3_000 } else { 6_000 };
    let closes_at = opens_at + between(random, lasts_from, 18_000);
    let policies = [Policy::One, Policy::Latest, Policy::UpTo(2), Policy::Unlimited];
    let policy = random.choice(policies).unwrap_or(Policy::One);
    let closed_by_hand = random.bool();
    let mut extensions = Vec::new();
    if !closed_by_hand && random.u8(0..2) == 0 {
        // As late as it may be, or somewhat earlier, or too late.
        let margin = if alone { 300 } else { 12_200 };
        let ahead = margin + random.u64(0..6_000);
        let at = closes_at.saturating_sub(Duration::from_millis(ahead));
        extensions.push((at.max(made_at), closes_at + between(random, 1_000, 10_000)));
    }
    let ends_at = match extensions.last() {
        Some((_, end)) => *end,
        // A close by hand takes effect so much later.
        None if closed_by_hand && !alone => closes_at + timing::CLOSE_MARGIN,
        None => closes_at,
    };
    let voters = (0..random.usize(6..=22))
        .map(|_| {
            let times = match random.u8(0..6) {
                0 => 3,
                1 | 2 => 2,
                _ => 1,
            };
            let from = opens_at.saturating_sub(Duration::from_secs(1));
            let mut votes_at: Vec<_> = (0..times)
                .map(|_| match random.u8(0..4) {
                    // Around the end, which is where it matters.
                    0 => ends_at + between(random, 0, 4_000) - Duration::from_secs(3),
                    // Later, as if it had not come.
                    1 if closed_by_hand => ends_at + between(random, 0, 9_000),
                    _ => from + between(random, 0, (ends_at - from).as_millis() as u64),
                })
                .collect();
            votes_at.sort_unstable();
            VoterPlan { seed: random.u64(..), votes_at }
        })
        .collect();
    let mut edits: Vec<_> =
        (0..random.u8(0..4)).map(|_| made_at + between(random, 0, 40_000)).collect();
    let mistake = (random.u8(0..3) == 0).then(|| Mistake::new(random, alone, opens_at, closes_at));
    if let Some(mistake) = mistake {
        edits.push(mistake.at + mistake.regretted_after);
    }
    ContestPlan {
        slug: format!("contest-{n}"),
        policy,
        shards: random.u16(1..=3),
        choices: random.u16(2..=4),
        made_at,
        opens_at,
        opened_by_hand: random.bool(),
        closes_at,
        ends_at,
        closed_by_hand,
        extensions,
        is_patient: random.u8(0..3) > 0,
        edits,
        mistake,
        voters,
    }
}

fn faults(random: &mut Rng, alone: bool, nodes: usize) -> Vec<(Duration, Fault)> {
    // Not a little of everything, but much of something: what meets its like is found sooner.
    let mut kinds: Vec<u8> = (0..if alone { ALONE_KINDS } else { KINDS }).collect();
    random.shuffle(&mut kinds);
    kinds.truncate(random.usize(1..=5));
    let mut faults = Vec::new();
    for _ in 0..random.usize(0..=10) {
        let at = between(random, 500, (FAULTS_END - 3) * 1_000);
        let kind = random.choice(kinds.iter().copied()).unwrap_or(0);
        faults.extend(fault(random, kind, at, alone, nodes));
    }
    faults
}

/// What goes wrong when a contest ends, which is when it matters.
fn around_the_end(
    random: &mut Rng,
    contest: &ContestPlan,
    alone: bool,
    nodes: usize,
) -> Vec<(Duration, Fault)> {
    let node = random.usize(0..nodes);
    let replica = random.usize(0..3);
    let by_hand = contest.closes_at;
    let end = contest.ends_at;
    let before = |random: &mut Rng, from_ms: u64| end.saturating_sub(between(random, 0, from_ms));
    let faults = match random.u8(0..11) {
        0 | 1 => {
            let at = before(random, 9_000);
            let ahead_us = clock_error(random, alone);
            vec![(at, Fault::SetClock { node, ahead_us, lasts: between(random, 1_500, 12_000) })]
        }
        // Asleep while what it has to put waits for the store.
        2 => {
            let (at, lasts) = (before(random, 9_000), between(random, 6_000, 14_000));
            let asleep = at + between(random, 300, 2_500);
            let store = match alone {
                true => Fault::StallDisk { millis: 3_000, lasts: asleep - at },
                false => Fault::CutFromStore { node, lasts: asleep - at + lasts },
            };
            vec![(at, store), (asleep, Fault::Suspend { node, lasts })]
        }
        3 if alone => vec![(before(random, 4_000), Fault::Crash { node, down: SHORT })],
        // The coordinator dies in the middle of a close, and so does who asked for it.
        3 | 4 | 7 if !alone && contest.closed_by_hand => {
            let at = by_hand.saturating_sub(Duration::from_millis(300));
            let lasts = Duration::from_secs(4);
            let slow = |replica| (at, Fault::SlowReplica { replica, millis: 400, lasts });
            let mut faults: Vec<_> = (0..3).map(slow).collect();
            let dies = by_hand + between(random, 300, 1_800);
            faults
                .push((dies, Fault::CrashReplica { replica, down: between(random, 3_000, 9_000) }));
            let crash = |node| (dies, Fault::Crash { node, down: SHORT });
            faults.extend((0..nodes).filter(|_| random.u8(0..4) > 0).map(crash));
            faults
        }
        5 if !alone => {
            let at = by_hand.saturating_sub(between(random, 0, 3_000));
            let lasts = between(random, 8_000, 24_000);
            vec![(at, Fault::CutFromDocuments { node, lasts })]
        }
        // When the final count is made.
        6 => {
            let at = end + between(random, 4_000, 12_000);
            vec![(at, Fault::Pause { node, lasts: between(random, 500, 9_000) })]
        }
        _ => Vec::new(),
    };
    let latest = Duration::from_secs(FAULTS_END - 1);
    faults.into_iter().filter(|(at, _)| *at < latest).collect()
}

const SHORT: Duration = Duration::from_millis(700);

/// What no cluster can stand is left out. One clock is wrong at a time, and the others have agreed again
/// before the next is; and meanwhile those whose clocks are right are more than the one whose isn't.
fn but_what_is_promised(
    mut faults: Vec<(Duration, Fault)>,
    alone: bool,
    nodes: usize,
) -> Vec<(Duration, Fault)> {
    let mut wrong: Vec<(usize, Duration, Duration)> = Vec::new();
    faults.sort_by_key(|(at, _)| *at);
    faults.retain_mut(|(at, fault)| {
        let Fault::SetClock { node, ahead_us, lasts } = fault else { return true };
        if !alone && nodes < 3 {
            // Of two nobody knows which is right.
            *ahead_us = (*ahead_us).clamp(-1_100_000, 1_100_000);
            return true;
        }
        let is_next = wrong.last().is_none_or(|(.., until)| *at >= *until);
        if is_next {
            wrong.push((*node, *at, *at + *lasts + AGREED_AGAIN));
        }
        is_next
    });
    if alone {
        return faults;
    }
    faults.retain(|(at, fault)| {
        let Some((disturbed, lasts)) = fault.disturbs() else { return true };
        wrong.iter().all(|(node, from, until)| {
            let meanwhile = *at < *until && *at + lasts + AGREED_AGAIN > *from;
            // Of four, the last may be disturbed.
            let spare = nodes == 4 && disturbed == (*node + 1) % nodes;
            !meanwhile || disturbed == *node || spare
        })
    });
    faults
}

/// So long after a fault of theirs the nodes have compared their clocks again.
const AGREED_AGAIN: Duration = Duration::from_secs(12);

impl Fault {
    /// Which node cannot say what time it is, and for how long.
    fn disturbs(&self) -> Option<(usize, Duration)> {
        match *self {
            Self::Crash { node, down: lasts }
            | Self::Restart { node, down: lasts }
            | Self::Pause { node, lasts }
            | Self::Suspend { node, lasts }
            | Self::CutFromStore { node, lasts }
            | Self::CutFromDocuments { node, lasts } => Some((node, lasts)),
            _ => None,
        }
    }
}

const ALONE_KINDS: u8 = 8;
const KINDS: u8 = 17;

fn fault(
    random: &mut Rng,
    kind: u8,
    at: Duration,
    alone: bool,
    nodes: usize,
) -> Vec<(Duration, Fault)> {
    // Whatever begins late ends with all the others.
    let left = FAULTS_END * 1_000 - at.as_millis() as u64;
    let lasts = between(random, 200, 12_000.min(left).max(300));
    let short = between(random, 200, 4_000.min(left).max(300));
    let node = random.usize(0..nodes);
    let replica = random.usize(0..3);
    let fault = match kind {
        0 => Fault::Crash { node, down: short },
        1 => Fault::Restart { node, down: short },
        2 => Fault::Pause { node, lasts: if random.bool() { short } else { lasts } },
        3 => Fault::Suspend { node, lasts },
        4 => Fault::SetClock { node, ahead_us: clock_error(random, alone), lasts },
        // Started again with a wrong clock.
        5 => {
            let ahead_us = clock_error(random, alone);
            let crash = (at, Fault::Crash { node, down: short });
            return vec![crash, (at, Fault::SetClock { node, ahead_us, lasts: short + lasts })];
        }
        6 if alone => Fault::StallDisk { millis: random.u64(100..8_000), lasts },
        7 if alone => Fault::FailDisk,
        6 => Fault::CutFromStore { node, lasts },
        7 => Fault::CutFromVoters { node, lasts },
        8 => Fault::LoseAnswers { permille: random.u32(20..400), lasts },
        9 => Fault::SlowReplica { replica, millis: random.u64(50..1_200), lasts },
        10 => Fault::PauseReplica { replica, lasts },
        11 => Fault::CrashReplica { replica, down: lasts },
        12 => Fault::CutReplicas { a: replica, b: (replica + 1) % 3, lasts },
        13 => Fault::CutFromDocuments { node, lasts },
        // One node after the other, with or without a new version.
        14 => {
            let each = |n| {
                let wait = Duration::from_millis(n as u64 * 3_500);
                (at + wait, Fault::Restart { node: n, down: Duration::from_millis(300) })
            };
            return (0..nodes).map(each).collect();
        }
        15 => {
            let (a, b) = ((replica + 1) % 3, (replica + 2) % 3);
            let cut = |to| (at, Fault::CutReplicas { a: replica, b: to, lasts });
            return vec![cut(a), cut(b)];
        }
        _ => Fault::UnreadableDefinition,
    };
    vec![(at, fault)]
}

fn clock_error(random: &mut Rng, alone: bool) -> i64 {
    // Small ones are as hard as large ones.
    let seconds = match random.u8(0..4) {
        0 => random.f64() * 2.5,
        1 => random.f64() * 8.0,
        // One that is alone must have caught up when all must be done.
        _ => random.f64() * if alone { 28.0 } else { 40.0 },
    };
    let micros = (seconds * 1e6) as i64;
    if random.bool() { micros } else { -micros }
}
