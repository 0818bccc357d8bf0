//! Definitions of contests, and the channels of one.

use ballot::{Contest, CountsStatus, Hours, Phase, ResultsVisibility, Slug, Timestamp};
use contests::LiveContest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A choice of a contest.
#[derive(ToSchema)]
#[schema(as = Choice)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ChoiceBody {
    /// Its slug; no other choice has it.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    choice: String,
    /// Its title. It shows something, and no other choice's reads the same: without regard to case,
    /// white space, and what nobody sees.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// A line or two on it.
    #[schema(min_length = 1, max_length = 200)]
    text: Option<String>,
    /// An https URL, or a path on the pages' own host, of its picture.
    #[schema(min_length = 1, max_length = 250)]
    picture: Option<String>,
}

/// Which of a voter's ballots count.
#[derive(ToSchema)]
#[schema(as = Policy)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) enum PolicyBody {
    Named(PolicyName),
    UpTo(UpTo),
}

/// The first, the last, or all.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) enum PolicyName {
    One,
    Latest,
    Unlimited,
}

/// The first so many.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct UpTo {
    #[schema(minimum = 1, maximum = 1_000)]
    up_to: u16,
}

/// Who is one voter.
#[derive(ToSchema)]
#[schema(as = Admission)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) enum AdmissionBody {
    Open,
}

/// Who sees the counts besides the administrators.
#[derive(ToSchema)]
#[schema(as = ResultsVisibility)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) enum ResultsBody {
    Live,
    Hidden,
    AfterClose,
}

/// In which order pages show the choices: as the definition has them, or drawn by each device.
#[derive(ToSchema)]
#[schema(as = ChoiceOrder)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) enum OrderBody {
    AsSet,
    Drawn,
}

/// Where a contest stands in its life.
#[derive(ToSchema)]
#[schema(as = Phase)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) enum PhaseBody {
    Draft,
    Open,
    Closed,
}

/// A contest's definition, as it is handed in. Other members are refused.
#[derive(ToSchema)]
#[schema(as = Definition, example = json!({
    "title": "Your favourite TV series", "policy": "one", "results": "live",
    "choices": [{"choice": "breaking-bad", "title": "Breaking Bad"},
                {"choice": "the-wire", "title": "The Wire"}]
}))]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct DefinitionBody {
    /// The question. It shows something.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Without it the contest opens by hand.
    #[schema(format = DateTime)]
    opens_at: Option<String>,
    /// Without it the contest closes by hand.
    #[schema(format = DateTime)]
    closes_at: Option<String>,
    /// Which of a voter's ballots count; one, if absent. Frozen at opening.
    policy: Option<PolicyBody>,
    /// Who is one voter; open, if absent. Frozen at opening.
    admission: Option<AdmissionBody>,
    /// Who sees the counts; hidden, if absent.
    results: Option<ResultsBody>,
    /// Over how many keys ballots are spread; 16, if absent. Frozen at opening.
    #[schema(minimum = 1, maximum = 1_024)]
    shards: Option<u16>,
    /// The possible answers. Their set and order are frozen at opening.
    #[schema(min_items = 2, max_items = 1_000)]
    choices: Vec<ChoiceBody>,
    /// Origins whose pages may show the contest in a frame; none, if absent.
    #[schema(max_items = 50)]
    embed_origins: Option<Vec<String>>,
    /// Whether the front page lists it; true, if absent.
    listed: Option<bool>,
    /// Before it the contest is unknown to the public; not after opens_at. Frozen at opening.
    #[schema(format = DateTime)]
    public_from: Option<String>,
    /// In which order pages show the choices; as_set, if absent. Frozen at opening.
    order: Option<OrderBody>,
    /// Made with the contest. It may be handed back, and not be set.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    edition: Option<String>,
}

/// A contest's definition. It can be handed in again as it is.
#[derive(ToSchema)]
#[schema(as = Contest)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ContestBody {
    /// The question.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Null where it opens by hand and has not.
    #[schema(format = DateTime, required)]
    opens_at: Option<String>,
    /// Null where it closes by hand and nobody has.
    #[schema(format = DateTime, required)]
    closes_at: Option<String>,
    policy: PolicyBody,
    admission: AdmissionBody,
    results: ResultsBody,
    #[schema(minimum = 1, maximum = 1_024)]
    shards: u16,
    #[schema(min_items = 2, max_items = 1_000)]
    choices: Vec<ChoiceBody>,
    /// Absent where there are none.
    #[schema(max_items = 50)]
    embed_origins: Option<Vec<String>>,
    /// Absent where it is listed.
    listed: Option<bool>,
    /// Absent where the contest is no secret.
    #[schema(format = DateTime)]
    public_from: Option<String>,
    /// Absent where it is as_set.
    order: Option<OrderBody>,
    /// What tells it from another contest that had or will have its name.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    edition: String,
}

/// A contest as the public sees it.
#[derive(ToSchema)]
#[schema(as = PublicContest)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct PublicContestBody {
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    contest: String,
    /// Made with the contest: what a client keeps of another edition is of another contest that had
    /// this name, and to be forgotten.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    edition: String,
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    #[schema(format = DateTime, required)]
    opens_at: Option<String>,
    #[schema(format = DateTime, required)]
    closes_at: Option<String>,
    policy: PolicyBody,
    admission: AdmissionBody,
    results: ResultsBody,
    /// In which order a page shows the choices.
    order: OrderBody,
    #[schema(min_items = 2, max_items = 1_000)]
    choices: Vec<ChoiceBody>,
}

/// What a page that stays open must know, again and again: at most 1 KB.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContestState)]
pub(crate) struct State<'a> {
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    contest: &'a Slug,
    /// Made with the contest; another edition is another contest.
    #[schema(value_type = String, pattern = "^[0-9a-f]{16}$")]
    edition: Option<&'a str>,
    /// By the server's clock, when this was asked for.
    #[schema(value_type = PhaseBody)]
    status: Phase,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    opens_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    closes_at: Option<Timestamp>,
    #[schema(value_type = ResultsBody)]
    results: ResultsVisibility,
    /// Whether the public may see the results now.
    shown: bool,
    /// Whether the count is final.
    r#final: bool,
    /// Another text with every change of what pages show of the definition.
    #[schema(value_type = String, pattern = "^[0-9a-f]{16}$")]
    definition: &'a str,
}

impl<'a> State<'a> {
    /// A contest as it stands now, as far as this node knows without asking.
    pub(crate) fn of(live: &'a LiveContest, now: Timestamp) -> Self {
        let Hours { opens_at, closes_at } = live.hours;
        let (results, is_final) = (live.contest.results, live.is_final());
        Self {
            contest: &live.slug,
            edition: live.contest.edition.as_deref(),
            status: live.hours.phase(now),
            opens_at,
            closes_at,
            results,
            shown: results.are_shown(is_final.then_some(CountsStatus::Final)),
            r#final: is_final,
            definition: &live.mark,
        }
    }
}

/// One line of the list of contests.
#[derive(Serialize)]
pub(crate) struct Listed<'a> {
    contest: &'a Slug,
    status: Phase,
    etag: String,
    channels: Vec<&'a Slug>,
    #[serde(flatten)]
    definition: &'a Contest,
}

/// All contests, as they are written.
#[derive(Serialize)]
pub(crate) struct ContestList<'a> {
    pub(crate) contests: Vec<Listed<'a>>,
    pub(crate) unreadable: Vec<UnreadableContest>,
}

impl<'a> Listed<'a> {
    /// A contest as it stands now.
    pub(crate) fn of(live: &'a LiveContest, now: Timestamp) -> Self {
        Self {
            contest: &live.slug,
            status: live.contest.hours.phase(now),
            etag: live.etag().to_string(),
            channels: live.channels.iter().map(|channel| &channel.channel).collect(),
            definition: &live.contest,
        }
    }
}

/// A contest whose documents this node cannot understand: nobody can vote in it here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnreadableContest {
    /// Its slug.
    pub(crate) contest: String,
    /// Why, a sentence for people.
    pub(crate) reason: String,
}

/// All contests.
#[derive(ToSchema)]
#[schema(as = ContestList)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ContestListBody {
    contests: Vec<ListedContestBody>,
    /// Those that this node cannot understand.
    unreadable: Vec<UnreadableContest>,
}

/// One contest of the list: its definition and where it stands.
#[derive(ToSchema)]
#[schema(as = ListedContest)]
#[expect(dead_code, reason = "describes a shape")]
pub(crate) struct ListedContestBody {
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    contest: String,
    status: PhaseBody,
    etag: String,
    /// The gateways' channels.
    channels: Vec<String>,
    #[schema(inline)]
    #[serde(flatten)]
    definition: ContestBody,
}

/// When to close.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Close, example = json!({"in": "10s"}))]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseBody {
    /// After how long: 500ms, 10s, 2m or 1h, up to 24h. What is less than every node needs to know
    /// of it, as nothing at all, is as much as that.
    #[schema(pattern = "^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$")]
    pub(crate) r#in: Option<String>,
}

/// A gateway's channel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewChannel {
    /// Its name, a slug such as sms; not web.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    pub(crate) channel: String,
}

/// A gateway's key, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelKey {
    /// The channel.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    pub(crate) channel: String,
    /// What the gateway sends as its bearer's token. Only a hash of it is kept.
    pub(crate) key: String,
}
