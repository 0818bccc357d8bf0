//! The OpenAPI 3.1 description, generated from the handlers and the shapes below.
//!
//! The shapes mirror the domain's types, which know nothing of HTTP.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{
        ObjectBuilder, OpenApi as Document, Required,
        path::{ParameterBuilder, ParameterIn},
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{admin, console, exports, gateway, operator, public, session};

/// A refusal (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Which problem; a stable URI, such as urn:landslide:problem:unknown-choice.
    r#type: String,
    /// The problem's name for people.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong here, a sentence for people.
    detail: String,
    /// The member at fault; with 400 and 422.
    field: Option<String>,
    /// The contest's opening, RFC 3339; with 409.
    opens_at: Option<String>,
    /// The contest's close, RFC 3339; with 409.
    closes_at: Option<String>,
    /// The server's time, RFC 3339; with a ballot id out of time.
    server_time: Option<String>,
}

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
    ballot_id: Option<String>,
    /// A choice's slug.
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
    /// When this request was taken in, RFC 3339.
    recorded_at: String,
}

/// A choice of a contest.
#[derive(ToSchema)]
#[schema(as = Choice)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ChoiceBody {
    /// Its slug.
    choice: String,
    /// Its title, up to 200 characters.
    title: String,
    /// An https URL, or a path on the pages' own host, of its picture.
    picture: Option<String>,
}

/// A contest's definition.
#[derive(ToSchema)]
#[schema(as = Contest, example = json!({
    "title": "Your favourite TV series", "policy": "one", "results": "live",
    "choices": [{"choice": "breaking-bad", "title": "Breaking Bad"},
                {"choice": "the-wire", "title": "The Wire"}]
}))]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ContestBody {
    /// The question, up to 200 characters.
    title: String,
    /// RFC 3339; without it the contest opens by hand.
    opens_at: Option<String>,
    /// RFC 3339; without it the contest closes by hand.
    closes_at: Option<String>,
    /// one, latest, unlimited or {"up_to": k}.
    policy: Option<serde_json::Value>,
    /// open.
    admission: Option<String>,
    /// live, hidden or after_close.
    results: Option<String>,
    /// 1 to 1,024; frozen at opening.
    shards: Option<u16>,
    /// 2 to 1,000.
    choices: Vec<ChoiceBody>,
    /// Origins whose pages may show the contest in a frame; none by default.
    embed_origins: Option<Vec<String>>,
}

/// A contest as the public sees it.
#[derive(ToSchema)]
#[schema(as = PublicContest)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct PublicContestBody {
    contest: String,
    title: String,
    opens_at: Option<String>,
    closes_at: Option<String>,
    policy: serde_json::Value,
    admission: String,
    results: String,
    choices: Vec<ChoiceBody>,
}

/// All contests.
#[derive(ToSchema)]
#[schema(as = ContestList)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ContestListBody {
    contests: Vec<ListedContestBody>,
}

/// One contest of the list: its definition and where it stands.
#[derive(ToSchema)]
#[schema(as = ListedContest)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ListedContestBody {
    contest: String,
    /// draft, open or closed.
    status: String,
    etag: String,
    /// The gateways' channels.
    channels: Vec<String>,
    #[schema(inline)]
    #[serde(flatten)]
    definition: ContestBody,
}

/// What time it is.
#[derive(ToSchema)]
#[schema(as = Time)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct TimeBody {
    /// RFC 3339.
    now: String,
}

/// A choice's votes.
#[derive(ToSchema)]
#[schema(as = ChoiceVotes)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ChoiceVotesBody {
    choice: String,
    title: String,
    votes: u64,
}

/// The results.
#[derive(ToSchema)]
#[schema(as = Results)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ResultsBody {
    contest: String,
    /// provisional, final or certified.
    status: String,
    /// Everything acknowledged before this moment is counted.
    counted_through: String,
    total: u64,
    choices: Vec<ChoiceVotesBody>,
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
    /// provisional, final or certified.
    status: String,
    /// Grows by one with every publish.
    generation: u64,
    /// Everything acknowledged before this moment is counted.
    counted_through: String,
    /// Null while open.
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

/// The nodes that share the store.
#[derive(ToSchema)]
#[schema(as = Nodes)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct NodesBody {
    /// The name of the node that answers.
    answered_by: String,
    nodes: Vec<NodeBody>,
}

/// One node, by its heartbeats.
#[derive(ToSchema)]
#[schema(as = Node)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct NodeBody {
    node: String,
    /// alive, silent (not heard of for 5 s) or left (ended in order).
    state: String,
    /// Whether balancers may send voters there.
    ready: bool,
    /// Of intake, tally and admin.
    roles: Vec<String>,
    url: String,
    version: String,
    started_at: String,
    last_seen: String,
    /// How far its clock is ahead (negative: behind) of the answering node's, at least.
    clock_offset_ms: i64,
}

/// Casts one ballot. 201 means durable, and counted once however often it is sent. No answer
/// means unknown: send the same ballot id again.
#[utoipa::path(
    post, path = "/v1/contests/{contest}/ballots", tag = "voters", request_body = BallotBody,
    responses(
        (status = 201, description = "Durable", body = RecordedBody),
        (status = 400, description = "Not readable", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such contest", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Not open", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Over 4 KiB", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Readable but wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Too many; Retry-After", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Overloaded or store away; Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
#[expect(dead_code, reason = "describes the hot route, which is answered before the router")]
fn cast_ballot() {}

/// The whole description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Landslide",
        description = "Live public voting for the moment everybody votes at once.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    paths(
        cast_ballot,
        public::time, public::contest, public::results, public::results_stream,
        gateway::record_batch,
        admin::list_contests, admin::put_contest, admin::get_contest, admin::open_contest,
        admin::close_contest, admin::certify_contest, admin::counts, admin::list_nodes, admin::new_channel,
        console::overview, console::live, console::lease, console::audit,
        exports::counts_json, exports::counts_csv,
        exports::series, exports::series_json, exports::series_csv,
        session::look, session::sign_in, session::sign_out,
        operator::healthz, operator::readyz, operator::metrics,
    ),
    modifiers(&Completed),
)]
struct Described;

/// What the annotations do not say: the path's parameter and the two kinds of bearer's token.
struct Completed;

impl Modify for Completed {
    fn modify(&self, document: &mut Document) {
        let bearer =
            || SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("admin_token", bearer());
        components.add_security_scheme("channel_key", bearer());
        // Both together: the cookie says who, the header that the console's script has asked.
        let key = |location: fn(ApiKeyValue) -> ApiKey, name: &str, what: &str| {
            SecurityScheme::ApiKey(location(ApiKeyValue::with_description(name, what)))
        };
        let cookie = "From POST /admin/session; over TLS its name begins with __Host-";
        components.add_security_scheme("session", key(ApiKey::Cookie, "landslide-session", cookie));
        let header = "From GET /admin/session; with what changes something";
        components.add_security_scheme("csrf", key(ApiKey::Header, "X-CSRF-Token", header));
        let contest = ParameterBuilder::new()
            .name("contest")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The contest's slug"))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build();
        for (path, item) in &mut document.paths.paths {
            if path.contains("{contest}") {
                item.parameters.get_or_insert_default().push(contest.clone().into());
            }
        }
    }
}

/// The description as JSON.
pub(crate) fn json() -> String {
    Described::openapi().to_json().expect("the description has only string keys")
}
