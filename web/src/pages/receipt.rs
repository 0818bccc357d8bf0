//! What a voter is shown of a recorded ballot.

use ballot::BallotId;

use super::moment::Moment;

/// A receipt, as templates write it.
pub(super) struct Receipt<'a> {
    pub(super) choice: &'a str,
    pub(super) recorded_at: Moment,
    pub(super) ballot_id: BallotId,
}
