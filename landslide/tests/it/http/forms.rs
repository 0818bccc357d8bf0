//! Which forms are taken: those that a page of ours has posted, and no other site's.

use serde_json::json;

use crate::{
    client::{Reply, Request},
    node::{Node, fresh},
};

const FORM: &str = "application/x-www-form-urlencoded";

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

fn post(node: &Node, path: &str, form: &str) -> Request {
    node.request("POST", path).body(FORM, form)
}

fn hidden(html: &str, name: &str) -> String {
    let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// A choice to be confirmed: the form with all its fields, and the device's cookie.
fn to_confirm(node: &Node, path: &str) -> (String, String) {
    let asked = post(node, path, "choice=a").send();
    assert_eq!(asked.status, 200, "{asked:?}");
    let cookie = asked.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let fields = ["choice", "ballot_id", "token"];
    let fields = fields.map(|name| format!("{name}={}", hidden(&text(&asked), name)));
    (fields.join("&"), cookie)
}

#[test]
fn another_sites_form_is_refused_with_the_way_to_the_page() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({"embed_origins": ["https://news.example"]}));
    for path in ["/c/tv", "/c/tv/embed"] {
        let (form, cookie) = to_confirm(&node, path);
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Sec-Fetch-Site", "?"),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Origin", "https://127.0.0.1"),
        ] {
            // With everything that the visitor's own form would have.
            for form in [&*form, "choice=a"] {
                let foreign = post(&node, path, form).header("Cookie", &cookie);
                let refused = foreign.header(name, value).send();
                assert_eq!(refused.status, 403, "{path} {name}: {value}");
                assert!(text(&refused).contains("Nothing was recorded"), "{refused:?}");
                assert!(text(&refused).contains("href=\"/c/tv\""), "{refused:?}");
                assert_eq!(refused.header("cache-control"), Some("no-store"));
            }
        }
    }
    assert_eq!(node.counts_now("tv")["total"], 0);
    assert_eq!(post(&node, "/c/none", "choice=a").send().status, 404);
}

#[test]
fn our_own_form_is_taken_also_from_a_frame_and_from_browsers_that_say_less() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = ["--vote-addresses", "https://one.example,https://two.example"];
    let node = Node::start(&folder.path().join("data"), &addresses);
    node.contest("tv", json!({}));
    let own = format!("http://{}", node.address());
    let said = [
        Some(("Sec-Fetch-Site", "same-origin")),
        Some(("Origin", own.as_str())),
        Some(("Origin", "https://two.example")),
        None,
    ];
    for path in ["/c/tv", "/c/tv/embed"] {
        for header in said {
            let (form, cookie) = to_confirm(&node, path);
            let request = post(&node, path, &form).header("Cookie", &cookie);
            let request =
                header.into_iter().fold(request, |r, (name, value)| r.header(name, value));
            assert_eq!(request.send().status, 201, "{header:?}");
            assert_eq!(request.send().status, 201, "again");
        }
    }
    assert_eq!(node.counts_now("tv")["total"], 2 * said.len());
}

#[test]
fn where_a_browser_says_nothing_the_token_must_be_of_this_ballot_and_this_device() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    node.contest("other", json!({}));
    let (form, cookie) = to_confirm(&node, "/c/tv");
    let without = form.split("&token=").next().unwrap();
    let another = to_confirm(&node, "/c/tv").0;
    let of_another = another.split("&token=").nth(1).unwrap();
    let of_other_contest = to_confirm(&node, "/c/other").0;
    let of_other_contest = of_other_contest.split("&token=").nth(1).unwrap();
    for form in [
        without.to_owned(),
        format!("{without}&token="),
        format!("{without}&token={}", "0".repeat(64)),
        format!("{without}&token={of_another}"),
        format!("{without}&token={of_other_contest}"),
    ] {
        let refused = post(&node, "/c/tv", &form).header("Cookie", &cookie).send();
        assert_eq!(refused.status, 403, "{form}");
    }
    // Another site has fetched a page to confirm; its visitor has a device of their own.
    let visitor = to_confirm(&node, "/c/tv").1;
    let posted = post(&node, "/c/tv", &form).header("Cookie", &visitor);
    assert_eq!(posted.send().status, 403);
    assert_eq!(posted.header("Sec-Fetch-Site", "none").send().status, 403);
    assert_eq!(node.counts_now("tv")["total"], 0);
    assert_eq!(post(&node, "/c/tv", &form).header("Cookie", &cookie).send().status, 201);
    // Restored with the browser, after which nobody's page has asked.
    let restored = post(&node, "/c/tv", &form).header("Cookie", &cookie);
    assert_eq!(restored.header("Sec-Fetch-Site", "none").send().status, 201);
}

#[test]
fn where_the_service_is_https_nothing_is_taken_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--trusted-proxies", "127.0.0.1", "--public-url", "https://vote.example"];
    let node = Node::start(&folder.path().join("data"), &arguments);
    node.contest("tv", json!({}));
    let ballots = "/v1/contests/tv/ballots";
    let with = |request: Request, scheme: &str| request.header("X-Forwarded-Proto", scheme).send();
    let ballot = || node.request("POST", ballots).json(&json!({"choice": "a"}));
    let refused = with(ballot(), "http");
    refused.problem(403, "plain-http");
    assert_eq!(refused.header("location"), None);
    with(node.admin("PUT", "/tv").json(&json!({})), "http").problem(403, "plain-http");
    with(node.request("POST", "/admin/session"), "http").problem(403, "plain-http");
    let own = |form: &str| post(&node, "/c/tv", form).header("Sec-Fetch-Site", "same-origin");
    let page = with(own("choice=a"), "http");
    assert_eq!(page.status, 403);
    assert!(text(&page).contains("href=\"https://vote.example/c/tv\""), "{page:?}");
    assert_eq!(node.counts_now("tv")["total"], 0);
    // Looking is not changing, and inside, where no proxy says anything, it is as ever.
    assert_eq!(with(node.request("GET", "/c/tv"), "http").status, 200);
    assert_eq!(with(ballot(), "https").status, 201);
    assert_eq!(ballot().send().status, 201);
    assert_eq!(with(own("choice=a"), "https").status, 200);
}

#[test]
fn a_ballot_as_another_sites_page_can_send_it_without_asking_is_refused() {
    let (_folder, node) = fresh();
    node.contest("tv", json!({}));
    let ballot = json!({"choice": "a"}).to_string();
    for kind in ["text/plain", FORM, "multipart/form-data; boundary=x", "text/plain;json"] {
        let request = node.request("POST", "/v1/contests/tv/ballots").body(kind, ballot.clone());
        request.send().problem(415, "unsupported-media-type");
    }
    assert_eq!(node.counts_now("tv")["total"], 0);
}
