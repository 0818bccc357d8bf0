//! The result page and the studio's wall.

use askama::Template;
use ballot::{Contest, Counts, CountsStatus, Phase, ResultsVisibility, Slug};

use super::{
    language::{Filled, Language},
    moment::Moment,
    page::Page,
    preview::Preview,
    render::render,
    standings::Results,
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
    /// Which contest.
    pub(crate) contest: &'a Slug,
    /// Its definition.
    pub(crate) definition: &'a Contest,
    /// Where it stands.
    pub(crate) phase: Phase,
    /// The counts row, if the contest shows it now.
    pub(crate) results: Option<&'a Counts>,
    /// Where the public finds the site.
    pub(crate) public_url: Option<&'a PublicUrl>,
}

impl ResultsPage<'_> {
    /// The HTML.
    pub(crate) fn render(&self) -> String {
        let (page, definition) = (self.page, self.definition);
        let title = &definition.title;
        render(&ResultsTemplate {
            page,
            document_title: page.language.fill_text("title_results", "title", title),
            contest: self.contest.as_str(),
            title,
            hours: HoursInWords::new(definition.hours, self.phase, page.language),
            visibility: words::visibility(definition.results),
            absent: absent(definition.results, self.results.is_some()),
            shown: self.results.map(|counts| Shown::new(counts, page.language)),
            results: self.results.map(|counts| Results::new(counts, page.language)),
            preview: self.public_url.map(|url| Preview::new(url, self.contest, page)),
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
    /// Which contest.
    pub(crate) contest: &'a Slug,
    /// Its definition.
    pub(crate) definition: &'a Contest,
    /// Where it stands.
    pub(crate) phase: Phase,
    /// The counts row, if the contest shows it now.
    pub(crate) results: Option<&'a Counts>,
    /// Where the public finds the site.
    pub(crate) public_url: Option<&'a PublicUrl>,
}

impl WallPage<'_> {
    /// The HTML.
    pub(crate) fn render(&self) -> String {
        let (page, definition) = (self.page, self.definition);
        let leading = self.results.map(|counts| self.leading(counts)).unwrap_or_default();
        render(&WallTemplate {
            page,
            look: self.look,
            contest: self.contest.as_str(),
            title: &definition.title,
            hours: HoursInWords::new(definition.hours, self.phase, page.language),
            visibility: words::visibility(definition.results),
            shown: self.results.map(|counts| Shown::new(counts, page.language)),
            leading,
            address: self
                .public_url
                .map(|url| format!("{}/c/{}", url.authority(), self.contest))
                .unwrap_or_default(),
        })
    }

    /// The choices with the most votes, and how long their bars are beside the longest.
    fn leading(&self, counts: &Counts) -> Vec<Leading> {
        let mut rows: Vec<_> = counts.choices.iter().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.votes));
        rows.truncate(self.look.top.into());
        let most = rows.first().map_or(0, |row| row.votes);
        let leading = rows.into_iter().map(|row| Leading {
            choice: row.choice.to_string(),
            title: row.title.clone(),
            votes: words::grouped(row.votes),
            share: words::share(row.votes, counts.total),
            length: words::share(row.votes, most),
        });
        leading.collect()
    }
}

/// The message that stands where results would.
fn absent(results: ResultsVisibility, is_shown: bool) -> &'static str {
    match results {
        ResultsVisibility::Hidden => "results_hidden",
        ResultsVisibility::AfterClose if !is_shown => "results_after_close",
        ResultsVisibility::Live if !is_shown => "results_none",
        // For the script, should they be hidden while the page is open.
        ResultsVisibility::AfterClose | ResultsVisibility::Live => "results_hidden",
    }
}

/// How many, how settled, how fresh.
struct Shown {
    total: String,
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
        Self { total: words::grouped(counts.total), status, state }
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
    document_title: String,
    contest: &'a str,
    title: &'a str,
    hours: HoursInWords,
    visibility: &'static str,
    absent: &'static str,
    shown: Option<Shown>,
    results: Option<Results<'a>>,
    preview: Option<Preview>,
}

#[derive(Template)]
#[template(path = "wall.html")]
struct WallTemplate<'a> {
    page: Page,
    look: WallLook,
    contest: &'a str,
    title: &'a str,
    hours: HoursInWords,
    visibility: &'static str,
    shown: Option<Shown>,
    leading: Vec<Leading>,
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
