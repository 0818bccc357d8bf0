//! What every answer has and every request must be for: our hosts, nobody's guesses, and nothing told
//! to those who are not admitted.

use serde_json::{Value, json};

use crate::node::{Node, TOKEN, fresh};

#[test]
fn the_loopback_answers_to_its_own_names_alone() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let port = node.address().split(':').nth(1).unwrap();
    let asked = |method: &str, path: &str, host: &str| {
        node.request(method, path).host(host).json(&json!({"choice": "a"})).send()
    };
    for host in ["localhost", &format!("localhost:{port}"), &format!("127.0.0.1:{port}"), "[::1]"] {
        assert_eq!(asked("GET", "/c/tv", host).status, 200, "{host}");
        assert_eq!(asked("POST", "/v1/contests/tv/ballots", host).status, 201, "{host}");
    }
    for host in ["evil.example", &format!("evil.example:{port}"), "10.0.0.1"] {
        for (method, path) in [
            ("GET", "/metrics"),
            ("GET", "/c/tv"),
            ("POST", "/admin/session"),
            ("POST", "/v1/contests/tv/ballots"),
            ("GET", "/nothing"),
        ] {
            asked(method, path, host).problem(421, "misdirected");
        }
    }
}

#[test]
fn a_host_of_the_settings_and_whatever_a_proxy_asks_for_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let ours = ["--public-url", "https://vote.example", "--vote-addresses", "https://two.example"];
    let node = Node::start(&folder.path().join("data"), &ours);
    let status = |node: &Node, host: &str| node.request("GET", "/healthz").host(host).send().status;
    assert_eq!(status(&node, "vote.example"), 200);
    assert_eq!(status(&node, "Two.Example:443"), 200);
    assert_eq!(status(&node, "three.example"), 421);
    let proxied = Node::start(&folder.path().join("two"), &["--trusted-proxies", "127.0.0.0/8"]);
    assert_eq!(status(&proxied, "three.example"), 200);
}

#[test]
fn every_answer_says_that_its_type_is_not_to_be_guessed() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let etag = node.get("/c/tv").header("etag").unwrap().to_owned();
    let ballot = node.request("POST", "/v1/contests/tv/ballots");
    for request in [
        node.request("GET", "/"),
        node.request("GET", "/c/tv").header("If-None-Match", &etag),
        node.request("GET", "/healthz"),
        node.request("GET", "/metrics"),
        node.request("GET", "/openapi.json"),
        node.request("GET", "/nothing"),
        node.request("DELETE", "/c/tv"),
        node.request("GET", "/v1/contests/tv"),
        node.request("GET", "/v1/admin/contests"),
        node.request("OPTIONS", "/v1/contests/tv/ballots"),
        node.request("GET", "/healthz").host("evil.example"),
        ballot.clone().json(&json!({"choice": "a"})),
        ballot.json(&json!({"choice": 1})),
    ] {
        let reply = request.send();
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{request:?}");
        assert_eq!(reply.header("strict-transport-security"), None, "not over plain HTTP");
    }
}

#[test]
fn without_the_token_no_call_tells_which_contests_there_are() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let openapi = node.get("/openapi.json").json();
    let paths = openapi["paths"].as_object().unwrap().keys();
    let mut paths: Vec<String> =
        paths.filter(|path| path.starts_with("/v1/admin")).cloned().collect();
    assert!(paths.len() > 10, "{paths:?}");
    paths.extend(
        ["/v1/admin", "/v1/admin/", "/v1/admin/x", "/v1/admin/contests/{contest}/x"]
            .map(Into::into),
    );
    for path in paths {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "QUERY"] {
            let answer = |contest: &str, kind: Option<&str>| {
                let request = node.request(method, &path.replace("{contest}", contest));
                let request = kind.into_iter().fold(request, |r, kind| r.body(kind, "{}"));
                let reply = request.send();
                let mut headers = reply.headers;
                headers.retain(|(name, _)| name != "date");
                (reply.status, headers, reply.body)
            };
            for kind in [None, Some("application/json"), Some("text/plain")] {
                let (there, nowhere) = (answer("tv", kind), answer("nobody", kind));
                assert_eq!(there.0, 401, "{method} {path} {kind:?}");
                assert_eq!(there, nowhere, "{method} {path} {kind:?}");
            }
        }
    }
    let with_token = |method: &str, path: &str| {
        node.request(method, path).header("Authorization", &format!("Bearer {TOKEN}")).send()
    };
    with_token("PATCH", "/v1/admin/contests/tv").problem(405, "method-not-allowed");
    with_token("PATCH", "/v1/admin/contests/nobody").problem(404, "no-such-contest");
    with_token("GET", "/v1/admin/nothing").problem(404, "not-found");
}

#[test]
fn over_tls_the_device_has_a_cookie_that_no_sibling_can_set() {
    const DEVICE: &str = "0b8f4bb4-6c1e-4d5c-9a42-0c9b7f6f2a11";
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&folder.path().join("data"), &["--trusted-proxies", "127.0.0.1"]);
    node.contest("tv", json!({}));
    let vote = |scheme: &str, cookie: &str| {
        node.request("POST", "/v1/contests/tv/ballots")
            .header("X-Forwarded-Proto", scheme)
            .header("Cookie", cookie)
            .json(&json!({"choice": "a"}))
            .send()
    };
    let set = |scheme: &str, cookie: &str| {
        let reply = vote(scheme, cookie);
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.header("set-cookie").map(str::to_owned)
    };
    let new = set("https", &format!("device={DEVICE}")).expect("the old name is nobody's here");
    assert!(new.starts_with("__Host-device=") && new.contains("; Secure"), "{new}");
    assert_eq!(set("https", &format!("__Host-device={DEVICE}; device=x")), None);
    assert_eq!(set("http", &format!("device={DEVICE}")), None);
    assert!(set("http", &format!("__Host-device={DEVICE}")).unwrap().starts_with("device="));
    let embedded = node
        .request("POST", "/c/tv/embed")
        .header("X-Forwarded-Proto", "https")
        .header("Sec-Fetch-Site", "same-origin")
        .body("application/x-www-form-urlencoded", "choice=a");
    let set = embedded.send().header("set-cookie").unwrap().to_owned();
    assert!(set.starts_with("__Host-device=") && set.contains("; Partitioned"), "{set}");
    let counts: Value = node.counts_now("tv");
    // The same device by both names, and two that were made for those without.
    assert_eq!(counts["total"], 3, "{counts}");
}
