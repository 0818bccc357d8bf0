//! What administrators do.

use std::{path::Path, time::Duration};

use ballot::Timestamp;
use serde_json::{Value, json};
use store::{ControlStore, EmbeddedSettings, EmbeddedStore, Version};

use crate::node::{Node, TOKEN, definition, fresh};

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn only_the_token_admits() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let calls = [
        ("GET", "/v1/admin/contests"),
        ("GET", "/v1/admin/contests/tv"),
        ("PUT", "/v1/admin/contests/tv"),
        ("GET", "/v1/admin/contests/tv/counts"),
        ("POST", "/v1/admin/contests/tv/open"),
        ("POST", "/v1/admin/contests/tv/close"),
        ("POST", "/v1/admin/contests/tv/close/cancel"),
        ("DELETE", "/v1/admin/contests/tv"),
        ("DELETE", "/v1/admin/contests/nobody"),
        ("POST", "/v1/admin/contests/tv/certify"),
        ("POST", "/v1/admin/contests/tv/channels"),
        ("GET", "/v1/admin/contests/nobody"),
    ];
    for (method, path) in calls {
        let long = format!("Bearer {TOKEN}x");
        let basic = format!("Basic {TOKEN}");
        for token in [None, Some(""), Some("Bearer"), Some("Bearer "), Some(&*long), Some(&*basic)]
        {
            let request = node.request(method, path);
            let request =
                token.into_iter().fold(request, |r, token| r.header("Authorization", token));
            let reply = request.send();
            reply.problem(401, "unauthorized");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
    }
    node.admin("GET", "/nobody").send().problem(404, "no-such-contest");
}

#[test]
fn a_token_may_have_any_letters() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("LANDSLIDE_ADMIN_TOKEN", "ein langer schlüssel مفتاح")];
    let node = Node::start_with(&folder.path().join("data"), &[], &variables);
    let list = |token: &str| {
        let request = node.request("GET", "/v1/admin/contests");
        request.header("Authorization", &format!("Bearer {token}")).send()
    };
    assert_eq!(list("ein langer schlüssel مفتاح").status, 200);
    list("ein langer schlussel").problem(401, "unauthorized");
}

#[test]
fn a_contest_is_created_changed_and_guarded_by_its_etag() {
    let (_folder, node) = fresh();
    let draft = definition(json!({"opens_at": null, "closes_at": null}));
    let created = node.admin("PUT", "/tv").json(&draft).send();
    assert_eq!(created.status, 201);
    let etag = created.header("etag").unwrap().to_owned();
    let read = node.admin("GET", "/tv").send();
    assert_eq!((read.header("etag"), read.json()), (Some(etag.as_str()), created.json()));
    // What is read can be put back.
    let put = |body: &Value, if_match: &str| {
        node.admin("PUT", "/tv").header("If-Match", if_match).json(body).send()
    };
    let same = put(&read.json(), &etag);
    assert_eq!(same.status, 200);
    let newer = same.header("etag").unwrap().to_owned();
    assert_ne!(newer, etag);
    put(&draft, &etag).problem(412, "stale");
    put(&draft, "\"nonsense\"").problem(412, "stale");
    assert_eq!(put(&draft, &newer).status, 200);
    assert_eq!(put(&draft, "*").status, 200);
    let only_new = node.admin("PUT", "/tv").header("If-None-Match", "*").json(&draft).send();
    only_new.problem(412, "stale");
    // A proxy that packs replies makes their tags weak: the same version all the same.
    let weak = format!("W/{}", node.admin("GET", "/tv").send().header("etag").unwrap());
    let only_another = node.admin("PUT", "/tv").header("If-None-Match", &weak).json(&draft).send();
    only_another.problem(412, "stale");
    put(&draft, &weak).problem(412, "stale");
    node.admin("PUT", "/new").header("If-Match", "*").json(&draft).send().problem(412, "stale");
    let toml = "title = 'T'\n[[choices]]\nchoice = 'a'\ntitle = 'A'\n[[choices]]\nchoice = 'b'\ntitle = 'B'";
    assert_eq!(node.admin("PUT", "/toml").body("application/toml", toml).send().status, 201);
    for same in ["Application/TOML", "application/toml; charset=utf-8", "application/toml ;x"] {
        assert_eq!(node.admin("PUT", "/toml").body(same, toml).send().status, 200, "{same}");
    }
    let listed = node.admin("GET", "").send().json();
    let listed: Vec<_> = listed["contests"].as_array().unwrap().iter().collect();
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0]["contest"], &listed[0]["status"]), (&json!("toml"), &json!("draft")));
}

#[test]
fn bad_definitions_are_refused_by_field() {
    let (_folder, node) = fresh();
    let put = |slug: &str, content_type: &str, body: &str| {
        node.admin("PUT", &format!("/{slug}")).body(content_type, body).send()
    };
    let good = definition(json!({})).to_string();
    for slug in ["-a", "A", "a.b", &"a".repeat(65), "%20"] {
        let problem = put(slug, "application/json", &good).problem(422, "invalid-definition");
        assert_eq!(problem["field"], "contest", "{slug}");
    }
    put("tv", "text/plain", &good).problem(415, "unsupported-media-type");
    put("tv", "application/json", "{").problem(400, "unreadable");
    put("tv", "application/toml", "= 1").problem(400, "unreadable");
    put("tv", "application/json", &"[".repeat(100_000)).problem(400, "unreadable");
    for (more, field) in [
        (json!({"colour": 1}), "colour"),
        (json!({"title": ""}), "title"),
        (json!({"policy": {"up_to": 0}}), "policy.up_to"),
        (json!({"admission": "ticket"}), "admission"),
        (json!({"closes_at": "2025-01-01T00:00:00Z"}), "closes_at"),
        (json!({"choices": []}), "choices"),
        (json!({"shards": "many"}), "shards"),
    ] {
        let reply = put("tv", "application/json", &definition(more).to_string());
        assert_eq!(reply.problem(422, "invalid-definition")["field"], field);
    }
    let mut twice = good.clone();
    twice.insert_str(twice.len() - 1, r#","title":"Another""#);
    for twice in [twice, good.replacen(r#""choice":"a""#, r#""choice":"z","choice":"a""#, 1)] {
        let problem = put("tv", "application/json", &twice).problem(422, "invalid-definition");
        assert_eq!(problem["field"], "definition", "{problem}");
    }
    let titles: Vec<_> =
        (0..1_000).map(|n| json!({"choice": format!("c{n}"), "title": long_title(n)})).collect();
    let largest = definition(json!({"choices": &titles})).to_string();
    assert_eq!(put("large", "application/json", &largest).status, 201, "1,000 long titles");
    // Each member is within its limit, and together they are more than a store takes.
    let picture = format!("https://pictures.example/{}", "x".repeat(225));
    let with_pictures: Vec<_> = titles
        .iter()
        .map(|choice| json!({"choice": choice["choice"], "title": choice["title"], "picture": picture}))
        .collect();
    let together = definition(json!({"choices": with_pictures})).to_string();
    let problem = put("tv", "application/json", &together).problem(422, "invalid-definition");
    assert_eq!(problem["field"], "definition");
    let too_large = "x".repeat(2 * 1_024 * 1_024 + 1);
    put("tv", "application/json", &too_large).problem(413, "too-large");
}

/// As many bytes as a title can have, or nearly.
fn long_title(n: usize) -> String {
    format!("{n:04}{}", "🎬".repeat(196))
}

#[test]
fn an_open_contest_changes_little_and_a_closed_one_stays_closed() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"opens_at": null}));
    let put = |more: Value| node.admin("PUT", "/tv").json(&definition(more)).send();
    node.admin("POST", "/tv/close").send().problem(409, "frozen");
    node.admin("POST", "/tv/certify").send().problem(409, "not-final");
    assert_eq!(put(json!({"opens_at": null, "shards": 4})).status, 200, "a draft changes freely");

    let opened = node.admin("POST", "/tv/open").send().json();
    assert_eq!(node.admin("POST", "/tv/open").send().json(), opened, "idempotent");
    let without_hours = json!({"opens_at": null, "shards": 4, "title": "Changed"});
    let changed = put(without_hours).json();
    assert_eq!((&changed["opens_at"], &changed["title"]), (&opened["opens_at"], &json!("Changed")));
    for (field, value) in [
        ("opens_at", json!("2026-01-01T00:00:00Z")),
        ("policy", json!("latest")),
        ("shards", json!(5)),
        ("choices", json!([{"choice": "a", "title": "A"}, {"choice": "b", "title": "B"}])),
        ("closes_at", json!("2026-01-01T00:00:00Z")),
        ("public_from", json!("2026-01-01T00:00:00Z")),
        ("order", json!("drawn")),
    ] {
        let mut more = json!({"opens_at": opened["opens_at"], "shards": 4});
        more[field] = value;
        let reply = put(more);
        // Hours out of order are wrong whatever the contest's life says.
        assert!([409, 422].contains(&reply.status), "{field}: {reply:?}");
        assert_eq!(reply.json()["field"], field);
    }
    let later = crate::node::now().plus(Duration::from_secs(3_600)).to_string();
    let with_end = json!({"opens_at": null, "shards": 4, "closes_at": later});
    assert_eq!(put(with_end).status, 200);

    let before = crate::node::now();
    let closed = node.admin("POST", "/tv/close").send().json();
    let closes_at = time(&closed["closes_at"]);
    assert!(closes_at > before && closes_at < before.plus(Duration::from_secs(5)));
    assert_eq!(node.admin("POST", "/tv/close").send().json(), closed, "moves nothing");
    while crate::node::now() <= closes_at {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(node.admin("POST", "/tv/close").send().json(), closed, "moves nothing");
    node.admin("POST", "/tv/open").send().problem(409, "frozen");
    let reopen = json!({"opens_at": null, "shards": 4, "closes_at": later});
    assert_eq!(put(reopen).problem(409, "frozen")["field"], "closes_at");
    let left = put(json!({"opens_at": null, "shards": 4, "results": "hidden"}));
    assert_eq!((left.status, &left.json()["closes_at"]), (200, &closed["closes_at"]));
}

#[test]
fn a_count_becomes_final_and_is_certified_once() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    node.admin("GET", "/soon/counts").send().problem(404, "no-such-contest");
    for _ in 0..5 {
        let ballot = json!({"choice": "c"});
        assert_eq!(
            node.request("POST", "/v1/contests/tv/ballots").json(&ballot).send().status,
            201
        );
    }
    node.counts_now("tv");
    node.admin("POST", "/tv/certify").send().problem(409, "not-final");
    let closed = node.admin("POST", "/tv/close").send().json();
    let row = node.counts_when("tv", |counts| counts["status"] == "final");
    assert_eq!((&row["total"], &row["closed_at"]), (&json!(5), &closed["closes_at"]));
    assert!(row["batch_set"]["batches"].as_u64().unwrap() >= 1);
    let certified = node.admin("POST", "/tv/certify").send();
    assert_eq!(certified.json()["status"], "certified");
    assert_eq!(node.admin("POST", "/tv/certify").send().json(), certified.json());
    assert_eq!(node.counts("tv"), certified.json());
    assert_eq!(node.get("/v1/contests/tv/results").json()["status"], "certified");
}

#[test]
fn nothing_acknowledged_is_late_when_a_contest_is_closed_by_hand() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let cast_until_closed = || {
        let mut acknowledged = 0;
        loop {
            let ballot = json!({"choice": "a"});
            let reply = node.request("POST", "/v1/contests/tv/ballots").json(&ballot).send();
            match reply.status {
                201 => acknowledged += 1,
                409 => break acknowledged,
                _ => panic!("{reply:?}"),
            }
            assert!(!stop.load(std::sync::atomic::Ordering::Relaxed), "it never closed");
        }
    };
    let acknowledged: u64 = std::thread::scope(|scope| {
        let voters: Vec<_> = (0..4).map(|_| scope.spawn(cast_until_closed)).collect();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(node.admin("POST", "/tv/close").send().status, 200);
        std::thread::sleep(Duration::from_millis(1_500));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        voters.into_iter().map(|voter| voter.join().unwrap()).sum()
    });
    let row = node.counts_when("tv", |counts| counts["status"] == "final");
    assert_eq!((&row["total"], &row["ballots"]["late"]), (&json!(acknowledged), &json!(0)));
}

#[test]
fn an_administrator_is_told_why_a_contest_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    damage(&data, "broken");
    let node = Node::start(&data, &[]);
    node.contest("whole", json!({}));
    let told = "This contest's documents cannot be read by this node: ";
    for path in ["/broken", "/broken/live", "/broken/counts"] {
        let problem = node.admin("GET", path).send().problem(503, "store-unavailable");
        assert!(problem["detail"].as_str().unwrap().starts_with(told), "{problem}");
    }
    for path in ["contests", "overview"] {
        let request = node.request("GET", &format!("/v1/admin/{path}"));
        let reply = request.header("Authorization", &format!("Bearer {TOKEN}")).send().json();
        assert_eq!(reply["contests"].as_array().unwrap().len(), 1, "{reply}");
        assert_eq!(reply["unreadable"][0]["contest"], "broken", "{reply}");
        assert!(reply["unreadable"][0]["reason"].as_str().unwrap().len() > 10, "{reply}");
    }
    // Nobody else's business.
    let problem = node.get("/v1/contests/broken").problem(503, "store-unavailable");
    assert_eq!(problem["detail"], "The store is away. Try again.");
    node.get("/v1/admin/contests/broken").problem(401, "unauthorized");
}

/// A definition that no version has written.
fn damage(data: &Path, contest: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = EmbeddedStore::open(data, EmbeddedSettings::default()).unwrap();
        let key = format!("contest/{contest}");
        store.compare_and_swap(&key, Version::NONE, "{\"title\": 1}".into()).await.unwrap();
        store.flush().await.unwrap();
    });
}
