//! The small document that open pages ask for again and again.

use serde_json::{Value, json};

use crate::{
    client::Reply,
    node::{Node, definition, fresh},
};

fn state(node: &Node, slug: &str) -> Value {
    let reply = node.get(&format!("/v1/contests/{slug}/state"));
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.body.len() <= 1_024 && !reply.headers.is_empty());
    reply.json()
}

#[test]
fn a_page_learns_of_every_change_by_a_small_document() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"results": "after_close", "opens_at": null}));
    node.get("/v1/contests/tv/state").problem(404, "no-such-contest");
    node.get("/v1/contests/nobody/state").problem(404, "no-such-contest");
    let opens_at = "2030-01-01T00:00:00Z";
    let put = |more| {
        let reply = node.admin("PUT", "/tv").json(&definition(more)).send();
        assert_eq!(reply.status, 200, "{reply:?}");
    };
    put(json!({"results": "after_close", "opens_at": opens_at}));
    let draft = state(&node, "tv");
    let edition = node.admin("GET", "/tv").send().json()["edition"].clone();
    let definition_text = draft["definition"].as_str().unwrap();
    assert_eq!(
        draft,
        json!({"contest": "tv", "edition": edition, "status": "draft", "opens_at": opens_at,
            "closes_at": null, "results": "after_close", "shown": false, "final": false,
            "definition": definition_text})
    );
    // What makes no difference to a page is no change.
    put(json!({"results": "after_close", "opens_at": opens_at, "listed": false, "shards": 4}));
    assert_eq!(state(&node, "tv"), draft);
    let mut known = vec![draft];
    let mut is_new = |what: &str| {
        let now = state(&node, "tv");
        assert!(!known.iter().any(|before| before["definition"] == now["definition"]), "{what}");
        known.push(now.clone());
        now
    };
    let kept = json!({"results": "after_close", "opens_at": opens_at, "title": "Another"});
    put(kept.clone());
    is_new("a title");
    let mut choices = kept;
    choices["choices"] =
        json!([{"choice": "a", "title": "A", "text": "x"}, {"choice": "b", "title": "B"}]);
    put(choices.clone());
    is_new("a text");
    choices["embed_origins"] = json!(["https://news.example"]);
    put(choices.clone());
    is_new("who may frame it");
    node.admin("POST", "/tv/open").send();
    assert_eq!(is_new("open")["status"], "open");
    node.admin("POST", "/tv/close").send();
    assert!(is_new("its end")["closes_at"].is_string());
    node.counts_when("tv", |counts| counts["status"] == "final");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while state(&node, "tv")["final"] != true {
        assert!(std::time::Instant::now() < deadline, "never final");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let closed = state(&node, "tv");
    assert_eq!((&closed["status"], &closed["shown"]), (&json!("closed"), &json!(true)));
    choices["results"] = json!("hidden");
    choices["opens_at"] = Value::Null;
    put(choices);
    assert_eq!(state(&node, "tv")["shown"], false);
}

#[test]
fn it_is_kept_by_caches_for_seconds_and_read_by_any_page() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let reply = node.get("/v1/contests/tv/state");
    let check = |reply: &Reply| {
        assert_eq!(reply.header("cache-control"), Some("public, max-age=2"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert_eq!((reply.header("vary"), reply.header("set-cookie")), (None, None));
    };
    check(&reply);
    let etag = reply.header("etag").unwrap();
    assert!(etag.starts_with('"'), "a strong one: {etag}");
    let again = node.request("GET", "/v1/contests/tv/state").header("If-None-Match", etag).send();
    assert_eq!((again.status, again.body.len()), (304, 0));
    check(&again);
    let missing = node.get("/v1/contests/nobody/state");
    assert_eq!(missing.header("access-control-allow-origin"), Some("*"));
    // An end that is known is not slept through.
    let soon = crate::node::now().plus(std::time::Duration::from_millis(1_500)).to_string();
    node.contest("soon", json!({"closes_at": soon}));
    let kept = node.get("/v1/contests/soon/state");
    assert!(
        ["public, max-age=1", "public, max-age=0"].contains(&kept.header("cache-control").unwrap())
    );
}
