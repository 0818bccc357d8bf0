//! What every voters' page must do, whatever it shows.

use std::collections::BTreeMap;

use ballot::{
    BallotCounts, BallotId, Choice, ChoiceVotes, Contest, Counts, CountsStatus, Hours, Phase,
    Policy, ResultsVisibility, Slug, Timestamp,
};

use super::{
    assets::{VOTER_STYLE, static_asset},
    confirm::{ConfirmPage, RecordedPage},
    headers::content_security_policy,
    index::contests,
    language::Language,
    message::not_found,
    page::Page,
    refusal::Refusal,
    refused::refused,
    shells,
    show::{ResultsPage, WallLook, WallPage},
    subject::Subject,
    swagger,
    voted::Voted,
    voter::VoterPage,
};

/// Markup, quotes of both kinds, an ampersand, right-to-left text with an override that is never
/// closed, a character of four bytes.
const HOSTILE: &str =
    "</h1><script>alert('x')</script>\" onload=\"y' & &lt; \u{202e}\u{5e9}\u{5dc} \u{1f680}";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

fn contest(title: &str) -> Contest {
    let choice = |choice: &str| Choice {
        picture: Some("/pictures/one.jpg".to_owned()),
        ..Choice::new(slug(choice), title)
    };
    Contest {
        hours: Hours {
            opens_at: Some(time("2026-11-23T20:00:00Z")),
            closes_at: Some(time("2026-11-23T22:00:00Z")),
        },
        results: ResultsVisibility::Live,
        embed_origins: vec!["https://news.example".to_owned()],
        ..Contest::new(title, vec![choice("a"), choice("b")])
    }
}

/// A contest named `contest`, as pages are given it.
fn subject<'a>(contest: &'a Slug, definition: &'a Contest, phase: Phase) -> Subject<'a> {
    Subject { contest, definition, edition: "0123456789abcdef", mark: "m1", phase }
}

fn around(tag: &str) -> Page {
    Page { language: Language::of_tag(tag).unwrap(), by_address: false, embedded: false }
}

fn counts(title: &str) -> Counts {
    let row = |choice, votes| ChoiceVotes { choice: slug(choice), title: title.to_owned(), votes };
    Counts {
        contest: slug("tv"),
        status: CountsStatus::Provisional,
        generation: 1,
        counted_through: time("2026-11-23T21:00:00Z"),
        closed_at: None,
        total: 3_000,
        choices: vec![row("a", 1_000), row("b", 2_000)],
        ballots: BallotCounts::default(),
        channels: BTreeMap::new(),
        batch_set: None,
    }
}

fn id() -> BallotId {
    BallotId::parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").unwrap()
}

fn page(definition: &Contest, now: &str) -> String {
    let contest = slug("tv");
    let of = subject(&contest, definition, definition.hours.phase(time(now)));
    VoterPage { page: around("en"), of, results: None, public_url: None, addresses: &[] }.render()
}

fn confirm(definition: &Contest, refusal: Option<Refusal>) -> String {
    let (contest, choice) = (&slug("tv"), &slug("b"));
    let (page, ballot_id) = (around("en"), id());
    let (token, first) = (blake3::hash(b""), None);
    ConfirmPage { page, contest, definition, choice, ballot_id, token, refusal, first }.render()
}

/// The voters' pages first, then those in English alone.
const VOTERS_PAGES: usize = 9;

fn every_page(tag: &str, title: &str) -> Vec<String> {
    let (name, definition, counts) = (slug("tv"), contest(title), counts(title));
    let now = time("2026-11-23T21:00:00Z");
    let page = around(tag);
    let recorded = RecordedPage {
        page,
        contest: &name,
        definition: &definition,
        choice: &slug("a"),
        ballot_id: id(),
        recorded_at: now,
        first: None,
    };
    let of = subject(&name, &definition, Phase::Open);
    let results = Some(&counts);
    let voter = VoterPage { page, of, results, public_url: None, addresses: &[] };
    let embedded = VoterPage { page: Page { embedded: true, ..page }, ..voter };
    let empty = std::iter::empty::<(&Slug, &Contest)>();
    vec![
        contests(page, [(&name, &definition)], now),
        contests(page, empty, now),
        voter.render(),
        recorded.render(),
        confirm(&definition, Some(Refusal::Unavailable)),
        not_found(page),
        embedded.render(),
        refused(page, &name, &definition, Refusal::ChoiceMissing),
        ResultsPage { page, of, results, public_url: None }.render(),
        shells::contests(),
        shells::contest(),
        shells::edit(),
        swagger::page(),
    ]
}

#[test]
fn hostile_titles_stay_text() {
    for html in every_page("en", HOSTILE) {
        assert!(!html.contains("<script>"), "{html}");
        assert!(!html.contains("\" onload"), "{html}");
        // The text itself arrives whole, its `&lt;` escaped once more.
        assert!(!html.contains('\u{1f680}') || html.contains("&#38; &#38;lt; \u{202e}"), "{html}");
    }
    let html = page(&contest(HOSTILE), "2026-11-23T21:00:00Z");
    let isolated = html.matches('\u{1f680}').count();
    assert_eq!(isolated, 4, "document title, heading and two choices");
    assert_eq!(html.matches("\u{1f680}</bdi>").count(), 3, "all in the body are isolated");
}

#[test]
fn the_longest_title_is_whole() {
    let title = "\u{1f680}".repeat(ballot::limits::TITLE_CHARS_MAX);
    assert!(page(&contest(&title), "2026-11-23T21:00:00Z").contains(&title));
}

#[test]
fn only_the_style_is_inline_and_no_other_host_is_named() {
    for html in every_page("en", "Title") {
        let styles: Vec<_> = html.split("<style>").skip(1).collect();
        assert!(styles.len() <= 1 && !html.contains(" style="), "{html}");
        for style in styles {
            let style = style.split_once("</style>").unwrap().0;
            assert_eq!(style, VOTER_STYLE.text, "as the policy's hash has it");
        }
        assert!(!html.contains("http://") && !html.contains("\"//"));
        assert!(!html.replace("data-embed-origins=\"https:", "").contains("https://"));
        for script in html.split("<script").skip(1) {
            let (tag, body) = script.split_once('>').unwrap();
            let is_data = tag.contains("type=\"application/json\"");
            let is_ours = tag.contains(" src=\"/") && body.starts_with("</script>");
            assert!(is_data || is_ours, "{html}");
        }
        for handler in ["onclick=", "onload=", "onsubmit=", "javascript:"] {
            assert!(!html.contains(handler), "{handler}");
        }
        for path in html.split("\"/assets/").skip(1) {
            let path = path.split('"').next().unwrap();
            let (_, kept) = static_asset(path).expect(path);
            assert!(kept.contains("immutable"), "{path}");
        }
        for path in html.split("\"/docs/").skip(1) {
            let path = path.split('"').next().unwrap();
            assert!(swagger::file(path).is_some(), "{path}");
        }
    }
}

#[test]
fn every_page_has_language_title_heading_and_main() {
    for (tag, dir) in [("en", "ltr"), ("fr", "ltr"), ("ar", "rtl")] {
        for (n, html) in every_page(tag, "Title").iter().take(VOTERS_PAGES).enumerate() {
            // The page to confirm is made in English above.
            if n != 4 {
                let language = format!("<html lang=\"{tag}\" dir=\"{dir}\">");
                assert_eq!(html.matches(&language).count(), 1, "{html}");
            }
            for part in ["<title>", "<h1", "<main id=\"main\""] {
                assert_eq!(html.matches(part).count(), 1, "{part} in {html}");
            }
            let is_embedded = html.contains("class=\"embedded\"");
            assert_eq!(html.contains("class=\"skip\""), !is_embedded);
        }
    }
}

#[test]
fn the_voters_page_is_the_same_for_everybody() {
    let definition = contest("Title");
    let early = page(&definition, "2026-11-23T20:00:00Z");
    assert_eq!(early, page(&definition, "2026-11-23T21:59:59Z"));
    assert!(!early.contains("ballot_id"));
}

#[test]
fn the_form_posts_a_choice_while_it_may() {
    let definition = contest("Title");
    let open = page(&definition, "2026-11-23T21:00:00Z");
    assert!(open.contains("method=\"post\" action=\"/c/tv\""));
    assert!(open.contains("value=\"b\" required>"));
    assert!(!open.contains("<fieldset disabled>"));
    assert!(page(&definition, "2026-11-23T19:59:59Z").contains("<fieldset disabled>"));
    assert!(!page(&definition, "2026-11-23T22:00:00Z").contains("<form"));
    let confirm = confirm(&definition, None);
    assert!(confirm.contains("name=\"ballot_id\" value=\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\""));
    assert!(confirm.contains("name=\"choice\" value=\"b\""));
}

#[test]
fn the_language_and_the_frame_are_kept_from_page_to_page() {
    let (contest, definition) = (slug("tv"), contest("Title"));
    let page = Page { by_address: true, embedded: true, ..around("de") };
    let (choice, ballot_id, token) = (&contest, id(), blake3::hash(b""));
    let (contest, definition) = (&contest, &definition);
    let (refusal, first) = (None, None);
    let shown = ConfirmPage { page, contest, definition, choice, ballot_id, token, refusal, first };
    let html = shown.render();
    assert!(html.contains("action=\"/c/tv/embed?lang=de\""), "{html}");
}

#[test]
fn pictures_and_frames_are_allowed_as_the_definition_says() {
    fn policy(shown: Option<&Contest>, embedded: bool) -> String {
        content_security_policy(shown, embedded, &[])
    }
    let mut definition = contest("Title");
    assert!(policy(None, true).ends_with("frame-ancestors 'none'"));
    assert!(policy(Some(&definition), false).ends_with("frame-ancestors 'none'"));
    assert!(policy(Some(&definition), true).ends_with("frame-ancestors https://news.example"));
    assert!(policy(Some(&definition), false).contains("img-src 'self' data:;"));
    definition.choices[1].picture = Some("https://p.example/x?y".to_owned());
    assert!(policy(Some(&definition), false).contains("img-src 'self' data: https://p.example;"));
    assert!(!policy(Some(&definition), false).contains("unsafe"));
    let addresses = ["https://two.example".to_owned()];
    let policy = content_security_policy(None, false, &addresses);
    assert!(policy.contains("connect-src 'self' https://two.example;"));
}

#[test]
fn one_phase_is_shown() {
    let definition = contest("Title");
    for (now, shown) in [
        ("2026-11-23T19:59:59.999999Z", "draft"),
        ("2026-11-23T20:00:00Z", "open"),
        ("2026-11-23T21:59:59.999999Z", "open"),
        ("2026-11-23T22:00:00Z", "closed"),
    ] {
        let html = page(&definition, now);
        for phase in ["draft", "open", "closed"] {
            let shows = html.contains(&format!("data-when=\"{phase}\">"));
            assert_eq!(shows, phase == shown, "{phase} at {now}");
        }
    }
}

#[test]
fn a_refusal_is_announced_and_an_unknown_outcome_offers_the_same_ballot() {
    let definition = contest("Title");
    let english = around("en").language;
    for refusal in [
        Refusal::Unreadable,
        Refusal::ChoiceMissing,
        Refusal::ChoiceUnknown,
        Refusal::BallotIdInvalid,
        Refusal::BallotIdOutOfTime,
        Refusal::NotOpenYet,
        Refusal::Closed,
        Refusal::TooMany,
        Refusal::Unavailable,
    ] {
        let html = refused(around("en"), &slug("tv"), &definition, refusal);
        let words = english.say(refusal.key());
        assert!(html.contains("role=\"alert\"") && html.contains(words), "{refusal:?}");
        assert!(html.contains("href=\"/c/tv\"") && !html.contains("type=\"radio\""));
        assert!((400..=503).contains(&refusal.status()));
    }
    let again = confirm(&definition, Some(Refusal::Unavailable));
    assert!(again.contains(">Try again</button>") && again.contains("017f22e2"));
}

#[test]
fn results_are_there_only_if_shown() {
    let (name, mut definition, counts) = (slug("tv"), contest("Title"), counts("Title"));
    let render = |definition: &Contest, results| {
        let of = subject(&name, definition, Phase::Open);
        VoterPage { page: around("en"), of, results, public_url: None, addresses: &[] }.render()
    };
    let html = render(&definition, Some(&counts));
    assert!(html.contains("Votes: 3,000. Provisional, counted through <time"), "{html}");
    assert!(html.contains("<td class=\"num\">2,000</td><td class=\"num\">66.7%</td>"));
    assert!(render(&definition, None).contains("aria-labelledby=\"results-title\" hidden"));
    definition.results = ResultsVisibility::Hidden;
    assert!(!render(&definition, Some(&counts)).contains("2,000"));
}

#[test]
fn the_confirmation_says_what_it_means() {
    let mut definition = contest("Title");
    let recorded_at = time("2026-11-23T21:00:07.5Z");
    let (contest, choice) = (slug("tv"), slug("a"));
    let html = |definition: &Contest| {
        let (page, contest, choice) = (around("en"), &contest, &choice);
        let (ballot_id, first) = (id(), None);
        RecordedPage { page, contest, definition, choice, ballot_id, recorded_at, first }.render()
    };
    let one = html(&definition);
    assert!(
        one.contains("Your vote is recorded") && one.contains("23 November 2026, 21:00:07 UTC")
    );
    assert!(one.contains("One vote per device: the first one counts."));
    assert!(!one.contains("Vote again") && !one.contains("Change my vote"));
    definition.policy = Policy::Latest;
    assert!(html(&definition).contains("Change my vote"));
    definition.policy = Policy::UpTo(20);
    assert!(html(&definition).contains("Vote again"));
}

#[test]
fn what_can_be_voted_in_now_is_listed_first() {
    let hours = |opens: &str, closes: &str| Contest {
        hours: Hours { opens_at: Some(time(opens)), closes_at: Some(time(closes)) },
        ..contest("")
    };
    let all = [
        (slug("closed"), hours("2026-11-22T20:00:00Z", "2026-11-22T22:00:00Z")),
        (slug("draft"), hours("2026-11-24T20:00:00Z", "2026-11-24T22:00:00Z")),
        (slug("open"), hours("2026-11-23T20:00:00Z", "2026-11-23T22:00:00Z")),
    ];
    let listed = all.iter().map(|(slug, contest)| (slug, contest));
    let html = contests(around("en"), listed, time("2026-11-23T21:00:00Z"));
    let at = |slug: &str| html.find(&format!("/c/{slug}\"")).unwrap();
    assert!(at("open") < at("draft") && at("draft") < at("closed"), "{html}");
}

#[test]
fn a_vote_that_does_not_count_is_not_said_to() {
    let mut definition = contest("Title");
    definition.choices[0].title = "Dark".to_owned();
    definition.choices[1].title = "The Wire".to_owned();
    let first = Voted {
        choice: slug("a"),
        ballot_id: BallotId::parse("017f22e2-79b0-7cc3-98c4-000000000000").unwrap(),
        recorded_at: time("2026-11-23T20:30:00Z"),
    };
    for language in Language::all() {
        let shown = RecordedPage {
            page: around(language.tag),
            contest: &slug("tv"),
            definition: &definition,
            choice: &slug("b"),
            ballot_id: id(),
            recorded_at: time("2026-11-23T21:00:00Z"),
            first: Some(&first),
        };
        let html = shown.render();
        assert!(
            !html.contains(language.say("meaning")) && !html.contains(language.say("recorded"))
        );
        assert!(html.contains("<dd id=\"receipt-choice\"><bdi>Dark</bdi></dd>"), "{html}");
        assert!(html.contains("98c4-000000000000") && !html.contains("98c4-dc0c0c07398f"));
        assert!(html.contains("The Wire") && html.contains("20:30"));
        let (contest, definition, choice) = (&slug("tv"), &definition, &slug("b"));
        let (page, ballot_id, refusal) = (around(language.tag), id(), None);
        let (token, first) = (blake3::hash(b""), Some(&first.choice));
        let asked =
            ConfirmPage { page, contest, definition, choice, ballot_id, token, refusal, first };
        assert!(asked.render().contains("Dark"));
    }
}

#[test]
fn a_page_says_what_it_was_made_from() {
    let (name, definition) = (slug("tv"), contest("Title"));
    let of = subject(&name, &definition, Phase::Open);
    let (page, public_url, look) = (around("en"), None, WallLook::of_query(""));
    let counts = counts("Title");
    for results in [None, Some(&counts)] {
        for html in [
            VoterPage { page, of, results, public_url, addresses: &[] }.render(),
            ResultsPage { page, of, results, public_url }.render(),
            WallPage { page, look, of, results, public_url }.render(),
        ] {
            for said in [
                "data-contest=\"tv\" data-edition=\"0123456789abcdef\" data-mark=\"m1\"",
                "data-opens-at=\"2026-11-23T20:00:00Z\" data-closes-at=\"2026-11-23T22:00:00Z\"",
                "data-phase=\"open\" data-results=\"live\"",
            ] {
                assert!(html.contains(said), "{said} in {html}");
            }
            assert_eq!(html.contains(" data-shown"), results.is_some());
        }
    }
}

#[test]
fn a_wall_says_that_others_are_tied_with_the_last_it_shows() {
    let (name, definition) = (slug("tv"), contest("Title"));
    let of = subject(&name, &definition, Phase::Open);
    let mut counts = counts("Title");
    let row =
        |n: u64, votes| ChoiceVotes { choice: slug(&format!("c{n}")), title: "T".into(), votes };
    counts.choices = (0..6).map(|n| row(n, 500)).collect();
    let wall = |counts: &Counts, query: &str| {
        let (page, look) = (around("en"), WallLook::of_query(query));
        WallPage { page, look, of, results: Some(counts), public_url: None }.render()
    };
    let html = wall(&counts, "");
    assert_eq!(html.matches("<li data-choice").count(), 5);
    assert!(html.contains("Tied with the last one here: 1 more</p>"), "{html}");
    assert!(wall(&counts, "top=6").contains("class=\"tied\"></p>"));
    counts.choices[5].votes = 499;
    assert!(wall(&counts, "").contains("class=\"tied\"></p>"));
}

#[test]
fn numbers_are_in_the_readers_language() {
    let (name, definition) = (slug("tv"), contest("Title"));
    let of = subject(&name, &definition, Phase::Open);
    let mut counts = counts("Title");
    (counts.choices[0].votes, counts.choices[1].votes, counts.total) = (3_999, 1, 4_000);
    let html = |tag: &str| {
        let page = around(tag);
        ResultsPage { page, of, results: Some(&counts), public_url: None }.render()
    };
    let (english, german) = (html("en"), html("de"));
    assert!(english.contains(">3,999</td>") && english.contains(">99.9%</td>"), "{english}");
    assert!(german.contains(">3.999</td>") && german.contains(">0,1\u{a0}%</td>"), "{german}");
    assert!(german.contains("Abstimmende: 4.000"));
    for html in [english, german] {
        assert!(!html.contains(">100") && !html.contains(">0.0%") && !html.contains(">0,0"));
    }
}
