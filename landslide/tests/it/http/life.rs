//! A contest's life beyond the plain one: what is deleted, taken back, corrected, and told apart.

use std::time::Duration;

use ballot::Timestamp;
use serde_json::{Value, json};

use crate::node::{Node, definition, fresh, now};

fn vote(node: &Node, slug: &str, choice: &str) -> crate::client::Reply {
    let path = format!("/v1/contests/{slug}/ballots");
    node.request("POST", &path).json(&json!({ "choice": choice })).send()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

fn acts(node: &Node, slug: &str) -> Vec<Value> {
    let audit = node.admin("GET", &format!("/{slug}/audit")).send().json();
    audit["entries"].as_array().unwrap().clone()
}

#[test]
fn another_contest_of_the_same_name_has_another_edition() {
    let (_folder, node) = fresh();
    let draft = definition(json!({"opens_at": "2030-01-01T00:00:00Z"}));
    let edition_of = |reply: &crate::client::Reply| {
        let edition = reply.json()["edition"].as_str().unwrap().to_owned();
        let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        assert!(edition.len() == 16 && edition.chars().all(is_hex), "{edition}");
        edition
    };
    let made = node.admin("PUT", "/tv").json(&draft).send();
    let edition = edition_of(&made);
    for path in ["/v1/contests/tv", "/v1/contests/tv/state"] {
        assert_eq!(node.get(path).json()["edition"], edition);
    }
    // What is read can be put back; the edition can be left out, and not be set.
    let put = |slug: &str, more: Value| node.admin("PUT", slug).json(&definition(more)).send();
    assert_eq!(edition_of(&node.admin("PUT", "/tv").json(&made.json()).send()), edition);
    assert_eq!(edition_of(&node.admin("PUT", "/tv").json(&draft).send()), edition);
    for (slug, value) in
        [("/tv", json!("0123456789abcdef")), ("/new", json!(edition)), ("/tv", json!(1))]
    {
        let problem = put(slug, json!({"edition": value})).problem(422, "invalid-definition");
        assert_eq!(problem["field"], "edition");
    }
    node.admin("POST", "/tv/channels").json(&json!({"channel": "sms"})).send();
    assert_eq!(node.admin("DELETE", "/tv").send().status, 204);
    node.admin("GET", "/tv").send().problem(404, "no-such-contest");
    node.get("/v1/contests/tv").problem(404, "no-such-contest");
    let again = node.admin("PUT", "/tv").json(&draft).send();
    assert_eq!(again.status, 201);
    assert_ne!(edition_of(&again), edition);
    let listed = node.admin("GET", "").send().json();
    assert_eq!(listed["contests"][0]["channels"], json!([]), "another contest's channels");
    let done: Vec<_> = acts(&node, "tv").iter().map(|act| act["what"].clone()).collect();
    assert!(done.contains(&json!("contest deleted")), "{done:?}");
}

#[test]
fn only_a_draft_is_deleted() {
    let (_folder, node) = fresh();
    node.admin("DELETE", "/nobody").send().problem(404, "no-such-contest");
    node.admin("DELETE", "/No-Name").send().problem(404, "no-such-contest");
    node.contest("open", json!({}));
    node.admin("DELETE", "/open").send().problem(409, "frozen");
    // It opens before a node could know that it is gone.
    let soon = now().plus(Duration::from_millis(100)).to_string();
    node.contest("soon", json!({ "opens_at": soon }));
    node.admin("DELETE", "/soon").send().problem(409, "frozen");
    node.contest("draft", json!({"opens_at": null}));
    assert_eq!(node.admin("DELETE", "/draft").send().status, 204);
    node.admin("DELETE", "/draft").send().problem(404, "no-such-contest");
    let early = vote(&node, "draft", "a");
    early.problem(404, "no-such-contest");
    assert_eq!(vote(&node, "open", "a").status, 201);
}

#[test]
fn a_close_is_as_far_ahead_as_asked_and_can_be_taken_back() {
    let (_folder, node) = fresh();
    let end = now().plus(Duration::from_secs(3_600)).to_string();
    node.contest("tv", json!({ "closes_at": end }));
    node.admin("POST", "/tv/close/cancel").send().problem(409, "frozen");
    let before = now();
    let close = |body: Value| node.admin("POST", "/tv/close").json(&body).send();
    let closing = close(json!({"in": "20s"})).json();
    let closes_at = time(&closing["closes_at"]);
    let asked = Duration::from_secs(20);
    assert!(closes_at >= before.plus(asked) && closes_at <= now().plus(asked));
    assert_eq!(close(json!({"in": "1s"})).json(), closing, "a second one moves nothing");
    assert_eq!(node.admin("POST", "/tv/close").send().json(), closing, "however it comes");
    let live = node.admin("GET", "/tv/live").send().json();
    assert_eq!(live["cancel_until"], closing["closes_at"], "one process knows at once");
    // What is read and put back is no other close.
    assert_eq!(node.admin("PUT", "/tv").json(&closing).send().json(), closing);
    let open = node.admin("POST", "/tv/close/cancel").send();
    assert_eq!((open.status, &open.json()["closes_at"]), (200, &json!(end)));
    node.admin("POST", "/tv/close/cancel").send().problem(409, "frozen");
    assert_eq!(node.admin("GET", "/tv/live").send().json()["cancel_until"], Value::Null);
    assert_eq!(vote(&node, "tv", "a").status, 201);

    let acts = acts(&node, "tv");
    let what: Vec<_> = acts.iter().map(|act| act["what"].as_str().unwrap()).collect();
    assert!(what.contains(&"contest closed") && what.contains(&"close taken back"), "{what:?}");
    let back = acts.iter().find(|act| act["what"] == "close taken back").unwrap();
    assert_eq!(back["before"], json!({"closes_at": closing["closes_at"]}));
    assert_eq!(back["after"], json!({ "closes_at": end }));

    // Less than the margin is the margin; and what has closed stays closed.
    let closed = close(json!({"in": "0s"})).json();
    let closes_at = time(&closed["closes_at"]);
    assert!(closes_at > now().minus(Duration::from_secs(1)) && closes_at < now().plus(asked));
    while now() <= closes_at {
        std::thread::sleep(Duration::from_millis(10));
    }
    node.admin("POST", "/tv/close/cancel").send().problem(409, "frozen");
    node.counts_when("tv", |counts| counts["status"] == "final");
    node.admin("POST", "/tv/close/cancel").send().problem(409, "frozen");
    assert_eq!(node.admin("GET", "/tv/live").send().json()["cancel_until"], Value::Null);
}

#[test]
fn a_close_that_makes_no_sense_is_refused() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let close = || node.admin("POST", "/tv/close");
    for wrong in ["", "10", "-1s", "soon", "25h", "1d", "99999999999999999999h"] {
        let problem = close().json(&json!({ "in": wrong })).send().problem(422, "invalid-member");
        assert_eq!(problem["field"], "in", "{wrong}");
    }
    for wrong in [json!({"in": 10}), json!({"after": "10s"}), json!([]), json!("10s")] {
        close().json(&wrong).send().problem(422, "invalid-member");
    }
    close().body("application/json", "{").send().problem(400, "unreadable");
    close().body("text/plain", "10s").send().problem(415, "unsupported-media-type");
    close().body("application/json", "x".repeat(5_000)).send().problem(413, "too-large");
    assert_eq!(node.admin("GET", "/tv").send().json()["closes_at"], Value::Null);
    let closed = close().json(&json!({"in": null})).send();
    assert_eq!(closed.status, 200);
    assert_eq!(close().json(&Value::Null).send().json(), closed.json());
    assert!(closed.json()["closes_at"].is_string());
}

#[test]
fn titles_that_cannot_be_told_apart_are_refused_by_their_line() {
    let (_folder, node) = fresh();
    let put = |choices: Value| {
        node.admin("PUT", "/tv").json(&definition(json!({ "choices": choices }))).send()
    };
    let three = |second: &str, third: &str| {
        json!([{"choice": "a", "title": "The Wire"}, {"choice": "b", "title": second},
            {"choice": "c", "title": third}])
    };
    for (second, third, field) in [
        ("B", "The Wire", "choices[2].title"),
        ("the  WIRE ", "C", "choices[1].title"),
        ("Cafe\u{301}", "CAFÉ", "choices[2].title"),
        ("B", "The Wi\u{200b}re", "choices[2].title"),
        ("\u{200b}", "C", "choices[1].title"),
        ("B", "\u{2800}\u{3164}", "choices[2].title"),
        ("\u{feff}", "C", "choices[1].title"),
    ] {
        let problem = put(three(second, third)).problem(422, "invalid-definition");
        assert_eq!(problem["field"], field, "{second:?} and {third:?}");
    }
    let with_text = |text: Value| {
        put(json!([{"choice": "a", "title": "A", "text": text}, {"choice": "b", "title": "B"}]))
    };
    for wrong in
        [json!("\u{2800}"), json!("x".repeat(201)), json!("1\n2\n3"), json!("\u{7}"), json!(1)]
    {
        let problem = with_text(wrong).problem(422, "invalid-definition");
        assert_eq!(problem["field"], "choices[0].text");
    }
    let unseen = definition(json!({"title": "\u{200f}\u{feff}"}));
    let problem = node.admin("PUT", "/tv").json(&unseen).send().problem(422, "invalid-definition");
    assert_eq!(problem["field"], "title");
    assert_eq!(with_text(json!("Baltimore,\n2002")).status, 201);
    assert_eq!(node.get("/v1/contests/tv").json()["choices"][0]["text"], "Baltimore,\n2002");
}

#[test]
fn a_title_is_corrected_while_votes_are_taken_and_after() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    assert_eq!(vote(&node, "tv", "b").status, 201);
    node.counts_now("tv");
    let title_of = |what: &Value| what["choices"][1]["title"].clone();
    let correct = |title: &str, more: Value| {
        let mut corrected = definition(more);
        corrected["choices"][1] =
            json!({"choice": "b", "title": title, "text": "x", "picture": "/b.png"});
        node.admin("PUT", "/tv").json(&corrected).send()
    };
    assert_eq!(correct("Bee", json!({})).status, 200);
    assert_eq!(title_of(&node.get("/v1/contests/tv").json()), "Bee");
    assert_eq!(title_of(&node.get("/v1/contests/tv/results").json()), "Bee");
    assert_eq!(title_of(&node.counts("tv")), "Bee");
    let entry = acts(&node, "tv").pop().unwrap();
    assert_eq!(entry["before"], json!({"choices": [{"choice": "b", "title": "B"}]}));
    let after =
        json!({"choices": [{"choice": "b", "title": "Bee", "text": "x", "picture": "/b.png"}]});
    assert_eq!(entry["after"], after);
    // Which choices there are, and in which order, is what was voted on.
    let mut order = definition(json!({}));
    order["choices"] = json!([{"choice": "b", "title": "Bee"}, {"choice": "a", "title": "A"}, {"choice": "c", "title": "C"}]);
    let frozen = node.admin("PUT", "/tv").json(&order).send().problem(409, "frozen");
    assert_eq!(frozen["field"], "choices");

    node.admin("POST", "/tv/close").send();
    node.counts_when("tv", |counts| counts["status"] == "final");
    assert_eq!(node.admin("POST", "/tv/certify").send().status, 200);
    assert_eq!(correct("Beh", json!({})).status, 200);
    let results = node.get("/v1/contests/tv/results").json();
    assert_eq!((title_of(&results), &results["status"]), (json!("Beh"), &json!("certified")));
    assert_eq!(results["choices"][1]["votes"], 1);
    let page = String::from_utf8(node.get("/c/tv/results").body).unwrap();
    assert!(page.contains("Beh") && !page.contains("Bee"), "{page}");
}

#[test]
fn under_the_policy_one_a_receipt_says_which_ballot_counts() {
    let (_folder, node) = fresh();
    node.contest("one", json!({}));
    node.contest("latest", json!({"policy": "latest"}));
    let ballot =
        json!({"ballot_id": ballot::BallotId::new(now(), [7; 10]).to_string(), "choice": "a"});
    for _ in 0..2 {
        let path = "/v1/contests/one/ballots";
        let receipt = node.request("POST", path).json(&ballot).send();
        assert_eq!((receipt.status, &receipt.json()["counts"]), (201, &json!("first")));
    }
    assert_eq!(vote(&node, "latest", "a").json().get("counts"), None);
}
