//! Every duration that the promise leans on, what must hold between them, and why it is enough.
//!
//! # Why what is acknowledged is counted
//!
//! A ballot is *stamped* with `recorded_at` when it comes, put in a batch whose id carries the stamp of
//! its first ballot, and acknowledged once the batch is durable. A count is *final* after a scan of
//! everything; until then a run of the tally scans the buckets that it has not left. Four things could
//! come between the two.
//!
//! **A batch that becomes durable where nobody looks any more.** An intake gives a batch up when
//! [`COMMIT_DEADLINE`] has passed since the stamp of its oldest ballot, *by either of its clocks*: the
//! one that is never set, which may have stood still while a virtual machine was suspended, and the
//! wall clock, which may have been set. Past it nothing is acknowledged, whatever the store says. The
//! tally leaves a bucket, and begins the scan of a final count, only when its end (or the contest's
//! close) lies [`COMMIT_DEADLINE`] and [`CLOCK_SKEW`] back. So a batch that it misses was stamped with
//! a clock more than the skew behind the tally's, or not acknowledged.
//!
//! **A clock that is set back**, or was slow from the start, stamps where the tally has been. So a node
//! has a floor ([`NodeClock`](crate::NodeClock)): the latest of what it has stamped, and of what the
//! store shows to have been recorded or counted through. Below it nothing is stamped; a node behind it
//! by more than [`CLOCK_STEP_MAX`] refuses until its clock has caught up. Where one process is all there
//! is, intake and tally share the floor, and the tally raises it to the start of a scan before it
//! scans; so a stamp that is given later lies later, exactly. On a cluster a node reads the counts rows
//! every [`REFRESH`] and before it takes its first ballot, and raises its floor to their
//! `counted_through`, which lies [`CLOCK_SKEW`] behind the counting node's clock.
//!
//! **Clocks that differ.** A node whose clock lies more than [`CLOCK_STRAY_MAX`] from its peers' takes no
//! ballots and counts none; it knows after [`CLOCK_STRAY_NOTICED`], mostly. The two together are
//! [`CLOCK_SKEW`]. A clock that is set is found out later than it is read: by the peers, but at once by
//! the node itself, against the clock that never is. So after any jump beyond [`CLOCK_STEP_MAX`] a node
//! refuses until the peers have said that its clock is right. The tally does not believe one ahead for
//! [`jump_doubt`]: until then whoever took a ballot before the jump has answered.
//!
//! **Hours that change.** A ballot's time is taken before its contest is looked up, and a node that
//! changes the hours takes the change into account before it writes it. Other nodes read it within
//! [`DEFINITION_AGE_MAX`] or refuse ballots of contests without a set end. So a close that is set
//! [`CLOSE_MARGIN`] ahead is known everywhere before it comes, written within [`CLOSE_WRITTEN`], with
//! clocks that differ by the skew. A close that could not be written in time is refused, and the margin
//! is looked at when it is written, not when it was decided. The tally makes a count final by a
//! definition that it read after the close and before the scan, and takes it back where the definition
//! has changed when the row is written. For a contest whose row is final no node takes a ballot,
//! whatever its clock says.
//!
//! **A close whose outcome nobody knows** must be done, and seen, within its margin, or never: done an
//! hour later it makes an hour's acknowledged ballots late. On Cassandra a write can be left in two ways.
//! *Half done*: some replicas have accepted it, and its coordinator or its writer is gone. A quorum read
//! does not see it; the next serial read of the document, whenever that is, finishes it or makes it
//! void. So each node reads serially, every [`REFRESH`], each contest to which it could do harm. A ballot
//! at `t` is acknowledged only where the last serial read of its contest began less than
//! [`DEFINITION_AGE_MAX`] before, and a close that this read did not settle was begun less than that and
//! the skew before `t`: its time is still to come. *Not begun*: the request lies in a coordinator that is
//! paused, and is carried out when that goes on. No read settles this. Its writer does, which had no
//! reply: it reads, and where its change is not there it writes the document again as it is, now and with
//! every refresh until that has succeeded. The late request then compares with a version that is gone.
//! What is left is a writer that dies in the same seconds in which a coordinator is paused for longer than
//! the margin with its request.
//!
//! **A close that is taken back** must have been so, and be seen, before anybody has said that it came. It is
//! written [`CANCEL_MARGIN`] before the close, or refused. A node that has read the definition since the
//! close came, by its own clock, knows; one that has not says that it does not. A request that takes a
//! close back may lie in a paused coordinator like any other. So before a count of a contest that was
//! closed by hand is made final, the tally writes its definition again, and reads it after that: what comes
//! later compares with a version that is gone.
//!
//! `counted_through` is the start of the scan, by the tally's clock, less the skew: what was
//! acknowledged before was durable before.

use std::time::Duration;

/// A stretch of recording time that a batch belongs to.
pub const BUCKET: Duration = Duration::from_secs(10);

/// Age at which a batch that is not durable yet is given up: its ballots are not acknowledged.
/// The tally leaves a bucket only after its end and this.
pub const COMMIT_DEADLINE: Duration = Duration::from_secs(5);

/// What a time service may step a clock by without anybody's caring; a clock that is set jumps further.
/// Also what a slewed clock may gain between two looks.
pub const CLOCK_STEP_MAX: Duration = Duration::from_millis(100);

/// A clock strays when it lies further from its peers'.
pub const CLOCK_STRAY_MAX: Duration = Duration::from_secs(2);

/// Time for noticing that a clock strays: a heartbeat of each side.
pub const CLOCK_STRAY_NOTICED: Duration = Duration::from_secs(1);

/// How far the clocks of two nodes that take ballots or count may lie apart. Zero where one process is
/// all there is.
pub const CLOCK_SKEW: Duration = CLOCK_STRAY_MAX.saturating_add(CLOCK_STRAY_NOTICED);

/// For how long a tally doubts a clock that was set ahead: as long as a final count waits after the
/// close, so that it waits so long after any jump, too.
pub const fn jump_doubt(clock_skew: Duration) -> Duration {
    COMMIT_DEADLINE.saturating_add(clock_skew)
}

/// Time between two heartbeats of a node.
pub const BEAT: Duration = Duration::from_secs(1);

/// A peer lives when it was seen to beat within this time.
pub const PEER_ALIVE: Duration = Duration::from_secs(5);

/// How long a measured difference of two clocks is believed. A beat is mostly read a moment after it was
/// written; the best of some seconds comes close to the true difference.
pub const CLOCK_WINDOW: Duration = Duration::from_secs(10);

/// How long a node that joins waits for what the others say of its clock, at most.
pub const JOINING_MAX: Duration = Duration::from_secs(6);

/// How often a node reads the contests' documents again; other nodes' changes are seen after this.
pub const REFRESH: Duration = Duration::from_secs(1);

/// On a cluster, how long a node goes on with hours that it could not read again. After that it refuses
/// ballots of contests without a set end.
pub const DEFINITION_AGE_MAX: Duration = Duration::from_secs(6);

/// Time for a close by hand to be written on a cluster.
pub const CLOSE_WRITTEN: Duration = Duration::from_secs(3);

/// How far ahead a close by hand is set on a cluster.
pub const CLOSE_MARGIN: Duration =
    DEFINITION_AGE_MAX.saturating_add(CLOCK_SKEW).saturating_add(CLOSE_WRITTEN);

/// How long before it comes a close by hand can be taken back, at the latest, on a cluster: the time for
/// that to be written, and the difference of two clocks. So it is known before any clock says that the
/// close has come. Nothing where one process is all there is.
pub const CANCEL_MARGIN: Duration = CLOSE_WRITTEN.saturating_add(CLOCK_SKEW);

/// How far ahead a close by hand is set where one process is all there is, which takes a change into account before it is written.
pub const CLOSE_MARGIN_ALONE: Duration = Duration::from_millis(250);

/// After this, another tally takes a contest over from one that has gone silent.
pub const LEASE_TTL: Duration = Duration::from_secs(4);

/// Time between two runs of the tally, unless the operator says otherwise.
pub const TALLY_PERIOD: Duration = Duration::from_secs(2);

/// Runs of a schedule come this much early or late; without it, a lease of two runs' time would be
/// waited for a third.
pub const SCHEDULE_JITTER: Duration = Duration::from_millis(200);

/// By then after its close a contest is final: part of the HTTP contract.
pub const FINAL_WITHIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_known_everywhere_before_it_comes() {
        assert!(CLOSE_MARGIN >= DEFINITION_AGE_MAX + CLOCK_SKEW + CLOSE_WRITTEN);
        // Reads that fail or are slow, several in a row, do not make a node refuse.
        assert!(DEFINITION_AGE_MAX >= REFRESH * 5);
        // "Within 60 s", by the contract, with a minute's end of patience to spare.
        assert!(CLOSE_MARGIN < FINAL_WITHIN / 2);
        // Somebody who has just closed a contest can still take it back.
        assert!(CANCEL_MARGIN + Duration::from_secs(5) < CLOSE_MARGIN);
        assert!(CANCEL_MARGIN >= CLOSE_WRITTEN + CLOCK_SKEW);
    }

    #[test]
    fn a_clock_that_strays_is_found_out_within_the_skew() {
        assert!(CLOCK_SKEW >= CLOCK_STRAY_MAX + CLOCK_STRAY_NOTICED);
        assert!(CLOCK_STRAY_NOTICED >= BEAT);
        // A node that joins hears two beats of each peer, and one may be lost.
        assert!(JOINING_MAX >= BEAT * 3);
        assert!(PEER_ALIVE >= BEAT * 3 && CLOCK_WINDOW >= PEER_ALIVE);
    }

    #[test]
    fn a_jump_is_doubted_until_everybody_has_answered() {
        for skew in [Duration::ZERO, CLOCK_SKEW] {
            assert!(jump_doubt(skew) >= COMMIT_DEADLINE + skew);
        }
        // The others say that a clock strays before its tally believes it.
        assert!(jump_doubt(CLOCK_SKEW) > CLOCK_STRAY_NOTICED + BEAT * 2);
    }

    #[test]
    fn a_small_step_is_no_straying_and_fits_the_skew() {
        assert!(CLOCK_STEP_MAX < CLOCK_STRAY_MAX && CLOCK_STEP_MAX < COMMIT_DEADLINE);
    }

    #[test]
    fn a_bucket_outlives_the_deadline_so_that_few_are_open() {
        assert!(BUCKET >= COMMIT_DEADLINE + CLOCK_SKEW);
    }

    #[test]
    fn a_lease_lasts_two_runs_and_another_tally_is_done_in_time() {
        assert!(LEASE_TTL >= TALLY_PERIOD * 2);
        // The holder dies at the worst moment; another waits, takes over, and rescans.
        let at_worst = COMMIT_DEADLINE + CLOCK_SKEW + LEASE_TTL + TALLY_PERIOD * 2;
        assert!(at_worst <= FINAL_WITHIN / 2);
    }
}
