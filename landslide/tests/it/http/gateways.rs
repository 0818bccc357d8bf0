//! Ballots in bulk.

use ballot::BallotId;
use serde_json::{Value, json};

use crate::{
    client::Reply,
    node::{Node, fresh},
};

fn key(node: &Node, contest: &str, channel: &str) -> String {
    let path = format!("/{contest}/channels");
    let reply = node.admin("POST", &path).json(&json!({"channel": channel})).send();
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.json()["channel"], channel);
    reply.json()["key"].as_str().unwrap().to_owned()
}

fn line(n: u32, choice: &str) -> Value {
    let mut random = [0; 10];
    random[6..].copy_from_slice(&n.to_be_bytes());
    let id = BallotId::new(crate::node::now(), random);
    json!({"ballot_id": id.to_string(), "voter": format!("+41{n}"), "choice": choice, "channel": "sms"})
}

fn send(node: &Node, key: &str, body: &str) -> Reply {
    node.request("POST", "/v1/contests/tv/batches")
        .header("Authorization", &format!("Bearer {key}"))
        .body("application/x-ndjson", body)
        .send()
}

#[test]
fn a_batch_is_recorded_once_and_its_bad_lines_are_named() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let sms = key(&node, "tv", "sms");
    let bad = |name: &str, value: Value| {
        let mut line = line(99, "a");
        line[name] = value;
        line.to_string()
    };
    let lines = [
        line(1, "a").to_string(),
        String::new(),
        line(2, "b").to_string(),
        "{".into(),
        bad("choice", json!("x")),
        bad("channel", json!("tv")),
        bad("voter", json!("v".repeat(129))),
        bad("voter", Value::Null),
        bad("ballot_id", json!("x")),
        "  \r".into(),
        line(1, "c").to_string(),
    ];
    let body = lines.join("\n");
    let first = send(&node, &sms, &body).json();
    assert_eq!(first["recorded"], 3);
    let rejected = first["rejected"].as_array().unwrap();
    let rejected: Vec<_> =
        rejected.iter().map(|r| (r["line"].as_u64().unwrap(), &r["type"])).collect();
    let kind = |name: &str| json!(format!("urn:landslide:problem:{name}"));
    assert_eq!(
        rejected,
        [
            (4, &kind("unreadable")),
            (5, &kind("unknown-choice")),
            (6, &kind("wrong-channel")),
            (7, &kind("invalid-member")),
            (8, &kind("invalid-member")),
            (9, &kind("invalid-ballot-id")),
        ]
    );
    assert_eq!(send(&node, &sms, &body).json(), first, "the same body again");
    let row = node.counts_now("tv");
    assert_eq!(row["channels"], json!({"web": 0, "sms": 2}));
    assert_eq!((&row["total"], &row["ballots"]["recorded"]), (&json!(2), &json!(6)));
    assert_eq!(send(&node, &sms, "{}\n[]").json()["recorded"], 0, "all rejected is still 200");
}

#[test]
fn a_key_admits_to_its_contest_until_it_is_replaced() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    node.contest("other", json!({}));
    let old = key(&node, "tv", "sms");
    let other = key(&node, "other", "sms");
    for wrong in ["", "x", &other, crate::node::TOKEN] {
        send(&node, wrong, "{}").problem(401, "unauthorized");
    }
    assert_eq!(send(&node, &old, &line(1, "a").to_string()).json()["recorded"], 1);
    let new = key(&node, "tv", "sms");
    send(&node, &old, "{}").problem(401, "unauthorized");
    assert_eq!(send(&node, &new, &line(2, "a").to_string()).json()["recorded"], 1);
    let make = |body: Value| node.admin("POST", "/tv/channels").json(&body).send();
    for bad in
        [json!({"channel": "web"}), json!({"channel": "S M S"}), json!({"channel": 5}), json!({})]
    {
        make(bad).problem(422, "invalid-member");
    }
    for n in 1..63 {
        key(&node, "tv", &format!("c{n}"));
    }
    make(json!({"channel": "one-too-many"})).problem(422, "invalid-definition");
}

#[test]
fn limits_and_order() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"policy": "unlimited"}));
    let sms = key(&node, "tv", "sms");
    let many: Vec<_> = (0..10_000).map(|n| line(n, "b").to_string()).collect();
    assert_eq!(send(&node, &sms, &many.join("\n\n")).json()["recorded"], 10_000);
    let too_many = format!("{}\n{}", many.join("\n"), line(1, "a"));
    send(&node, &sms, &too_many).problem(413, "too-large");
    send(&node, &sms, &"x".repeat(8 * 1_024 * 1_024 + 1)).problem(413, "too-large");
    let path = "/v1/contests/tv/batches";
    let request = node.request("POST", path).header("Authorization", &format!("Bearer {sms}"));
    request.clone().json(&json!({})).send().problem(415, "unsupported-media-type");
    node.get(path).problem(405, "method-not-allowed");
    node.request("POST", "/v1/contests/x/batches").send().problem(404, "no-such-contest");
    assert_eq!(node.counts_now("tv")["total"], 10_000);
    assert_eq!(node.admin("POST", "/tv/close").send().status, 200);
    std::thread::sleep(std::time::Duration::from_millis(500));
    send(&node, &sms, &many[0]).problem(409, "not-open");
}

#[test]
fn a_key_is_good_for_what_was_said() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let made = |more: Value| {
        let mut body = json!({"channel": "sms"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        node.admin("POST", "/tv/channels").json(&body).send()
    };
    let key = |more: Value| made(more).json()["key"].as_str().unwrap().to_owned();
    let body = |n: u32| (0..n).map(|n| line(n, "a").to_string() + "\n").collect::<String>();

    let elsewhere = key(json!({"networks": ["198.51.100.0/24", "2001:db8::1"]}));
    send(&node, &elsewhere, &body(1)).problem(403, "wrong-network");
    let here = key(json!({"networks": ["198.51.100.0/24", "127.0.0.1"]}));
    assert_eq!(send(&node, &here, &body(1)).status, 200);

    let slow = key(json!({"ballots_per_second": 5}));
    let refused = send(&node, &slow, &body(6));
    refused.problem(429, "too-many-requests");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(send(&node, &slow, &body(5)).status, 200);
    assert_eq!(send(&node, &slow, &body(5)).status, 429);

    let soon = (crate::node::now().plus(std::time::Duration::from_millis(700))).to_string();
    let short = key(json!({"expires_at": soon}));
    assert_eq!(send(&node, &short, &body(1)).status, 200);
    std::thread::sleep(std::time::Duration::from_millis(800));
    send(&node, &short, &body(1)).problem(401, "unauthorized");

    // Made anew with nothing said, nothing is left of it.
    assert_eq!(send(&node, &key(json!({})), &body(50)).status, 200);

    for (field, more) in [
        ("networks[1]", json!({"networks": ["127.0.0.1", "here"]})),
        ("networks", json!({"networks": vec!["10.0.0.0/8"; 65]})),
        ("ballots_per_second", json!({"ballots_per_second": 0})),
        ("expires_at", json!({"expires_at": "2026-01-01T00:00:00Z"})),
        ("expires_at", json!({"expires_at": "tomorrow"})),
    ] {
        let refused = made(more);
        assert_eq!(refused.status, 422, "{refused:?}");
        assert_eq!(refused.json()["field"], field);
    }
}

#[test]
fn an_empty_voter_is_nobody_and_a_byte_order_mark_is_no_line() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let sms = key(&node, "tv", "sms");
    let of = |n: u32, voter: &str| {
        let mut line = line(n, "a");
        line["voter"] = json!(voter);
        line.to_string()
    };
    let body =
        format!("\u{feff}{}\n{}\n{}\n{}", of(1, "one"), of(2, ""), of(3, " \t"), of(4, "two"));
    let reply = send(&node, &sms, &body).json();
    assert_eq!(reply["recorded"], 2, "{reply}");
    let lines: Vec<_> =
        reply["rejected"].as_array().unwrap().iter().map(|line| line["line"].as_u64()).collect();
    assert_eq!(lines, [Some(2), Some(3)]);
}
