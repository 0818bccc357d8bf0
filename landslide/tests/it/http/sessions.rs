//! Signing in: a session is good on every node of the token, for the console alone, and not for
//! ever.

use serde_json::{Value, json};

use crate::{
    client::{Reply, Request},
    node::{Node, TOKEN, definition, fresh},
};

const OTHER_TOKEN: (&str, &str) = ("LANDSLIDE_ADMIN_TOKEN", "another token for tests");

fn sign_in(node: &Node, body: &Value) -> Reply {
    node.request("POST", "/admin/session").json(body).send()
}

/// The cookie as a browser would send it back, and the second secret.
fn signed_in(node: &Node) -> (String, String) {
    let reply = sign_in(node, &json!({"token": TOKEN, "name": "Zoë"}));
    assert_eq!(reply.status, 200, "{reply:?}");
    let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    (cookie, reply.json()["csrf"].as_str().unwrap().to_owned())
}

fn put(node: &Node, cookie: &str) -> Request {
    node.request("PUT", "/v1/admin/contests/tv")
        .header("Cookie", cookie)
        .json(&definition(json!({"opens_at": null})))
}

/// A session as a node makes it, from the format and the token alone.
fn made(token: &str, expires: i64) -> String {
    let key = blake3::derive_key("landslide 2026-11-24 administrator's session", token.as_bytes());
    let payload = format!("{expires}.00112233445566778899aabbccddeeff.");
    let signature = blake3::keyed_hash(&key, format!("session:{payload}").as_bytes());
    format!("landslide-session={payload}.{}", signature.to_hex())
}

#[test]
fn a_session_looks_and_with_its_second_secret_changes() {
    let (_folder, node) = fresh();
    let (cookie, csrf) = signed_in(&node);
    let list = |cookie: &str| node.request("GET", "/v1/admin/contests").header("Cookie", cookie);
    assert_eq!(list(&cookie).send().status, 200);
    // Among others, as browsers send them.
    assert_eq!(list(&format!("device=x; {cookie}; a=b")).send().status, 200);

    put(&node, &cookie).send().problem(403, "cross-site");
    for wrong in ["", "x", &csrf[1..], &csrf.replace(&csrf[..1], "~"), &"0".repeat(64)] {
        put(&node, &cookie).header("X-CSRF-Token", wrong).send().problem(403, "cross-site");
    }
    let of_another = signed_in(&node).1;
    put(&node, &cookie).header("X-CSRF-Token", &of_another).send().problem(403, "cross-site");
    let meant = put(&node, &cookie).header("X-CSRF-Token", &csrf);
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        meant.clone().header(name, value).send().problem(403, "cross-site");
    }
    node.admin("GET", "/tv").send().problem(404, "no-such-contest");
    let own = meant.clone().header("Sec-Fetch-Site", "same-origin").header("Origin", &node.url);
    assert_eq!(own.send().status, 201);
    assert_eq!(meant.send().status, 200, "a program that holds both secrets");
}

#[test]
fn a_session_tells_itself_and_ends() {
    let (_folder, node) = fresh();
    let look = |cookie: &str| {
        let reply = node.request("GET", "/admin/session").header("Cookie", cookie).send();
        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
        reply.json()
    };
    assert_eq!(look("a=b")["signed_in"], false);
    let reply = sign_in(&node, &json!({"token": format!(" {TOKEN}\n"), "name": " Zoë "}));
    let set = reply.header("set-cookie").unwrap();
    for part in ["landslide-session=", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains(TOKEN), "{set}");
    let cookie = set.split(';').next().unwrap();
    assert_eq!(look(cookie), reply.json());
    assert_eq!(look(cookie)["name"], "Zoë");

    let leave = |csrf: &str| {
        node.request("DELETE", "/admin/session")
            .header("Cookie", cookie)
            .header("X-CSRF-Token", csrf)
            .send()
    };
    leave("").problem(403, "cross-site");
    let left = leave(look(cookie)["csrf"].as_str().unwrap());
    assert_eq!(left.json()["signed_in"], false);
    assert!(left.header("set-cookie").unwrap().starts_with("landslide-session=; "));
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(node.request("DELETE", "/admin/session").send().status, 200, "again");
}

#[test]
fn what_is_no_session_admits_nobody() {
    let (_folder, node) = fresh();
    let (cookie, _) = signed_in(&node);
    let now = crate::node::now().as_micros() / 1_000_000;
    let status = |node: &Node, cookie: &str| {
        node.request("GET", "/v1/admin/contests").header("Cookie", cookie).send().status
    };
    assert_eq!(status(&node, &made(TOKEN, now + 60)), 200, "this is how they are made");
    assert_eq!(status(&node, &made(TOKEN, now - 1)), 401, "over");
    assert_eq!(status(&node, &made("another token for tests", now + 60)), 401);
    let forged = made(TOKEN, now - 1).replace(&(now - 1).to_string(), &(now + 60).to_string());
    for forged in [forged.as_str(), "landslide-session=", "landslide-session=1.2.3.4", "", "=;;="] {
        assert_eq!(status(&node, forged), 401, "{forged}");
    }
    // A wrong token is not made good by a session.
    let both = node.request("GET", "/v1/admin/contests").header("Cookie", &cookie);
    both.header("Authorization", "Bearer x").send().problem(401, "unauthorized");

    let folder = tempfile::tempdir().unwrap();
    let same = Node::start(&folder.path().join("same"), &[]);
    assert_eq!(status(&same, &cookie), 200, "any node that has the token");
    let other = Node::start_with(&folder.path().join("other"), &[], &[OTHER_TOKEN]);
    assert_eq!(status(&other, &cookie), 401, "a new token ends all sessions");
}

#[test]
fn a_sign_in_is_checked() {
    let (_folder, node) = fresh();
    for token in ["", "x", &format!("{TOKEN}x"), &TOKEN.to_uppercase()] {
        let reply = sign_in(&node, &json!({"token": token}));
        reply.problem(401, "unauthorized");
        assert_eq!(reply.header("set-cookie"), None);
    }
    for name in ["x".repeat(65), "a\nb".into()] {
        let reply = sign_in(&node, &json!({"token": TOKEN, "name": name}));
        assert_eq!(reply.problem(422, "invalid-member")["field"], "name");
    }
    let form = node.request("POST", "/admin/session");
    let form = form.body("application/x-www-form-urlencoded", format!("token={TOKEN}"));
    form.send().problem(415, "unsupported-media-type");
    let foreign = node.request("POST", "/admin/session").json(&json!({"token": TOKEN}));
    let foreign = foreign.header("Origin", "https://evil.example").send();
    foreign.problem(403, "cross-site");
}

#[test]
fn sign_ins_are_limited_and_secure_behind_a_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start(&data, &["--trusted-proxies", "127.0.0.0/8"]);
    let sign_in = |from: &str, token: &str| {
        node.request("POST", "/admin/session")
            .header("X-Forwarded-For", from)
            .header("X-Forwarded-Proto", "https")
            .json(&json!({"token": token}))
            .send()
    };
    let reply = sign_in("203.0.113.1", TOKEN);
    let set = reply.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-landslide-session=") && set.contains("; Secure"), "{set}");
    let cookie = set.split(';').next().unwrap();
    let list = node.request("GET", "/v1/admin/contests").header("Cookie", cookie);
    assert_eq!(list.clone().header("X-Forwarded-Proto", "https").send().status, 200);
    assert_eq!(list.send().status, 401, "not over a plain connection");

    let statuses: Vec<_> = (0..30).map(|_| sign_in("198.51.100.1", "x").status).collect();
    assert!(statuses.contains(&401) && statuses.ends_with(&[429]), "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 10, "{statuses:?}");
    // A right guess is not told from a wrong one, neither here nor by the calls.
    let list = |from: &str, token: &str| {
        node.request("GET", "/v1/admin/contests")
            .header("X-Forwarded-For", from)
            .header("Authorization", &format!("Bearer {token}"))
            .send()
    };
    sign_in("198.51.100.1", TOKEN).problem(429, "too-many-requests");
    list("198.51.100.1", TOKEN).problem(429, "too-many-requests");
    // A neighbour is let in, and whoever has the right token from the beginning.
    assert_eq!(sign_in("198.51.100.77", TOKEN).status, 200);
    for _ in 0..30 {
        assert_eq!(list("198.51.100.78", TOKEN).status, 200);
    }
    let guesses: Vec<_> = (0..30).map(|_| list("198.51.100.2", "x").status).collect();
    assert_eq!(guesses.iter().filter(|status| **status == 401).count(), 10, "{guesses:?}");
    assert!(guesses.ends_with(&[429]), "{guesses:?}");
    // From the loopback, but through a proxy that nobody has named.
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&folder.path().join("data"), &[]);
    for header in ["X-Forwarded-For", "Forwarded"] {
        let guess = node.request("POST", "/admin/session").json(&json!({"token": "x"}));
        let guess = guess.header(header, "for=203.0.113.1");
        let statuses: Vec<_> = (0..12).map(|_| guess.send().status).collect();
        assert!(statuses.ends_with(&[429]), "{statuses:?}");
    }
    assert_eq!(self::sign_in(&node, &json!({"token": TOKEN})).status, 200, "the machine itself");
}
