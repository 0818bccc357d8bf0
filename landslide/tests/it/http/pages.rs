//! The voters' pages over HTTP: what caches may keep, and a vote without script.

use serde_json::json;

use crate::{
    client::Reply,
    node::{Node, fresh},
};

const FORM: &str = "application/x-www-form-urlencoded";

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

/// As a browser posts a form of our own page.
fn post(node: &Node, path: &str, form: &str) -> crate::client::Request {
    node.request("POST", path).body(FORM, form).header("Sec-Fetch-Site", "same-origin")
}

/// The ballot id in a page to confirm.
fn ballot_id(html: &str) -> String {
    let (_, rest) = html.split_once("name=\"ballot_id\" value=\"").unwrap();
    rest[..36].to_owned()
}

#[test]
fn the_page_is_one_for_everybody_who_reads_its_language() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"title": "Série مسلسل", "policy": "latest"}));
    let get =
        |language: &str| node.request("GET", "/c/tv").header("Accept-Language", language).send();
    let first = get("de-CH, en;q=0.5");
    assert_eq!(first.status, 200);
    assert!(text(&first).contains("<html lang=\"de\" dir=\"ltr\">"));
    assert_eq!(first.header("vary").unwrap(), "Accept-Language, Accept-Encoding");
    assert!(first.header("cache-control").unwrap().starts_with("public, max-age="));
    assert!(first.header("set-cookie").is_none());
    assert_eq!(first.body, get("de").body);
    assert!(text(&get("ar")).contains("<html lang=\"ar\" dir=\"rtl\">"));
    let asked = node.request("GET", "/c/tv?lang=fr").header("Accept-Language", "de").send();
    assert!(text(&asked).contains("lang=\"fr\"") && text(&asked).contains("/c/tv?lang=fr\""));

    let etag = first.header("etag").unwrap();
    let known = node.request("GET", "/c/tv").header("Accept-Language", "de");
    let known = known.header("If-None-Match", etag).send();
    assert_eq!((known.status, known.body.len()), (304, 0));
    let small = node.request("GET", "/c/tv").header("Accept-Encoding", "gzip").send();
    assert_eq!(small.header("content-encoding").unwrap(), "gzip");
    assert!(small.body.len() * 2 < first.body.len() && small.body.starts_with(&[0x1f, 0x8b]));
    assert_ne!(small.header("etag").unwrap(), etag);

    node.admin("PUT", "/tv")
        .json(&crate::node::definition(json!({"title": "New", "policy": "latest"})))
        .send();
    assert!(text(&get("de")).contains("<bdi>New</bdi>"), "a change is seen at once here");
    assert_eq!(node.get("/c/none").status, 404);
}

#[test]
fn a_vote_without_script_is_confirmed_and_counted_once() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let asked = post(&node, "/c/tv", "choice=b").send();
    assert_eq!((asked.status, asked.header("cache-control").unwrap()), (200, "no-store"));
    let cookie = asked.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let form = format!("choice=b&ballot_id={}", ballot_id(&text(&asked)));
    for _ in 0..3 {
        let recorded = post(&node, "/c/tv", &form).header("Cookie", &cookie).send();
        assert_eq!(recorded.status, 201, "{recorded:?}");
        assert!(text(&recorded).contains("Your vote is recorded"));
    }
    // Whoever comes back and begins again is still the same voter.
    let again = post(&node, "/c/tv", "choice=a").header("Cookie", &cookie).send();
    assert!(again.header("set-cookie").is_none());
    let form = format!("choice=a&ballot_id={}", ballot_id(&text(&again)));
    assert_eq!(post(&node, "/c/tv", &form).header("Cookie", &cookie).send().status, 201);
    let counts = node.counts_now("tv");
    assert_eq!((&counts["total"], &counts["choices"][1]["votes"]), (&json!(1), &json!(1)));
}

#[test]
fn a_form_that_is_wrong_says_so_and_records_nothing() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    node.contest("soon", json!({"opens_at": "2030-01-01T00:00:00Z"}));
    let id = "019ab2c4-5d00-7abc-8def-0123456789ab";
    for (path, form, status) in [
        ("/c/tv", "choice=".to_owned(), 422),
        ("/c/tv", "choice=nothing".to_owned(), 422),
        ("/c/tv", "choice=a&choice=b".to_owned(), 400),
        ("/c/tv", "choice=a&ballot_id=1".to_owned(), 422),
        ("/c/tv", format!("choice=a&ballot_id={id}"), 422),
        ("/c/soon", "choice=a".to_owned(), 409),
        ("/c/none", "choice=a".to_owned(), 404),
    ] {
        let reply = post(&node, path, &form).send();
        assert_eq!(reply.status, status, "{path} {form}");
        assert_eq!(reply.header("cache-control").unwrap(), "no-store");
    }
    assert_eq!(node.counts_now("tv")["total"], 0);
}

#[test]
fn only_the_embed_is_framed_and_only_by_whom_the_contest_names() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"embed_origins": ["https://news.example"]}));
    node.contest("plain", json!({}));
    let policy = |path: &str| node.get(path).header("content-security-policy").unwrap().to_owned();
    assert!(policy("/c/tv").ends_with("frame-ancestors 'none'"));
    assert!(policy("/c/tv/embed").ends_with("frame-ancestors https://news.example"));
    assert!(policy("/c/tv/results").ends_with("frame-ancestors https://news.example"));
    assert!(policy("/c/tv/wall").ends_with("frame-ancestors 'none'"));
    assert!(policy("/c/plain/embed").ends_with("frame-ancestors 'none'"));
    // Changed while it is open.
    let changed = crate::node::definition(json!({"embed_origins": ["https://other.example"]}));
    assert_eq!(node.admin("PUT", "/tv").json(&changed).send().status, 200);
    assert!(policy("/c/tv/embed").ends_with("frame-ancestors https://other.example"));
    let posted = post(&node, "/c/tv/embed", "choice=a").send();
    assert!(text(&posted).contains("action=\"/c/tv/embed\""));
}

#[test]
fn assets_are_kept_for_ever_under_their_version() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let html = text(&node.get("/c/tv"));
    let (_, rest) = html.split_once("src=\"/assets/").unwrap();
    let path = format!("/assets/{}", rest.split('"').next().unwrap());
    let asset = node.request("GET", &path).header("Accept-Encoding", "gzip").send();
    assert_eq!(asset.status, 200);
    assert!(asset.header("cache-control").unwrap().contains("immutable"));
    assert_eq!(asset.header("content-encoding").unwrap(), "gzip");
    let etag = asset.header("etag").unwrap();
    let known = node.request("GET", &path).header("Accept-Encoding", "gzip");
    assert_eq!(known.header("If-None-Match", etag).send().status, 304);
    assert_eq!(node.get("/assets/vote.js").header("cache-control").unwrap(), "public, max-age=300");
    assert_eq!(node.get("/assets/nothing.js").status, 404);
}

#[test]
fn the_servers_time_is_told_and_never_kept() {
    let (_folder, node) = fresh();
    let before = crate::node::now();
    let reply = node.get("/v1/time");
    let now: ballot::Timestamp = reply.json()["now"].as_str().unwrap().parse().unwrap();
    assert!(before <= now && now <= crate::node::now());
    assert_eq!(reply.header("cache-control").unwrap(), "no-store");
}

#[test]
fn only_pages_of_the_services_own_addresses_may_cast_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = "https://one.example,https://two.example";
    let arguments = ["--vote-addresses", addresses];
    let node = Node::start(&folder.path().join("data"), &arguments);
    node.contest("tv", json!({}));
    let page = node.get("/c/tv");
    assert!(text(&page).contains("data-addresses=\"https://one.example https://two.example\""));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("connect-src 'self' https://one.example https://two.example;"));
    let path = "/v1/contests/tv/ballots";
    for (origin, allowed) in [("https://two.example", true), ("https://evil.example", false)] {
        let expected = allowed.then_some(origin);
        let asked = node.request("OPTIONS", path).header("Origin", origin).send();
        assert_eq!(asked.status, 204);
        assert_eq!(asked.header("access-control-allow-origin"), expected);
        for choice in ["a", "none"] {
            let ballot = node.request("POST", path).header("Origin", origin);
            let reply = ballot.json(&json!({"choice": choice})).send();
            assert_eq!(reply.header("access-control-allow-origin"), expected, "{reply:?}");
        }
    }
}

#[test]
fn addresses_that_are_typed_lead_to_the_vote() {
    let (_folder, node) = fresh();
    node.contest("tv-series", json!({}));
    for (typed, right) in [
        ("/c/TV-Series", "/c/tv-series"),
        ("/c/tv-series/", "/c/tv-series"),
        ("/c/TV-SERIES/Results/?lang=de", "/c/tv-series/results?lang=de"),
        ("/C/tv-series/wall/", "/c/tv-series/wall"),
        ("/c/tv-series/embed/", "/c/tv-series/embed"),
        // Whether anything is there is not told.
        ("/c/Nobody", "/c/nobody"),
    ] {
        for method in ["GET", "HEAD"] {
            let reply = node.request(method, typed).send();
            assert_eq!((reply.status, reply.header("location")), (308, Some(right)), "{typed}");
        }
        assert_ne!(post(&node, typed, "choice=a").send().status, 308, "{typed}");
    }
    assert_eq!(node.get("/v1/contests/TV-Series").status, 404, "programs are told");
}

#[test]
fn whatever_is_not_there_below_c_is_a_page() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    node.contest(
        "secret",
        json!({"opens_at": "2030-01-01T20:00:00Z", "public_from": "2029-12-31T20:00:00Z"}),
    );
    for end in ["", "/results", "/wall", "/embed", "/qr.svg", "/card.png", "/nothing", "/a/b"] {
        let get = |slug: &str| {
            let request = node.request("GET", &format!("/c/{slug}{end}"));
            request.header("Accept-Language", "fr").send()
        };
        let nobody = get("nobody");
        assert_eq!(nobody.status, 404, "{end}");
        assert_eq!(nobody.header("content-type"), Some("text/html; charset=utf-8"), "{end}");
        assert!(
            text(&nobody).contains("<html lang=\"fr\"") && text(&nobody).contains("Introuvable")
        );
        assert_eq!(get("secret").body, nobody.body, "{end}");
    }
    for path in ["/c", "/c/", "/c/tv/nothing"] {
        assert_eq!(
            node.get(path).header("content-type"),
            Some("text/html; charset=utf-8"),
            "{path}"
        );
    }
    node.get("/nothing").problem(404, "not-found");
}

#[test]
fn a_form_that_is_wrong_is_answered_by_a_sentence() {
    let (_folder, node) = fresh();
    let choices: Vec<_> = (0..1_000)
        .map(|n| json!({"choice": format!("song-{n}"), "title": format!("Song number {n}")}))
        .collect();
    node.contest("songs", json!({"choices": choices}));
    assert!(node.get("/c/songs").body.len() > 100_000);
    for form in ["", "choice=nothing", "choice=song-1&choice=song-2", "choice=song-1&ballot_id=1"] {
        let reply = post(&node, "/c/songs", form).send();
        assert!((400..500).contains(&reply.status) && reply.body.len() < 10_000, "{form}");
        assert!(text(&reply).contains("href=\"/c/songs\""), "{form}");
    }
}

#[test]
fn a_browser_keeps_which_of_its_votes_counts() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"policy": "one"}));
    node.contest("other", json!({"policy": "latest"}));
    let vote = |contest: &str, choice: &str, cookies: &str| {
        let path = format!("/c/{contest}");
        let asked =
            post(&node, &path, &format!("choice={choice}")).header("Cookie", cookies).send();
        let form = format!("choice={choice}&ballot_id={}", ballot_id(&text(&asked)));
        let recorded = post(&node, &path, &form).header("Cookie", cookies).send();
        assert_eq!(recorded.status, 201, "{recorded:?}");
        (recorded.header("set-cookie").map(str::to_owned), text(&recorded))
    };
    let device = "device=0b8f4bb4-6c1e-4d5c-9a42-0c9b7f6f2a11";
    let (set, html) = vote("tv", "a", device);
    let set = set.unwrap();
    assert!(
        set.starts_with("voted=") && set.contains("; Path=/c/tv; ") && set.len() < 300,
        "{set}"
    );
    assert!(html.contains("will be counted"));
    let cookies = format!("{device}; {}", set.split(';').next().unwrap());
    let (set, html) = vote("tv", "b", &cookies);
    assert_eq!(set, None, "the first stays the first");
    assert!(html.contains("Your first vote counts") && !html.contains("will be counted"), "{html}");
    let (set, html) = vote("other", "b", &cookies);
    assert!(set.is_none() && html.contains("will be counted"), "the last one counts there");
}
