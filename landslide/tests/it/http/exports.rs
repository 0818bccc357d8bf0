//! What administrators take away: the same numbers in every form.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    client::Reply,
    node::{Node, fresh},
};

fn vote(node: &Node, choice: &str, times: usize) {
    for _ in 0..times {
        let ballot = json!({"choice": choice});
        let reply = node.request("POST", "/v1/contests/tv/ballots").json(&ballot).send();
        assert_eq!(reply.status, 201, "{reply:?}");
    }
}

fn get(node: &Node, path: &str) -> Reply {
    let reply = node.admin("GET", &format!("/tv/{path}")).send();
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")), "{reply:?}");
    reply
}

fn attached(node: &Node, name: &str, content_type: &str) -> Reply {
    let reply = get(node, name);
    let disposition = format!("attachment; filename=\"tv-{name}\"");
    assert_eq!(reply.header("content-disposition"), Some(&*disposition));
    assert_eq!(reply.header("content-type"), Some(content_type));
    reply
}

/// Lines of cells.
fn lines(csv: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv);
    reader.records().map(|line| line.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// The series, once its last point is of this row.
fn series_of(node: &Node, counts: &Value) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let series = get(node, "series").json();
        let last = series["rows"].as_array().unwrap().last();
        if last.is_some_and(|row| row[0] == counts["counted_through"]) {
            return series;
        }
        assert!(Instant::now() < deadline, "{series} does not end with {counts}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn all_forms_have_the_same_numbers() {
    let (folder, node) = fresh();
    let title = "=cmd|' /C calc'!A0, \"B\" <i>&\u{202e}";
    node.contest(
        "tv",
        json!({"title": "<script>alert(1)</script>", "choices": [
            {"choice": "a", "title": title}, {"choice": "b", "title": "Ü"}]}),
    );
    vote(&node, "a", 2);
    node.counts_now("tv");
    vote(&node, "b", 3);
    node.counts_now("tv");
    let session = json!({"token": crate::node::TOKEN, "name": "Zoë <b>"});
    let session = node.request("POST", "/admin/session").json(&session).send();
    let cookie = session.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let csrf = session.json()["csrf"].as_str().unwrap().to_owned();
    let act = |what: &str| {
        let request = node.request("POST", &format!("/v1/admin/contests/tv/{what}"));
        let reply = request.header("Cookie", &cookie).header("X-CSRF-Token", &csrf).send();
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    };
    act("close");
    node.counts_when("tv", |counts| counts["status"] == "final");
    let counts = act("certify");

    assert_eq!(attached(&node, "counts.json", "application/json").json(), counts);
    let csv = lines(&attached(&node, "counts.csv", "text/csv; charset=utf-8").body);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let told = ["contest", "status", "generation", "counted_through"].map(|key| text(&counts[key]));
    let number = |part: &str, name: &str| {
        let line = csv.iter().find(|line| line[4] == part && line[5] == name);
        let line = line.unwrap_or_else(|| panic!("no {part} {name} in {csv:?}"));
        assert_eq!(line[..4], told, "every line says what it is of");
        line[7].clone()
    };
    assert_eq!(number("choice", "a"), "2");
    for choice in counts["choices"].as_array().unwrap() {
        assert_eq!(number("choice", &text(&choice["choice"])), text(&choice["votes"]));
    }
    for (name, ballots) in counts["ballots"].as_object().unwrap() {
        assert_eq!(number("ballots", name), text(ballots));
    }
    assert_eq!(number("channel", "web"), text(&counts["channels"]["web"]));
    let set = &counts["batch_set"];
    assert_eq!(number("batch_set", &text(&set["digest"])), text(&set["batches"]));
    assert_eq!(csv[1][6], format!("'{title}"), "no formula");
    assert_eq!(csv[2][6], "Ü");

    let series = series_of(&node, &counts);
    let series_csv = lines(&attached(&node, "series.csv", "text/csv; charset=utf-8").body);
    assert_eq!(attached(&node, "series.json", "application/json").json(), series);
    assert_eq!(json!(series_csv[0]), series["columns"]);
    let rows = series["rows"].as_array().unwrap();
    assert_eq!(series_csv.len() - 1, rows.len());
    for (line, row) in series_csv[1..].iter().zip(rows) {
        for (cell, value) in line.iter().zip(row.as_array().unwrap()) {
            assert_eq!(*cell, if value.is_null() { String::new() } else { text(value) });
        }
    }
    let last = rows.last().unwrap();
    for (n, name) in ["recorded", "counted", "duplicate", "late", "void"].iter().enumerate() {
        assert_eq!(last[n + 1], counts["ballots"][name]);
    }
    assert_eq!((&series["columns"][7], &last[7]), (&json!("channel:web"), &json!(5)));
    // Grew by votes and time: what the rates say, summed up, is what was recorded.
    let millis = |row: &Value| text(&row[0]).parse::<ballot::Timestamp>().unwrap().as_millis();
    let mut votes = rows[0][1].as_u64().unwrap() as f64;
    for pair in rows.windows(2) {
        assert!(millis(&pair[0]) < millis(&pair[1]));
        let seconds = (millis(&pair[1]) - millis(&pair[0])) as f64 / 1_000.0;
        votes += pair[1][6].as_f64().unwrap() * seconds;
    }
    assert!((votes - 5.0).abs() < 0.1 * rows.len() as f64 * 2.0, "{votes}");

    let page = node.request("GET", "/admin/contests/tv/protocol").header("Cookie", &cookie).send();
    assert_eq!(page.status, 200);
    let html = String::from_utf8(page.body).unwrap();
    for value in [&set["digest"], &counts["contest"]] {
        assert!(html.contains(&*text(value)), "{value}");
    }
    for (name, ballots) in counts["ballots"].as_object().unwrap() {
        let row = html.split(&format!("<th scope=\"row\">{name}</th>")).nth(1).unwrap();
        let row = row.split("</tr>").next().unwrap();
        assert!(row.contains(&format!("<td class=\"num\">{ballots}</td>")), "{name}: {row}");
    }
    for choice in counts["choices"].as_array().unwrap() {
        let name = format!("<td class=\"code\">{}</td>", text(&choice["choice"]));
        let row = html.split(&name).last().unwrap();
        assert!(row.starts_with(&format!("<td class=\"num\">{}</td>", choice["votes"])), "{row}");
    }
    assert!(html.contains("by <bdi>Zoë &#60;b&#62;</bdi>"), "who certified");
    assert!(!html.contains("<script>alert") && !html.contains("<i>&"));
    assert!(html.contains("2026-01-01 00:00:00 UTC"), "the hours");
    let audit = get(&node, "audit").json();
    let acts: Vec<_> = audit["entries"].as_array().unwrap().iter().map(|e| &e["what"]).collect();
    assert_eq!(acts, ["contest created", "contest closed", "count certified"]);

    // All of it is there after a restart.
    drop(node);
    let again = Node::start(&folder.path().join("data"), &[]);
    assert_eq!(get(&again, "series").json(), series);
    assert_eq!(get(&again, "counts.json").json(), counts);
}

#[test]
fn a_series_is_cut_to_a_time() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    vote(&node, "a", 1);
    let first = node.counts_now("tv");
    let last = node.counts_now("tv");
    let series = series_of(&node, &last);
    let of = |query: &str| get(&node, &format!("series?{query}")).json()["rows"].clone();
    let from = last["counted_through"].as_str().unwrap();
    let rows = of(&format!("from={from}"));
    let all = series["rows"].as_array().unwrap();
    assert_eq!(rows[0], *all.last().unwrap());
    assert!(!rows[0][6].is_null(), "the rate is of the stretch before");
    let to = first["counted_through"].as_str().unwrap();
    let before = of(&format!("to={to}"));
    assert!(!before.as_array().unwrap().is_empty());
    assert!(before.as_array().unwrap().len() < all.len());
    let bad = node.admin("GET", "/tv/series?from=yesterday").send();
    assert_eq!(bad.problem(422, "invalid-member")["field"], "from");
}

#[test]
fn nothing_is_given_to_others_or_before_there_is_any() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"opens_at": null}));
    let files = ["counts.json", "counts.csv", "series.json", "series.csv", "series"];
    for path in [&files[..], &["live", "lease", "audit"]].concat() {
        let path = format!("/v1/admin/contests/tv/{path}");
        node.get(&path).problem(401, "unauthorized");
        let nobody = path.replace("/tv/", "/nobody/");
        node.get(&nobody).problem(401, "unauthorized");
    }
    node.get("/v1/admin/overview").problem(401, "unauthorized");
    let protocol = node.get("/admin/contests/tv/protocol");
    assert_eq!((protocol.status, protocol.header("location")), (303, Some("/admin")));

    for path in ["counts.json", "counts.csv"] {
        node.admin("GET", &format!("/tv/{path}")).send().problem(404, "no-counts");
    }
    assert_eq!(get(&node, "series").json()["rows"], json!([]));
    let live = get(&node, "live").json();
    assert_eq!((&live["counts"], &live["status"]), (&Value::Null, &json!("draft")));
    assert_eq!(get(&node, "lease").json()["holder"], Value::Null);
    node.admin("POST", "/tv/open").send();
    let counts = node.counts_now("tv");
    let live = get(&node, "live").json();
    assert_eq!((&live["status"], &live["counts"]["contest"]), (&json!("open"), &json!("tv")));
    assert!(live["counts"]["generation"].as_u64() >= counts["generation"].as_u64());
    assert!(live["lease"]["holder"].is_string() && live["lease"]["expires_at"].is_string());
    assert_eq!(live["nodes"]["nodes"].as_array().unwrap().len(), 1);
    let overview = node.request("GET", "/v1/admin/overview");
    let token = format!("Bearer {}", crate::node::TOKEN);
    let overview = overview.header("Authorization", &token).send().json();
    assert_eq!(overview["contests"][0]["counts"]["total"], 0);
}
