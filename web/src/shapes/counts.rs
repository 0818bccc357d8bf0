//! What was counted: results, the counts row, the time series.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// How settled a count is: provisional while the contest is open, final once it was counted again after
/// the close, certified once an administrator has signed it off.
#[derive(ToSchema)]
#[schema(as = CountsStatus)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) enum CountsStatusBody {
    Provisional,
    Final,
    Certified,
}

/// A choice's votes.
#[derive(ToSchema)]
#[schema(as = ChoiceVotes)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ChoiceVotesBody {
    choice: String,
    /// As the definition has it now.
    title: String,
    votes: u64,
}

/// The results.
#[derive(ToSchema)]
#[schema(as = Results)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ResultsBody {
    contest: String,
    /// How settled the numbers are.
    status: CountsStatusBody,
    /// Everything acknowledged before this moment is counted.
    #[schema(format = DateTime)]
    counted_through: String,
    total: u64,
    choices: Vec<ChoiceVotesBody>,
    /// As in the contest's state: whoever hears it need not ask for that.
    definition: String,
}

/// What became of the recorded ballots: recorded = counted + duplicate + late + void.
#[derive(ToSchema)]
#[schema(as = BallotCounts)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct BallotCountsBody {
    recorded: u64,
    counted: u64,
    duplicate: u64,
    late: u64,
    void: u64,
}

/// The set of batches that a final count is of.
#[derive(ToSchema)]
#[schema(as = BatchSet)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct BatchSetBody {
    batches: u64,
    /// BLAKE3 over the batch ids in ascending order.
    digest: String,
}

/// The counts row.
#[derive(ToSchema)]
#[schema(as = Counts)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct CountsBody {
    contest: String,
    /// How settled the numbers are.
    status: CountsStatusBody,
    /// Grows by one with every publish.
    generation: u64,
    /// Everything acknowledged before this moment is counted.
    #[schema(format = DateTime)]
    counted_through: String,
    /// Null while open.
    #[schema(format = DateTime, required)]
    closed_at: Option<String>,
    total: u64,
    /// All choices in the definition's order, zeros included.
    choices: Vec<ChoiceVotesBody>,
    ballots: BallotCountsBody,
    /// Counted votes by channel; web for voters' own ballots.
    channels: BTreeMap<String, u64>,
    /// From final on.
    batch_set: Option<BatchSetBody>,
}

/// How a contest's counts grew, as a table.
#[derive(ToSchema)]
#[schema(as = Series)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct SeriesBody {
    contest: String,
    /// counted_through, recorded, counted, duplicate, late, void, votes_per_second (of recorded
    /// ballots, since the row before; null in the first), then channel:web and others.
    columns: Vec<String>,
    /// By time; a cell for each column.
    rows: Vec<Vec<serde_json::Value>>,
}
