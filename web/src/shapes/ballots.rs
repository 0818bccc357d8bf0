//! Ballots, one by one and in bulk.

use serde::Serialize;
use utoipa::ToSchema;

/// One ballot.
#[derive(ToSchema)]
#[schema(as = Ballot, example = json!({
    "ballot_id": "019ab2c4-5d00-7abc-8def-0123456789ab",
    "choice": "breaking-bad",
    "device": "0b8f4bb4-6c1e-4d5c-9a42-0c9b7f6f2a11"
}))]
#[expect(dead_code, reason = "describes a shape; the hot route reads it by hand")]
pub(crate) struct BallotBody {
    /// The idempotency key: a UUIDv7 made before the first send, the same on every retry.
    #[schema(format = "uuid")]
    ballot_id: Option<String>,
    /// A choice's slug.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    choice: String,
    /// A UUIDv4 that the client made once and keeps.
    device: Option<String>,
}

/// A ballot that is durable.
#[derive(ToSchema)]
#[schema(as = Recorded)]
#[expect(dead_code, reason = "describes a shape; the hot route writes it by hand")]
pub(crate) struct RecordedBody {
    /// The ballot id, in lower case.
    ballot_id: String,
    /// The contest.
    contest: String,
    /// When this request was taken in.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// Which of the voter's ballots counts: under the policy one the first, which may not be this.
    counts: Option<CountsBody>,
}

/// Which ballot counts.
#[derive(ToSchema)]
#[schema(as = WhichCounts)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) enum CountsBody {
    First,
}

/// What became of a gateway's batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchReceipt {
    /// Ballots that are durable now.
    pub(crate) recorded: usize,
    /// Lines that were refused; sending them again does not help.
    pub(crate) rejected: Vec<RejectedLine>,
}

/// A line that was refused.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RejectedLine {
    /// Counted from 1, blank lines included.
    pub(crate) line: usize,
    /// A problem's URI.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// A sentence for people.
    pub(crate) detail: String,
}
