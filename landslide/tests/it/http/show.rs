//! Showing a vote and its results: pages, walls, QR codes, image cards, streams.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::json;

use crate::{
    client::Reply,
    node::{Node, fresh},
};

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

fn vote(node: &Node, contest: &str, choice: &str) {
    let path = format!("/v1/contests/{contest}/ballots");
    let reply = node.request("POST", &path).json(&json!({"choice": choice})).send();
    assert_eq!(reply.status, 201, "{reply:?}");
}

/// A viewer of a contest's stream.
struct Viewer {
    stream: TcpStream,
    text: String,
}

impl Viewer {
    fn open(node: &Node, contest: &str) -> Self {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        let path = format!("/v1/contests/{contest}/results/stream");
        stream.write_all(&node.request("GET", &path).bytes()).unwrap();
        Self { stream, text: String::new() }
    }

    /// Reads until this was read.
    fn until(&mut self, wanted: &str) {
        let mut buffer = [0; 4_096];
        while !self.text.contains(wanted) {
            let n = self.stream.read(&mut buffer).expect("it comes in time");
            assert!(n > 0, "the stream ended: {}", self.text);
            self.text += str::from_utf8(&buffer[..n]).unwrap();
        }
    }

    fn events(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    }
}

fn metric(node: &Node, name: &str) -> u64 {
    let metrics = text(&node.get("/metrics"));
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

#[test]
fn results_and_walls_show_what_the_contest_shows() {
    let (_folder, node) = fresh();
    for results in ["live", "hidden", "after_close"] {
        let choices =
            json!([{"choice": "b", "title": "First"}, {"choice": "a", "title": "Second"}]);
        let contest = results.replace('_', "-");
        node.contest(&contest, json!({"results": results, "choices": choices}));
        vote(&node, &contest, "a");
        node.counts_now(&contest);
    }
    let pages = |contest: &str| {
        ["results", "wall", "wall?top=1&theme=light"].map(|page| {
            let reply = node.get(&format!("/c/{contest}/{page}"));
            assert_eq!(reply.status, 200, "{contest}/{page}");
            assert_eq!(reply.header("content-type").unwrap(), "text/html; charset=utf-8");
            assert!(reply.header("cache-control").unwrap().starts_with("public, max-age="));
            assert!(reply.header("vary").unwrap().contains("Accept-Language"));
            assert!(reply.header("set-cookie").is_none());
            let policy = reply.header("content-security-policy").unwrap();
            assert!(
                policy.contains("default-src 'none'") && !policy.contains("unsafe"),
                "{policy}"
            );
            text(&reply)
        })
    };
    let shows = |html: &str| html.contains("100.0%");
    let [results, wall, top] = pages("live");
    assert!(shows(&results) && shows(&wall) && shows(&top));
    assert!(results.contains("Provisional, counted through"));
    // In the definition's order on the page, most votes first on the wall.
    let place = |html: &str, title: &str| html.find(&format!("{title}</bdi>"));
    assert!(place(&results, "First") < place(&results, "Second"));
    assert!(place(&wall, "Second") < place(&wall, "First"));
    assert!(place(&top, "First").is_none() && top.contains("class=\"light\""));
    for contest in ["hidden", "after-close"] {
        for html in pages(contest) {
            assert!(
                !shows(&html) && !html.contains("0.0%") && !html.contains("<li data-choice"),
                "{contest}"
            );
            assert!(!html.contains("<tr data-choice"));
        }
    }
    assert!(pages("hidden")[0].contains("are not public"));
    assert!(pages("after-close")[0].contains("once voting has closed"));
    assert_eq!(node.admin("POST", "/after-close/close").send().status, 200);
    node.counts_when("after-close", |counts| counts["status"] == "final");
    let [results, wall, _] = pages("after-close");
    assert!(shows(&results) && shows(&wall) && results.contains("Final result"));
    assert!(text(&node.get("/c/live/wall?lang=ar")).contains("<html lang=\"ar\" dir=\"rtl\">"));
}

#[test]
fn what_is_not_public_is_not_there() {
    let (_folder, node) = fresh();
    node.contest("draft", json!({"opens_at": null}));
    for contest in ["draft", "nobody"] {
        for page in ["results", "wall"] {
            assert_eq!(node.get(&format!("/c/{contest}/{page}")).status, 404, "{contest}/{page}");
        }
        assert_eq!(node.get(&format!("/c/{contest}/qr.svg")).status, 404);
        node.get(&format!("/v1/contests/{contest}/results")).problem(404, "no-such-contest");
        node.get(&format!("/v1/contests/{contest}/results/stream")).problem(404, "no-such-contest");
    }
}

#[test]
fn a_qr_code_is_of_the_settings_address_or_of_one_request_alone() {
    let folder = tempfile::tempdir().unwrap();
    let trusts = ["--trusted-proxies", "127.0.0.1"];
    let node = Node::start(&folder.path().join("data"), &trusts);
    node.contest("tv", json!({}));
    let ask = |host: &str, proto: &str| {
        let request = node.request("GET", "/c/tv/qr.svg").header("X-Forwarded-Proto", proto);
        request.host(host).send()
    };
    let plain = ask("vote.example", "http");
    assert_eq!((plain.status, plain.header("content-type").unwrap()), (200, "image/svg+xml"));
    assert_eq!(plain.header("cache-control").unwrap(), "private, max-age=60");
    assert_ne!(ask("vote.example", "https").body, plain.body, "the scheme that voters use");
    assert_ne!(ask("other.example", "http").body, plain.body);
    for host in ["", "a/b", "a@b", "a\"b"] {
        assert_eq!(ask(host, "http").status, 400, "{host}");
    }
    assert!(!text(&node.get("/c/tv")).contains("og:"), "a preview needs the setting");

    let set = folder.path().join("set");
    let node = Node::start(&set, &["--public-url", "http://vote.example"]);
    node.contest("tv", json!({"title": "\"<b>"}));
    let known = node.request("GET", "/c/tv/qr.svg").host("tv.localhost").send();
    assert_eq!(known.body, plain.body, "whatever the request says");
    assert!(known.header("cache-control").unwrap().starts_with("public, "));
    let etag = known.header("etag").unwrap();
    let again = node.request("GET", "/c/tv/qr.svg").header("If-None-Match", etag).send();
    assert_eq!((again.status, again.body.len()), (304, 0));
    for page in ["/c/tv", "/c/tv/results"] {
        let html = text(&node.get(page));
        assert!(html.contains("<meta property=\"og:url\" content=\"http://vote.example/c/tv\">"));
        assert!(html.contains("og:title\" content=\"&#34;&#60;b&#62;\""), "{html}");
        let image = html.contains("\"http://vote.example/c/tv/card.png?lang=en&#38;of=");
        assert_eq!(image, cfg!(feature = "card"));
    }
    assert!(text(&node.get("/c/tv/wall")).contains("vote.example/c/tv</p>"));
}

#[cfg(feature = "card")]
#[test]
fn a_card_is_an_image_that_tells_no_counts() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"title": "مسلسل & <b>"}));
    let card = node.get("/c/tv/card.png");
    assert_eq!((card.status, card.header("content-type").unwrap()), (200, "image/png"));
    assert!(card.body.starts_with(b"\x89PNG") && card.body.len() < 300_000);
    assert!(card.header("cache-control").unwrap().starts_with("public, "));
    assert_ne!(node.get("/c/tv/card.png?lang=ar").body, card.body);
    vote(&node, "tv", "a");
    node.counts_now("tv");
    assert_eq!(node.get("/c/tv/card.png").body, card.body);
    assert_eq!(node.get("/c/nobody/card.png").status, 404);
}

#[test]
fn an_update_is_encoded_once_for_all_who_watch() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let mut viewers: Vec<Viewer> = (0..40).map(|_| Viewer::open(&node, "tv")).collect();
    vote(&node, "tv", "b");
    for viewer in &mut viewers {
        viewer.until(r#""total":1,"#);
    }
    assert_eq!(metric(&node, "landslide_streams"), 40);
    assert_eq!(node.admin("POST", "/tv/close").send().status, 200);
    for viewer in &mut viewers {
        viewer.until(r#""status":"final""#);
    }
    let encoded = metric(&node, "landslide_results_encoded_total");
    let most = viewers.iter().map(|viewer| viewer.events().len()).max().unwrap();
    assert!(encoded <= most as u64 + 1, "{encoded} encodings of {most} updates");
    // What is final is said once; that it is certified comes on the same stream.
    assert_eq!(node.admin("POST", "/tv/certify").send().status, 200);
    viewers.truncate(5);
    for viewer in &mut viewers {
        viewer.until(r#""status":"certified""#);
        let events = viewer.events();
        assert!(events.windows(2).all(|two| two[0] != two[1]), "told twice: {events:?}");
        assert_eq!(events.iter().filter(|event| event.contains(r#""final""#)).count(), 1);
    }
}

#[test]
fn streams_are_limited_and_a_stream_ends_when_results_are_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&folder.path().join("data"), &["--streams-max", "2"]);
    node.contest("tv", json!({}));
    node.counts_now("tv");
    let mut viewers = [Viewer::open(&node, "tv"), Viewer::open(&node, "tv")];
    viewers.iter_mut().for_each(|viewer| viewer.until("event: counts\n"));
    node.get("/v1/contests/tv/results/stream").problem(503, "overloaded");
    assert_eq!(node.get("/v1/contests/tv/results").status, 200, "who is refused may ask");
    let hidden = crate::node::definition(json!({"results": "hidden"}));
    assert_eq!(node.admin("PUT", "/tv").json(&hidden).send().status, 200);
    for viewer in &mut viewers {
        let mut rest = String::new();
        viewer.stream.read_to_string(&mut rest).expect("the end comes in time");
    }
    node.get("/v1/contests/tv/results/stream").problem(403, "results-hidden");
    assert_eq!(metric(&node, "landslide_streams"), 0);
}
