//! Casting one ballot.

use ballot::{BallotId, Timestamp};
use serde_json::{Value, json};

use crate::{
    client::{Reply, Request},
    node::{Node, fresh},
};

const DEVICE: &str = "0b8f4bb4-6c1e-4d5c-9a42-0c9b7f6f2a11";

fn ballot_id(time: Timestamp, n: u8) -> String {
    BallotId::new(time, [n; 10]).to_string()
}

fn now() -> Timestamp {
    crate::node::now()
}

fn cast(node: &Node, contest: &str, body: &Value) -> Reply {
    node.request("POST", &format!("/v1/contests/{contest}/ballots")).json(body).send()
}

fn votes(counts: &Value) -> Vec<u64> {
    let choices = counts["choices"].as_array().unwrap();
    choices.iter().map(|choice| choice["votes"].as_u64().unwrap()).collect()
}

#[test]
fn a_ballot_is_acknowledged_and_counted_once() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let id = ballot_id(now(), 1);
    let body = json!({"ballot_id": id.to_uppercase(), "choice": "b", "device": DEVICE, "x": [{}]});
    for _ in 0..3 {
        let reply = cast(&node, "tv", &body);
        assert_eq!(reply.status, 201, "{reply:?}");
        assert_eq!(reply.json()["ballot_id"], id, "in lower case");
        assert_eq!(reply.json()["contest"], "tv");
        let recorded_at = reply.json()["recorded_at"].as_str().unwrap().parse::<Timestamp>();
        assert!(now().since(recorded_at.unwrap()).as_secs() < 10);
        assert_eq!(reply.header("set-cookie"), None, "the client has a device");
    }
    // Another ballot of the same device is acknowledged, and is a duplicate.
    let again = json!({"ballot_id": ballot_id(now(), 2), "choice": "c", "device": DEVICE});
    assert_eq!(cast(&node, "tv", &again).status, 201);
    let counts = node.counts_now("tv");
    assert_eq!(votes(&counts), [0, 1, 0]);
    assert_eq!(counts["total"], 1);
    let ballots = json!({"recorded": 4, "counted": 1, "duplicate": 3, "late": 0, "void": 0});
    assert_eq!(counts["ballots"], ballots);
    assert_eq!(counts["channels"], json!({"web": 1}));
    assert_eq!(counts["status"], "provisional");
    assert_eq!(counts["closed_at"], Value::Null);
}

#[test]
fn who_has_no_device_gets_one_from_the_ballot_id() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let first = json!({"ballot_id": ballot_id(now(), 1), "choice": "a", "device": "not a device"});
    let cookie = |reply: &Reply| reply.header("set-cookie").unwrap().to_owned();
    let set = cookie(&cast(&node, "tv", &first));
    assert_eq!(set, cookie(&cast(&node, "tv", &first)), "derived the same way on a retry");
    assert!(set.contains("SameSite=Lax"), "{set}");
    // The second ballot of that browser comes with the cookie: the same voter.
    let device = set.split(';').next().unwrap();
    let second = json!({"choice": "b", "device": 5});
    let reply = node
        .request("POST", "/v1/contests/tv/ballots")
        .header("Cookie", &format!("x=y; {device}"))
        .json(&second)
        .send();
    assert_eq!((reply.status, reply.header("set-cookie")), (201, None));
    assert!(BallotId::parse(reply.json()["ballot_id"].as_str().unwrap()).is_ok());
    // Without a ballot id and without a device: somebody else.
    assert_eq!(cast(&node, "tv", &json!({"choice": "c", "ballot_id": null})).status, 201);
    assert_eq!(votes(&node.counts_now("tv")), [1, 0, 1]);
}

#[test]
fn policies_count_what_they_say() {
    let (_folder, node) = fresh();
    for (contest, policy, expected) in [
        ("first", json!("one"), [1, 0, 0]),
        ("last", json!("latest"), [0, 1, 0]),
        ("two", json!({"up_to": 2}), [1, 0, 1]),
        ("all", json!("unlimited"), [1, 1, 1]),
    ] {
        node.contest(contest, json!({"policy": policy}));
        // The middle one was made last, but is sent last too late for `up_to`.
        for (choice, n) in [("a", 1), ("c", 2), ("b", 3)] {
            let id = ballot_id(now(), n);
            let body = json!({"ballot_id": id, "choice": choice, "device": DEVICE});
            assert_eq!(cast(&node, contest, &body).status, 201);
        }
        assert_eq!(votes(&node.counts_now(contest)), expected, "{contest}");
    }
}

#[test]
fn bad_input_is_refused_by_name() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let path = "/v1/contests/tv/ballots";
    let post = |content_type: &str, body: &[u8]| {
        node.request("POST", path).body(content_type, body).send()
    };
    for body in
        [&b"{"[..], b"", b"\xff\xfe", b"{\"choice\":\"\xff\"}", b"choice=a", b"{\"choice\":\"a\"}x"]
    {
        let reply = node.request("POST", path).body("application/json", body).send();
        reply.problem(400, "unreadable");
    }
    // Also where it stands in what is ignored.
    for ignored in [&b"\"x\":\"\xff\""[..], b"\"x\":[\"\xc3\"]", b"\"device\":{\"\xff\":1}"] {
        let body = [b"{\"choice\":\"a\",", ignored, b"}"].concat();
        post("application/json", &body).problem(400, "unreadable");
    }
    for body in ["[]", "null", "5", "\"a\"", r#"{"choice":"a","choice":"b"}"#] {
        post("application/json", body.as_bytes()).problem(422, "invalid-member");
    }
    for twice in [
        r#"{"choice":null,"choice":"a"}"#,
        r#"{"choice":"a","choice":null}"#,
        r#"{"choice":"a","ballot_id":null,"ballot_id":null}"#,
        r#"{"choice":"a","device":null,"device":null}"#,
    ] {
        post("application/json", twice.as_bytes()).problem(422, "invalid-member");
    }
    for (body, name, field) in [
        (json!({}), "invalid-member", "choice"),
        (json!({"choice": null}), "invalid-member", "choice"),
        (json!({"choice": 5}), "invalid-member", "choice"),
        (json!({"choice": ["a"]}), "invalid-member", "choice"),
        (json!({"choice": "nobody"}), "unknown-choice", "choice"),
        (json!({"choice": ""}), "unknown-choice", "choice"),
        (json!({"choice": "A"}), "unknown-choice", "choice"),
        (json!({"choice": "a", "ballot_id": 5}), "invalid-member", "ballot_id"),
        (json!({"choice": "a", "ballot_id": ""}), "invalid-ballot-id", "ballot_id"),
        (json!({"choice": "a", "ballot_id": DEVICE}), "invalid-ballot-id", "ballot_id"),
        (json!({"choice": "a", "ballot_id": "x".repeat(36)}), "invalid-ballot-id", "ballot_id"),
    ] {
        assert_eq!(cast(&node, "tv", &body).problem(422, name)["field"], field, "{body}");
    }
    let deep = format!(r#"{{"choice":"a","x":{}}}"#, "[".repeat(2_000) + &"]".repeat(2_000));
    assert!([201, 400].contains(&post("application/json", deep.as_bytes()).status));
    let large = format!(r#"{{"choice":"a","x":"{}"}}"#, "x".repeat(4_096));
    post("application/json", large.as_bytes()).problem(413, "too-large");
    let fits = format!(r#"{{"choice":"a","x":"{}"}}"#, "x".repeat(4_096 - 21));
    assert_eq!((fits.len(), post("application/json", fits.as_bytes()).status), (4_096, 201));
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        post(content_type, b"{\"choice\":\"a\"}").problem(415, "unsupported-media-type");
    }
    node.request("POST", path).send().problem(415, "unsupported-media-type");
    assert_eq!(post("Application/JSON ; charset=utf-8", b"{\"choice\":\"a\"}").status, 201);
}

#[test]
fn the_order_of_refusals() {
    let (_folder, node) = fresh();
    node.contest("closed", json!({"closes_at": "2026-01-01T01:00:00Z"}));
    let nowhere = "/v1/contests/nobody/ballots";
    let send = |method: &str, path: &str| -> Request { node.request(method, path) };
    for method in ["GET", "PUT", "DELETE", "PATCH", "POST"] {
        send(method, nowhere).send().problem(404, "no-such-contest");
    }
    let here = "/v1/contests/closed/ballots";
    for method in ["GET", "PUT", "DELETE"] {
        let reply = send(method, here).send();
        reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), Some("POST,OPTIONS"));
    }
    let large = "x".repeat(5_000);
    send("POST", here)
        .body("text/plain", large.clone())
        .send()
        .problem(415, "unsupported-media-type");
    send("POST", here).body("application/json", large).send().problem(413, "too-large");
    send("POST", here).body("application/json", "{").send().problem(400, "unreadable");
    send("POST", here).json(&json!({"choice": "x"})).send().problem(422, "unknown-choice");
    let closed = send("POST", here).json(&json!({"choice": "a"})).send().problem(409, "not-open");
    assert_eq!(closed["opens_at"], "2026-01-01T00:00:00Z");
    assert_eq!(closed["closes_at"], "2026-01-01T01:00:00Z");
    for path in
        ["/v1", "/v1/contests", "/v1/contests/", "/v2/contests/closed/ballots", "/v1/contests/%ff"]
    {
        assert_eq!(node.request("PATCH", path).send().status, 404, "{path}");
    }
}

#[test]
fn a_ballot_ids_time_is_held_against_the_clock_and_the_opening() {
    let (_folder, node) = fresh();
    let minutes = |n: u64| std::time::Duration::from_secs(60 * n);
    node.contest("tv", json!({"opens_at": now().minus(minutes(60)).to_string()}));
    let body = |time| json!({"ballot_id": ballot_id(time, 7), "choice": "a"});
    for good in [now().plus(minutes(14)), now(), now().minus(minutes(74))] {
        assert_eq!(cast(&node, "tv", &body(good)).status, 201, "{good}");
    }
    for bad in [now().plus(minutes(16)), now().minus(minutes(76)), Timestamp::from_micros(0)] {
        let problem = cast(&node, "tv", &body(bad)).problem(422, "ballot-id-out-of-time");
        let server_time: Timestamp = problem["server_time"].as_str().unwrap().parse().unwrap();
        assert!(now().since(server_time).as_secs() < 10);
    }
}

#[test]
fn a_contest_opens_and_closes_by_itself() {
    let (_folder, node) = fresh();
    let second = std::time::Duration::from_secs(1);
    let opens_at = now().plus(second).floor_to_millis();
    let closes_at = opens_at.plus(2 * second);
    let hours = json!({"opens_at": opens_at.to_string(), "closes_at": closes_at.to_string()});
    node.contest("tv", hours);
    let mut acknowledged = 0;
    let mut refused = [0, 0];
    while now() < closes_at.plus(second / 4) {
        let reply = cast(&node, "tv", &json!({"choice": "a"}));
        if reply.status == 201 {
            let recorded_at = reply.json()["recorded_at"].as_str().unwrap().parse().unwrap();
            assert!(opens_at <= recorded_at && recorded_at < closes_at);
            acknowledged += 1;
        } else {
            reply.problem(409, "not-open");
            refused[usize::from(acknowledged > 0)] += 1;
        }
    }
    assert!(acknowledged > 0 && refused[0] > 0 && refused[1] > 0, "{acknowledged} {refused:?}");
    let counts = node.counts_when("tv", |counts| counts["status"] == "final");
    assert_eq!(counts["total"], acknowledged);
    assert_eq!(counts["closed_at"], closes_at.to_string());
}

#[test]
fn behind_a_proxy_that_ends_tls_the_device_is_kept_for_secure_connections() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start(&data, &["--trusted-proxies", "127.0.0.0/8"]);
    node.contest("tv", json!({}));
    let set = |scheme: &str| {
        let request = node.request("POST", "/v1/contests/tv/ballots");
        let request = request.header("X-Forwarded-Proto", scheme);
        let reply = request.json(&json!({"choice": "a"})).send();
        reply.header("set-cookie").unwrap().to_owned()
    };
    assert!(set("https").contains("; Secure"));
    assert!(!set("http").contains("Secure"));
}

#[test]
fn a_ballot_may_be_named_in_a_header_and_by_no_other_name() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let (one, two) = (ballot_id(now(), 1), ballot_id(now(), 2));
    let cast = |header: &str, body: Value| {
        node.request("POST", "/v1/contests/tv/ballots")
            .header("Ballot-Id", header)
            .json(&body)
            .send()
    };
    let reply = cast(&one.to_uppercase(), json!({"ballot_id": one, "choice": "a"}));
    assert_eq!((reply.status, &reply.json()["ballot_id"]), (201, &json!(one)));
    // Whoever passes it on may send it twice: so it is the ballot's name, if the body has none.
    for _ in 0..2 {
        let reply = cast(&two, json!({"choice": "a"}));
        assert_eq!((reply.status, &reply.json()["ballot_id"]), (201, &json!(two)));
    }
    let other = cast(&one, json!({"ballot_id": two, "choice": "a"}));
    assert_eq!(other.problem(422, "invalid-member")["field"], "ballot_id");
    cast("x", json!({"choice": "a"})).problem(422, "invalid-ballot-id");
    assert_eq!(node.counts_now("tv")["total"], 2);
}
