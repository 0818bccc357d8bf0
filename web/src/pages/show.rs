//! The result page and the studio's wall.

use askama::Template;
use ballot::{Counts, CountsStatus, Policy};

use super::{
    language::{Filled, Language},
    moment::Moment,
    page::Page,
    preview::Preview,
    render::render,
    standings::Results,
    subject::Subject,
    words::{self, HoursInWords},
};
use crate::public_url::PublicUrl;

/// Choices on a wall where nothing is said, and at most.
const TOP_DEFAULT: u8 = 5;
const TOP_MAX: u8 = 12;

/// The page at `/c/{contest}/results`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResultsPage<'a> {
    /// What is around it.
    pub(crate) page: Page,
    /// Of which contest.
    pub(crate) of: Subject<'a>,
    /// The counts row, if the contest shows it now.
    pub(crate) results: Option<&'a Counts>,
    /// Where the public finds the site.
    pub(crate) public_url: Option<&'a PublicUrl>,
}

impl ResultsPage<'_> {
    /// The HTML.
    pub(crate) fn render(&self) -> String {
        let (page, of) = (self.page, self.of);
        let definition = of.definition;
        let title = &definition.title;
        render(&ResultsTemplate {
            page,
            of,
            document_title: page.language.fill_text("title_results", "title", title),
            embed_origins: definition.embed_origins.join(" "),
            hours: HoursInWords::new(definition.hours, of.phase, page.language),
            has_voters: votes_are_voters(definition.policy),
            shown: self.results.map(|counts| Shown::new(counts, page.language)),
            results: self.results.map(|counts| Results::new(counts, page.language)),
            preview: self.public_url.map(|url| Preview::new(url, of, page)),
        })
    }
}

/// How a wall is to look; from its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WallLook {
    /// How many choices it shows at most.
    top: u8,
    is_light: bool,
}

impl WallLook {
    /// What a query such as `top=5&theme=light` asks for; what cannot be read is as if not there.
    pub(crate) fn of_query(query: &str) -> Self {
        let mut look = Self { top: TOP_DEFAULT, is_light: false };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "top" => look.top = value.parse().unwrap_or(TOP_DEFAULT).clamp(1, TOP_MAX),
                "theme" => look.is_light = value == "light",
                _ => {}
            }
        }
        look
    }
}

/// The page at `/c/{contest}/wall`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallPage<'a> {
    /// In which language.
    pub(crate) page: Page,
    /// How it is to look.
    pub(crate) look: WallLook,
    /// Of which contest.
    pub(crate) of: Subject<'a>,
    /// The counts row, if the contest shows it now.
    pub(crate) results: Option<&'a Counts>,
    /// Where the public finds the site.
    pub(crate) public_url: Option<&'a PublicUrl>,
}

impl WallPage<'_> {
    /// The HTML.
    pub(crate) fn render(&self) -> String {
        let (page, of) = (self.page, self.of);
        let (leading, tied) = self.results.map(|counts| self.leading(counts)).unwrap_or_default();
        let address = self.public_url.map(|url| format!("{}/c/{}", url.authority(), of.contest));
        render(&WallTemplate {
            page,
            of,
            look: self.look,
            hours: HoursInWords::new(of.definition.hours, of.phase, page.language),
            shown: self.results.map(|counts| Shown::new(counts, page.language)),
            leading,
            tied,
            address: address.unwrap_or_default(),
        })
    }

    /// The choices with the most votes, how long their bars are beside the longest, and that others have as
    /// many votes as the last of them, where there is no place for those.
    fn leading(&self, counts: &Counts) -> (Vec<Leading>, String) {
        let language = self.page.language;
        let all = Results::new(counts, language).rows;
        let mut rows: Vec<_> = counts.choices.iter().zip(all).collect();
        rows.sort_by_key(|(row, _)| std::cmp::Reverse(row.votes));
        let absent = rows.split_off(rows.len().min(self.look.top.into()));
        let votes = |row: Option<&(&ballot::ChoiceVotes, _)>| row.map_or(0, |(row, _)| row.votes);
        let (most, least) = (votes(rows.first()), votes(rows.last()));
        let tied = absent.iter().filter(|(row, _)| row.votes == least).count();
        let tied = match tied {
            0 => String::new(),
            n => language.fill_text("wall_tied", "n", &language.numbers.grouped(n as u64)),
        };
        let leading = rows.into_iter().map(|(row, shown)| Leading {
            choice: row.choice.to_string(),
            title: shown.title.to_owned(),
            votes: shown.votes,
            share: shown.share,
            length: words::length(row.votes, most),
        });
        (leading.collect(), tied)
    }
}

/// Whether each voter has exactly one counted vote. Of other policies the counts do not say how many voted.
fn votes_are_voters(policy: Policy) -> bool {
    matches!(policy, Policy::One | Policy::Latest | Policy::UpTo(1))
}

/// How many, how settled, how fresh.
struct Shown {
    total: String,
    /// The same as voters, where the policy lets each have one vote.
    voters: String,
    status: &'static str,
    state: String,
}

impl Shown {
    fn new(counts: &Counts, language: &Language) -> Self {
        let (status, key) = match counts.status {
            CountsStatus::Provisional => ("provisional", "state_provisional"),
            CountsStatus::Final => ("final", "state_final"),
            CountsStatus::Certified => ("certified", "state_certified"),
        };
        let through = Moment::new(counts.counted_through, language.tag);
        let state = language.fill(key, &[("time", Filled::Time(&through))]);
        let total = language.numbers.grouped(counts.total);
        let voters = language.fill_text("results_voters", "n", &total);
        Self { total, voters, status, state }
    }
}

struct Leading {
    choice: String,
    title: String,
    votes: String,
    share: String,
    length: String,
}

#[derive(Template)]
#[template(path = "results.html")]
struct ResultsTemplate<'a> {
    page: Page,
    of: Subject<'a>,
    document_title: String,
    embed_origins: String,
    hours: HoursInWords,
    has_voters: bool,
    shown: Option<Shown>,
    results: Option<Results<'a>>,
    preview: Option<Preview>,
}

#[derive(Template)]
#[template(path = "wall.html")]
struct WallTemplate<'a> {
    page: Page,
    of: Subject<'a>,
    look: WallLook,
    hours: HoursInWords,
    shown: Option<Shown>,
    leading: Vec<Leading>,
    tied: String,
    address: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_looks_as_its_address_says() {
        let look = |query| {
            let WallLook { top, is_light } = WallLook::of_query(query);
            (top, is_light)
        };
        assert_eq!(look(""), (5, false));
        assert_eq!(look("top=3&theme=light"), (3, true));
        assert_eq!(look("top=0&theme=dark"), (1, false));
        assert_eq!(look("top=200"), (12, false));
        assert_eq!(look("top=999&theme=%6Cight"), (5, true));
        assert_eq!(look("top=many&lang=ar"), (5, false));
    }
}
