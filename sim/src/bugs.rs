//! Planted bugs, each to be found. All are made from outside: by a wrong clock that a plane is handed, a
//! wrong setting, or something that is wrong between a node and its store.

mod clocks;
pub(crate) use clocks::{Clocks, clocks};

mod stores;
pub(crate) use stores::{for_contests, stores};

mod definitions;
pub(crate) use definitions::definitions;

use std::time::Duration;

use contests::Pace;
use tally::TallySettings;

/// Bugs by name, with what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    FloorOff,
    StaleDefinition,
    SlowClose,
    UnreadableBlinds,
    DeadlineByMoment,
    DeadlineOff,
    CloseWithoutMargin,
    HalfDoneClose,
    HoursNeverDoubted,
    ClockNotCompared,
    AcknowledgedBeforePut,
    PutErrorIgnored,
    PutAtOne,
    ScanAtOne,
    NewBatchId,
    RetriesCounted,
    BucketLeftEarly,
    LeaseWithoutFence,
    ThroughWithoutSkew,
    FinalTooEarly,
    FinalByFastClock,
}

impl Bug {
    /// All, those of the first section first.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 21] = [
        (
            Self::FloorOff,
            "floor-off",
            "a clock that is set back stamps where the tally has counted, for a final contest, too",
        ),
        (
            Self::StaleDefinition,
            "stale-definition",
            "the tally goes by definitions of half a minute ago",
        ),
        (Self::SlowClose, "slow-close", "a close is written long after its margin was reckoned"),
        (
            Self::UnreadableBlinds,
            "unreadable-blinds",
            "one definition that cannot be read fails the list",
        ),
        (
            Self::DeadlineByMoment,
            "deadline-by-moment",
            "the commit deadline goes by the clock that a sleeping machine stops",
        ),
        (Self::DeadlineOff, "deadline-off", "there is no commit deadline"),
        (Self::CloseWithoutMargin, "close-without-margin", "a close by hand takes effect at once"),
        (
            Self::HalfDoneClose,
            "half-done-close",
            "a change without an outcome is never settled: reads of definitions are looks",
        ),
        (
            Self::HoursNeverDoubted,
            "hours-never-doubted",
            "a node goes on with hours that it cannot read",
        ),
        (
            Self::ClockNotCompared,
            "clock-not-compared",
            "the heartbeats do not show a node's clock as it is",
        ),
        (
            Self::AcknowledgedBeforePut,
            "acknowledged-before-put",
            "a batch is acknowledged before it is durable",
        ),
        (Self::PutErrorIgnored, "put-error-ignored", "a put without an answer is taken for done"),
        (Self::PutAtOne, "put-at-one", "one replica is taken for a quorum, writing"),
        (Self::ScanAtOne, "scan-at-one", "one replica is taken for a quorum, reading"),
        (Self::NewBatchId, "new-batch-id", "a put that is tried again has a new id"),
        (Self::RetriesCounted, "retries-counted", "a ballot in two batches is of two voters"),
        (Self::BucketLeftEarly, "bucket-left-early", "the tally leaves a bucket at its end"),
        (
            Self::LeaseWithoutFence,
            "lease-without-fence",
            "a counts row is written whatever its version",
        ),
        (
            Self::ThroughWithoutSkew,
            "through-without-skew",
            "counted_through is not held back by the skew",
        ),
        (Self::FinalTooEarly, "final-too-early", "the tally takes all clocks for one"),
        (
            Self::FinalByFastClock,
            "final-by-fast-clock",
            "the tally believes a clock that is set ahead at once, and asks nobody",
        ),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, of, _)| *of == name).map(|(bug, ..)| *bug)
    }
}

pub(crate) fn put_quorum(bug: Option<Bug>) -> usize {
    if bug == Some(Bug::PutAtOne) { 1 } else { 2 }
}

pub(crate) fn scan_quorum(bug: Option<Bug>) -> usize {
    if bug == Some(Bug::ScanAtOne) { 1 } else { 2 }
}

/// The pace of nodes that share a store, or of one that is alone.
pub(crate) fn pace(bug: Option<Bug>, alone: bool) -> Pace {
    let right = if alone { Pace::ALONE } else { Pace::SHARED };
    const HOUR: Duration = Duration::from_secs(3_600);
    match bug {
        Some(Bug::CloseWithoutMargin) => Pace { close_margin: Duration::from_millis(1), ..right },
        Some(Bug::SlowClose) => Pace { close_written: HOUR, ..right },
        Some(Bug::HoursNeverDoubted) if !alone => Pace { definition_age_max: Some(HOUR), ..right },
        _ => right,
    }
}

pub(crate) fn tally_settings(bug: Option<Bug>, right: TallySettings) -> TallySettings {
    match bug {
        Some(Bug::FinalTooEarly) => TallySettings { clock_skew: Duration::ZERO, ..right },
        _ => right,
    }
}
