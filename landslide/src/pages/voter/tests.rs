use std::collections::BTreeMap;

use ballot::{Admission, BallotCounts, Choice, CountsStatus, Hours, Policy, ResultsVisibility};

use super::*;

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
    let choice = |choice: &str| Choice { choice: slug(choice), title: title.to_owned() };
    Contest {
        title: title.to_owned(),
        hours: Hours {
            opens_at: Some(time("2026-11-23T20:00:00Z")),
            closes_at: Some(time("2026-11-23T22:00:00Z")),
        },
        policy: Policy::One,
        admission: Admission::Open,
        results: ResultsVisibility::Live,
        shards: 16,
        choices: vec![choice("a"), choice("b")],
    }
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

fn page(definition: &Contest, now: &str, refusal: Option<Refusal>) -> String {
    let (contest, chosen) = (slug("tv"), slug("b"));
    let now = time(now);
    let chosen = Some(&chosen);
    VoterPage {
        contest: &contest,
        definition,
        ballot_id: id(),
        now,
        results: None,
        refusal,
        chosen,
    }
    .render()
}

fn every_page(title: &str) -> Vec<String> {
    let (name, definition, counts) = (slug("tv"), contest(title), counts(title));
    let now = time("2026-11-23T21:00:00Z");
    let recorded = RecordedPage {
        contest: &name,
        definition: &definition,
        choice: &slug("a"),
        ballot_id: id(),
        recorded_at: now,
    };
    let voter = VoterPage {
        contest: &name,
        definition: &definition,
        ballot_id: id(),
        now,
        results: Some(&counts),
        refusal: Some(Refusal::Unavailable),
        chosen: None,
    };
    let empty = std::iter::empty::<(&Slug, &Contest)>();
    vec![
        contests([(&name, &definition)], now),
        contests(empty, now),
        voter.render(),
        recorded.render(),
        not_found(),
        super::super::console::contests(),
        super::super::console::contest(),
        super::super::console::edit(),
        super::super::docs(),
    ]
}

#[test]
fn hostile_titles_stay_text() {
    for html in every_page(HOSTILE) {
        assert!(!html.contains("<script>"), "{html}");
        assert!(!html.contains("\" onload"), "{html}");
        // The text itself arrives whole, its `&lt;` escaped once more.
        assert!(!html.contains('\u{1f680}') || html.contains("&#38; &#38;lt; \u{202e}"), "{html}");
    }
    let html = page(&contest(HOSTILE), "2026-11-23T21:00:00Z", None);
    let isolated = html.matches('\u{1f680}').count();
    assert_eq!(isolated, 4, "document title, heading and two choices");
    assert_eq!(html.matches("\u{1f680}</bdi>").count(), 3, "all in the body are isolated");
}

#[test]
fn the_longest_title_is_whole() {
    let title = "\u{1f680}".repeat(ballot::limits::TITLE_CHARS_MAX);
    assert!(page(&contest(&title), "2026-11-23T21:00:00Z", None).contains(&title));
}

#[test]
fn nothing_is_inline_and_no_other_host_is_named() {
    for html in every_page("Title") {
        assert!(!html.contains("<style") && !html.contains(" style="), "{html}");
        assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("\"//"));
        for script in html.split("<script").skip(1) {
            let (tag, body) = script.split_once('>').unwrap();
            assert!(tag.contains(" src=\"/") && body.starts_with("</script>"), "{html}");
        }
        for handler in ["onclick=", "onload=", "onsubmit=", "javascript:"] {
            assert!(!html.contains(handler), "{handler}");
        }
        for path in html.split("\"/assets/").skip(1) {
            let path = path.split('"').next().unwrap();
            assert!(crate::pages::static_asset(path).is_some(), "{path}");
        }
        for path in html.split("\"/docs/").skip(1) {
            let path = path.split('"').next().unwrap();
            assert!(crate::pages::docs_asset(path).is_some(), "{path}");
        }
    }
}

#[test]
fn every_page_has_language_title_heading_and_main() {
    for html in every_page("Title").iter().take(6) {
        for part in ["<html lang=\"en\">", "<title>", "<h1", "<main id=\"main\"", "class=\"skip\""]
        {
            assert_eq!(html.matches(part).count(), 1, "{part} in {html}");
        }
    }
}

#[test]
fn the_form_posts_the_ballot_id_and_a_choice_while_it_may() {
    let definition = contest("Title");
    let open = page(&definition, "2026-11-23T21:00:00Z", None);
    assert!(open.contains("method=\"post\" action=\"/c/tv\""));
    assert!(open.contains("name=\"ballot_id\" value=\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\""));
    assert!(open.contains("value=\"b\" required checked>"));
    assert!(!open.contains("<fieldset disabled>"));
    assert!(page(&definition, "2026-11-23T19:59:59Z", None).contains("<fieldset disabled>"));
    assert!(!page(&definition, "2026-11-23T22:00:00Z", None).contains("<form"));
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
        let html = page(&definition, now, None);
        for phase in ["draft", "open", "closed"] {
            let shows = html.contains(&format!("data-when=\"{phase}\">"));
            assert_eq!(shows, phase == shown, "{phase} at {now}");
        }
    }
}

#[test]
fn a_refusal_is_announced_and_an_unknown_outcome_offers_the_same_ballot() {
    let definition = contest("Title");
    let now = "2026-11-23T21:00:00Z";
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
        let html = page(&definition, now, Some(refusal));
        assert!(html.contains("role=\"alert\"") && html.contains(refusal.words()), "{refusal:?}");
        assert!((400..=503).contains(&refusal.status()));
        let again = html.contains(">Try again</button>") && html.contains("017f22e2");
        assert_eq!(again, refusal.keeps_ballot_id(), "{refusal:?}");
    }
}

#[test]
fn results_are_there_only_if_shown() {
    let (name, mut definition, counts) = (slug("tv"), contest("Title"), counts("Title"));
    let now = time("2026-11-23T21:00:00Z");
    let render = |definition: &Contest, results| {
        let page = VoterPage {
            contest: &name,
            definition,
            ballot_id: id(),
            now,
            results,
            refusal: None,
            chosen: None,
        };
        page.render()
    };
    let html = render(&definition, Some(&counts));
    assert!(html.contains("3,000 votes, provisional"));
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
        let (contest, choice) = (&contest, &choice);
        RecordedPage { contest, definition, choice, ballot_id: id(), recorded_at }.render()
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
