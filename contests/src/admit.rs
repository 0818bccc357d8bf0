//! Whether a ballot may be taken for a contest, as far as this node knows.

use ballot::{Hours, Phase, Stamp};

use crate::{contests::Contests, live::LiveContest, peers::Peers};

/// Why a ballot is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// This node does not know what time it is. Another may.
    #[error("this node's clock is wrong")]
    ClockStrays,
    /// This node could not read for too long whether the contest is open, or a change is under way.
    /// Another may know.
    #[error("this node does not know the contest's hours")]
    HoursInDoubt,
    /// It is not open then, for good.
    #[error("the contest is not open")]
    NotOpen(Hours),
}

impl Contests {
    /// Whether a ballot with this stamp may be taken. The stamp must have been taken *before* the
    /// contest was looked up: a close by hand relies on that order.
    pub fn admits(
        &self,
        live: &LiveContest,
        stamp: &Stamp,
        peers: &Peers,
    ) -> Result<(), NotAdmitted> {
        let hours = live.contest.hours;
        // First, for it is certain: whatever time this node takes it for, nobody counts any more.
        if live.is_final() {
            return Err(NotAdmitted::NotOpen(hours));
        }
        if stamp.is_behind || peers.doubt(stamp.recorded_at, stamp.moment) {
            return Err(NotAdmitted::ClockStrays);
        }
        if self.hours_in_doubt(live, stamp) {
            return Err(NotAdmitted::HoursInDoubt);
        }
        if hours.contain(stamp.recorded_at) {
            return Ok(());
        }
        // What is said of it now is for good, and a change under way may come to nothing.
        let in_doubt = self.end_in_doubt(hours, stamp) || self.end_was_cancellable(live, stamp);
        if live.is_restricted() || in_doubt {
            return Err(NotAdmitted::HoursInDoubt);
        }
        Err(NotAdmitted::NotOpen(hours))
    }

    /// Whether the end that has come may have been moved elsewhere without this node's knowing.
    fn end_in_doubt(&self, hours: Hours, stamp: &Stamp) -> bool {
        let Some(age_max) = self.pace.definition_age_max else { return false };
        hours.phase(stamp.recorded_at) == Phase::Closed && self.age_at(stamp.moment) > age_max
    }

    /// Whether the end that has come is a close by hand that may have been taken back since this node
    /// read of it. That is written before the close comes by any clock: a read that began later knows.
    fn end_was_cancellable(&self, live: &LiveContest, stamp: &Stamp) -> bool {
        let Some(_) = self.pace.definition_age_max else { return false };
        let read_at = stamp.recorded_at.minus(stamp.moment.since(live.settled_at()));
        live.close_can_be_cancelled()
            && live
                .contest
                .hours
                .closes_at
                .is_some_and(|end| read_at < end && end <= stamp.recorded_at)
    }

    /// Whether the contest may have been opened or closed elsewhere without this node's knowing: a
    /// draft, or a contest without a set end, that was not read for too long. A look at it does not
    /// count for the latter: it does not show a close that is half done.
    pub(crate) fn hours_in_doubt(&self, live: &LiveContest, stamp: &Stamp) -> bool {
        let Some(age_max) = self.pace.definition_age_max else { return false };
        let hours = live.contest.hours;
        match hours.phase(stamp.recorded_at) {
            Phase::Draft => self.age_at(stamp.moment) > ballot::timing::REFRESH * 2,
            Phase::Open | Phase::Closed => {
                hours.closes_at.is_none() && stamp.moment.since(live.settled_at()) > age_max
            }
        }
    }
}
