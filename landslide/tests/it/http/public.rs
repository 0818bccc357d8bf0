//! What everybody may read.

use std::{io::Read, net::TcpStream, time::Duration};

use serde_json::json;

use crate::node::fresh;

#[test]
fn a_definition_is_cacheable_and_a_draft_is_not_shown() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"title": "<b>\"Série\"</b> مسلسل 🎬"}));
    let reply = node.get("/v1/contests/tv");
    assert_eq!(reply.status, 200);
    let body = reply.json();
    assert_eq!(body["title"], "<b>\"Série\"</b> مسلسل 🎬");
    assert_eq!((&body["contest"], &body["policy"]), (&json!("tv"), &json!("one")));
    assert_eq!(body["choices"][2], json!({"choice": "c", "title": "C"}));
    let etag = reply.header("etag").unwrap();
    let unchanged = node.request("GET", "/v1/contests/tv").header("If-None-Match", etag).send();
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    node.admin("PUT", "/tv").json(&crate::node::definition(json!({"title": "T"}))).send();
    let changed = node.request("GET", "/v1/contests/tv").header("If-None-Match", etag).send();
    assert_eq!(changed.status, 200);

    node.contest("draft", json!({"opens_at": null}));
    node.get("/v1/contests/draft").problem(404, "no-such-contest");
    let early = node.request("POST", "/v1/contests/draft/ballots").json(&json!({"choice": "a"}));
    let problem = early.send().problem(409, "not-open");
    assert_eq!((&problem["opens_at"], &problem["closes_at"]), (&json!(null), &json!(null)));
    node.contest("soon", json!({"opens_at": "2030-01-01T00:00:00Z"}));
    assert_eq!(node.get("/v1/contests/soon").status, 200);
}

#[test]
fn results_are_shown_as_the_contest_says() {
    let (_folder, node) = fresh();
    node.contest("live", json!({}));
    node.contest("hidden", json!({"results": "hidden"}));
    node.contest("after", json!({"results": "after_close"}));
    for contest in ["live", "hidden", "after"] {
        let ballot = json!({"choice": "b"});
        node.request("POST", &format!("/v1/contests/{contest}/ballots")).json(&ballot).send();
        node.counts_now(contest);
    }
    let shown = node.get("/v1/contests/live/results").json();
    assert_eq!((&shown["total"], &shown["choices"][1]["votes"]), (&json!(1), &json!(1)));
    let keys: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["choices", "contest", "counted_through", "definition", "status", "total"]);
    for contest in ["hidden", "after"] {
        for path in ["results", "results/stream"] {
            let reply = node.get(&format!("/v1/contests/{contest}/{path}"));
            reply.problem(403, "results-hidden");
        }
    }
    assert_eq!(node.admin("POST", "/after/close").send().status, 200);
    node.counts_when("after", |counts| counts["status"] == "final");
    assert_eq!(node.get("/v1/contests/after/results").json()["total"], 1);
    let revealed = crate::node::definition(json!({"results": "live"}));
    assert_eq!(node.admin("PUT", "/hidden").json(&revealed).send().status, 200);
    assert_eq!(node.get("/v1/contests/hidden/results").json()["total"], 1);
    node.get("/v1/contests/nobody/results").problem(404, "no-such-contest");
}

#[test]
fn a_stream_tells_every_change() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    node.counts_now("tv");
    let mut stream = TcpStream::connect(node.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = node.request("GET", "/v1/contests/tv/results/stream").bytes();
    std::io::Write::write_all(&mut stream, &request).unwrap();
    node.request("POST", "/v1/contests/tv/ballots").json(&json!({"choice": "b"})).send();
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    while !text.contains(r#""total":1"#) {
        let n = stream.read(&mut buffer).expect("an event in time");
        assert!(n > 0, "the stream ended: {text}");
        text += str::from_utf8(&buffer[..n]).unwrap();
    }
    assert!(text.contains("text/event-stream"));
    assert!(text.contains("event: counts\n"));
    assert!(text.contains(r#""total":0"#), "the first event is what is known at once");
}

#[test]
fn operators_and_developers_are_served() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    node.request("POST", "/v1/contests/tv/ballots").json(&json!({"choice": "b"})).send();
    node.request("POST", "/v1/contests/tv/ballots").json(&json!({"choice": "x"})).send();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(node.get(path).status, 200);
    }
    node.counts_now("tv");
    let metrics = String::from_utf8(node.get("/metrics").body).unwrap();
    for line in [
        "landslide_ballots_acknowledged_total 1",
        "landslide_requests_refused_total{reason=\"unknown-choice\"} 1",
        "landslide_commit_seconds_count 1",
        "landslide_counts_age_seconds{contest=\"tv\"}",
        "landslide_tally_runs_total{outcome=\"published\"}",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let openapi = node.get("/openapi.json").json();
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = openapi["paths"].as_object().unwrap();
    for path in ["ballots", "batches", "results", "results/stream"] {
        let item = &paths[&format!("/v1/contests/{{contest}}/{path}")];
        assert_eq!(item["parameters"][0]["name"], "contest", "{path}");
    }
}

#[test]
fn scripts_of_sites_that_may_frame_a_contest_read_its_results() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"embed_origins": ["https://news.example"]}));
    node.contest("alone", json!({}));
    node.request("POST", "/v1/contests/tv/ballots").json(&json!({"choice": "b"})).send();
    node.counts_now("tv");
    let asked = |contest: &str, origin: &str| {
        let path = format!("/v1/contests/{contest}/results");
        node.request("GET", &path).header("Origin", origin).send()
    };
    let shown = asked("tv", "https://news.example");
    assert_eq!(shown.status, 200);
    assert_eq!(shown.header("access-control-allow-origin"), Some("https://news.example"));
    assert_eq!(shown.header("access-control-allow-credentials"), None);
    // Caches keep one answer an origin.
    assert_eq!(shown.header("vary"), Some("Origin"));
    assert_eq!(asked("tv", "https://evil.example").header("access-control-allow-origin"), None);
    let alone = asked("alone", "https://news.example");
    assert_eq!((alone.header("access-control-allow-origin"), alone.header("vary")), (None, None));

    // Without an end: its head is what is asked for.
    let mut stream = TcpStream::connect(node.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = node
        .request("GET", "/v1/contests/tv/results/stream")
        .header("Origin", "https://news.example");
    std::io::Write::write_all(&mut stream, &request.bytes()).unwrap();
    let mut head = [0; 1_024];
    let read = stream.read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
    assert!(head.contains("access-control-allow-origin: https://news.example\r\n"), "{head}");
}
