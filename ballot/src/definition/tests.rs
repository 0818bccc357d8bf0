use super::*;

const TOML: &str = r#"
    title = "Your favourite TV series"
    opens_at = 2026-11-23T20:00:00Z
    closes_at = "2026-11-23T23:00:00+01:00"
    policy = {up_to = 20}
    results = "after_close"
    shards = 4
    embed_origins = ["https://news.example", "http://localhost:8080"]
    [[choices]]
    choice = "breaking-bad"
    title = "Breaking Bad"
    picture = "https://pictures.example/bb.jpg?w=112"
    [[choices]]
    choice = "the-wire"
    title = "مسلسل"
"#;

#[test]
fn toml_and_json_say_the_same() {
    let contest = Contest::from_toml(TOML).unwrap();
    assert_eq!(contest.policy, Policy::UpTo(20));
    assert_eq!(contest.hours.closes_at.unwrap().to_string(), "2026-11-23T22:00:00Z");
    let json = serde_json::to_vec(&contest).unwrap();
    assert_eq!(Contest::from_json(&json), Ok(contest), "what is written can be read");
}

#[test]
fn defaults() {
    let text = br#"{"title":"t","opens_at":null,
        "choices":[{"choice":"a","title":"A"},{"choice":"b","title":"B"}]}"#;
    let contest = Contest::from_json(text).unwrap();
    assert_eq!(contest.hours, Hours::default());
    assert_eq!((contest.policy, contest.shards), (Policy::One, 16));
    assert_eq!(contest.results, ResultsVisibility::Hidden);
}

#[test]
fn a_mistake_names_its_field() {
    let good = serde_json::to_value(Contest::from_toml(TOML).unwrap()).unwrap();
    let choice = |n: usize| serde_json::json!({"choice": format!("c{n}"), "title": "C"});
    let many: Vec<_> = (0..1_001).map(choice).collect();
    let cases = [
        ("/title", serde_json::json!("  "), "title"),
        ("/title", "x".repeat(201).into(), "title"),
        ("/title", 5.into(), "title"),
        ("/title", Value::Null, "title"),
        ("/opens_at", "2026-11-23".into(), "opens_at"),
        ("/opens_at", 5.into(), "opens_at"),
        ("/closes_at", "2026-11-23T20:00:00Z".into(), "closes_at"),
        ("/closes_at", "2036-11-23T20:00:00Z".into(), "closes_at"),
        ("/policy", "two".into(), "policy"),
        ("/policy", serde_json::json!({"up_to": 0}), "policy.up_to"),
        ("/policy", serde_json::json!({"up_to": 2, "x": 1}), "policy.x"),
        ("/admission", true.into(), "admission"),
        ("/results", "never".into(), "results"),
        ("/shards", 0.into(), "shards"),
        ("/shards", 1_025.into(), "shards"),
        ("/shards", 1.5.into(), "shards"),
        ("/choices", serde_json::json!({}), "choices"),
        ("/choices", serde_json::json!([choice(1)]), "choices"),
        ("/choices", many.into(), "choices"),
        ("/choices/0", 1.into(), "choices[0]"),
        ("/choices/1/choice", "Breaking".into(), "choices[1].choice"),
        ("/choices/1/choice", "breaking-bad".into(), "choices[1].choice"),
        ("/choices/1/title", Value::Null, "choices[1].title"),
        ("/choices/0/picture", "http://pictures.example/x".into(), "choices[0].picture"),
        ("/choices/0/picture", 1.into(), "choices[0].picture"),
        ("/embed_origins", "https://news.example".into(), "embed_origins"),
        ("/embed_origins", vec!["https://a.example"; 51].into(), "embed_origins"),
        ("/embed_origins/1", "https://*.example".into(), "embed_origins[1]"),
    ];
    for (pointer, value, field) in cases {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let error = Contest::from_json(bad.to_string().as_bytes()).unwrap_err();
        assert_eq!((error.field.as_str(), error.unreadable), (field, false), "{error}");
    }
    let mut unknown = good.clone();
    unknown["colour"] = 1.into();
    assert_eq!(Contest::from_json(unknown.to_string().as_bytes()).unwrap_err().field, "colour");
    assert!(Contest::from_json(b"{").unwrap_err().unreadable);
    assert!(Contest::from_toml("title = ").unwrap_err().unreadable);
}
