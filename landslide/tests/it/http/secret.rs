//! Before its `public_from` the public gets of a contest what it gets of one that is not there.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::json;

use crate::node::{Node, definition, fresh, now};

const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"];
const PATHS: [&str; 14] = [
    "/v1/contests/{}",
    "/v1/contests/{}/state",
    "/v1/contests/{}/results",
    "/v1/contests/{}/results/stream",
    "/v1/contests/{}/ballots",
    "/v1/contests/{}/batches",
    "/v1/contests/{}/nothing",
    "/c/{}",
    "/c/{}/embed",
    "/c/{}/results",
    "/c/{}/wall",
    "/c/{}/qr.svg",
    "/c/{}/card.png",
    "/c/{}/nothing",
];
const BODIES: [(&str, &str); 5] = [
    ("", ""),
    ("application/json", r#"{"choice":"a"}"#),
    ("application/json", "{"),
    ("application/x-www-form-urlencoded", "choice=a"),
    ("application/x-ndjson", "{\"choice\":\"a\",\"voter\":\"x\"}\n"),
];

/// All bytes of the answer, but for what differs from one second to the next, and the name.
fn answer(node: &Node, method: &str, path: &str, slug: &str, body: (&str, &str)) -> String {
    let mut request = node.request(method, &path.replace("{}", slug));
    if !body.1.is_empty() {
        request = request.body(body.0, body.1).header("Authorization", "Bearer of-nobody");
    }
    let mut stream = TcpStream::connect(node.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(&request.bytes()).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).replace(slug, "{}");
    let lines = text.split('\n').filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
    lines.collect::<Vec<_>>().join("\n")
}

fn differences(node: &Node, slug: &str, paths: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in paths {
        for method in METHODS {
            let bodies = if method == "POST" { &BODIES[..] } else { &BODIES[..1] };
            for body in bodies {
                let (is, right) = (
                    answer(node, method, path, slug, *body),
                    answer(node, method, path, "nobody", *body),
                );
                assert!(right.starts_with("HTTP/1.1 "), "{method} {path}: {right}");
                if is != right {
                    found.push(format!("{method} {path} {body:?}:\n{is}\nnot\n{right}"));
                }
            }
        }
    }
    found
}

#[test]
fn before_its_time_a_contest_is_as_one_that_is_not_there() {
    let (_folder, node) = fresh();
    node.contest(
        "secret",
        json!({"opens_at": "2030-01-02T00:00:00Z", "public_from": "2030-01-01T00:00:00Z"}),
    );
    node.contest("byhand", json!({"opens_at": null, "public_from": "2030-01-01T00:00:00Z"}));
    let front = node.get("/");
    for slug in ["secret", "byhand"] {
        let found = differences(&node, slug, &PATHS);
        assert!(found.is_empty(), "{}", found.join("\n\n"));
        assert!(!String::from_utf8_lossy(&front.body).contains(slug));
        // An administrator sees it as ever, and a gateway with its key is told the hours.
        assert_eq!(node.admin("GET", &format!("/{slug}")).send().status, 200);
        let channels = node.admin("POST", &format!("/{slug}/channels"));
        let key = channels.json(&json!({"channel": "sms"})).send().json();
        let batch = node
            .request("POST", &format!("/v1/contests/{slug}/batches"))
            .header("Authorization", &format!("Bearer {}", key["key"].as_str().unwrap()))
            .body("application/x-ndjson", "{\"choice\":\"a\",\"voter\":\"x\"}\n");
        batch.send().problem(409, "not-open");
    }
    // The look finds one that is no secret.
    node.contest("soon", json!({"opens_at": "2030-01-02T00:00:00Z"}));
    let telling = ["/v1/contests/{}", "/v1/contests/{}/state", "/v1/contests/{}/ballots", "/c/{}"];
    assert!(differences(&node, "soon", &telling).len() > 10);
    assert!(String::from_utf8_lossy(&node.get("/").body).contains("/c/soon"));
}

#[test]
fn a_secret_ends_by_itself_or_when_somebody_opens_the_contest() {
    let (_folder, node) = fresh();
    let soon = now().plus(Duration::from_millis(1_500)).to_string();
    let later = "2030-01-02T00:00:00Z";
    node.contest("tv", json!({"opens_at": later, "public_from": soon}));
    node.get("/v1/contests/tv").problem(404, "no-such-contest");
    node.get("/v1/contests/tv/state").problem(404, "no-such-contest");
    std::thread::sleep(Duration::from_millis(1_600));
    assert_eq!(node.get("/v1/contests/tv").status, 200);
    assert_eq!(node.get("/c/tv").status, 200);

    // Whoever opens it wants voters.
    node.contest("film", json!({"opens_at": later, "public_from": later}));
    node.get("/c/film");
    let opened = node.admin("POST", "/film/open").send();
    assert_eq!(opened.status, 200);
    assert!(opened.json().get("public_from").is_none());
    assert_eq!(node.get("/v1/contests/film").status, 200);
    // What is read can be put back, and so can the file that it was made from.
    let again = node.admin("PUT", "/film").json(&opened.json()).send();
    assert_eq!(again.status, 200, "{again:?}");
    let file = definition(json!({"opens_at": null, "public_from": later}));
    assert_eq!(node.admin("PUT", "/film").json(&file).send().status, 200);
}

#[test]
fn what_may_be_kept_from_the_public_follows_the_hours() {
    let (_folder, node) = fresh();
    let put =
        |slug: &str, more| node.admin("PUT", &format!("/{slug}")).json(&definition(more)).send();
    let late = json!({"opens_at": "2030-01-01T00:00:00Z", "public_from": "2030-01-01T00:00:01Z"});
    assert_eq!(put("tv", late).problem(422, "invalid-definition")["field"], "public_from");
    for (member, value) in
        [("public_from", json!("tomorrow")), ("listed", json!("yes")), ("order", json!("random"))]
    {
        let problem = put("tv", json!({ member: value })).problem(422, "invalid-definition");
        assert_eq!(problem["field"], member);
    }
    // Unlisted is no secret, and may change while votes are taken.
    assert_eq!(put("tv", json!({"listed": false, "order": "drawn"})).status, 201);
    assert!(!String::from_utf8_lossy(&node.get("/").body).contains("/c/tv"));
    let public = node.get("/v1/contests/tv").json();
    assert_eq!(public["order"], "drawn");
    assert!(public.get("listed").is_none());
    assert_eq!(put("tv", json!({"order": "drawn"})).status, 200);
    assert!(String::from_utf8_lossy(&node.get("/").body).contains("/c/tv"));
    let frozen = put("tv", json!({})).problem(409, "frozen");
    assert_eq!(frozen["field"], "order");
}
