//! Definitions of contests, and the channels of one.

use ballot::{Contest, Phase, Slug, Timestamp};
use contests::LiveContest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// A gateway's channel, and what its key is good for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewChannel {
    /// Its name, a slug such as sms; not web.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    pub(crate) channel: String,
    /// Where the gateway sends from, such as 198.51.100.0/24; absent: from everywhere.
    #[schema(max_items = 64)]
    pub(crate) networks: Option<Vec<String>>,
    /// Ballots a second at each node, and of one batch; past it the whole batch is 429.
    #[schema(minimum = 1, maximum = 4_294_967_295_u64)]
    pub(crate) ballots_per_second: Option<u64>,
    /// RFC 3339, in the future; from then on the key opens nothing.
    #[schema(format = DateTime)]
    pub(crate) expires_at: Option<String>,
}

/// A gateway's key, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelKey {
    /// The channel.
    pub(crate) channel: String,
    /// What the gateway sends as its bearer's token. Only a hash of it is kept.
    pub(crate) key: String,
}
