//! With hidden results, nothing that the public can reach shows a count, a share or an order.

use std::{
    io::Read,
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    client::Request,
    node::{Node, TOKEN, definition},
};

/// Votes by choice, in the definition's order; the winner is not where a ranking would put it.
const VOTES: [(&str, usize); 3] = [("a", 1_739), ("b", 2_953), ("c", 4_241)];
/// The votes, their total, two sums of them and the shares, as anybody might write them.
const TELLING: [&str; 21] = [
    "1739",
    "1,739",
    "1.739",
    "1 739",
    "1\u{202f}739",
    "2953",
    "2,953",
    "2.953",
    "4241",
    "4,241",
    "4.241",
    "8933",
    "8,933",
    "8.933",
    "4692",
    "7194",
    "19.5",
    "33.1",
    "47.5",
    "0.475",
    "0,475",
];

/// More than two runs of the tally: a stream that tells anything has told it.
const STREAMED: Duration = Duration::from_secs(5);

fn cast(node: &Node) {
    let key = node.admin("POST", "/tv/channels").json(&json!({"channel": "sms"})).send().json();
    let key = format!("Bearer {}", key["key"].as_str().unwrap());
    let mut lines = String::new();
    let mut id = 0u128;
    for (choice, votes) in VOTES {
        for _ in 0..votes {
            id += 1;
            let chance = id.to_be_bytes()[6..].try_into().unwrap();
            let ballot_id = ballot::BallotId::new(crate::node::now(), chance);
            let line = json!({"ballot_id": ballot_id.to_string(), "choice": choice,
                "voter": format!("voter {id}"), "channel": "sms"});
            lines += &format!("{line}\n");
        }
    }
    let reply = node
        .request("POST", "/v1/contests/tv/batches")
        .header("Authorization", &key)
        .body("application/x-ndjson", lines)
        .send();
    assert_eq!(reply.json()["recorded"], 8_933, "{reply:?}");
}

/// Everything that comes back; of a stream, what comes within some seconds.
fn whole(request: &Request, address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(STREAMED)).unwrap();
    std::io::Write::write_all(&mut stream, &request.bytes()).unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 65_536]);
    let deadline = Instant::now() + STREAMED;
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..n]);
        if Instant::now() > deadline {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Requests of somebody without the token, from the internet, through the trusted balancer.
fn public_requests(node: &Node) -> Vec<Request> {
    let request = |method: &str, path: &str| {
        node.request(method, path).header("X-Forwarded-For", "203.0.113.7")
    };
    let mut requests = Vec::new();
    // Whatever the description knows, with every method, the administrators' own too.
    let openapi = node.get("/openapi.json").json();
    let paths = openapi["paths"].as_object().unwrap();
    assert!(paths.len() > 15, "{paths:?}");
    for (path, item) in paths {
        let path = path.replace("{contest}", "tv").replace("{choice}", "c");
        for method in ["get", "put", "post", "delete"] {
            if item[method].is_object() {
                let method = method.to_uppercase();
                requests.push(request(&method, &path));
                requests.push(request(&method, &path).json(&json!({"choice": "c"})));
                requests.push(request(&method, &path).json(&json!({"choice": "nobody"})));
            }
        }
    }
    let pages = [
        "/",
        "/c/tv",
        "/docs",
        "/openapi.json",
        "/admin",
        "/admin/new",
        "/admin/contests/tv",
        "/admin/contests/tv/edit",
        "/admin/contests/tv/protocol",
        "/metrics",
        "/healthz",
        "/readyz",
        "/c/tv/results",
        "/c/tv/wall",
        "/c/tv/qr.svg",
        "/c/tv/card.png",
        "/embed/tv",
        "/assets/vote.js",
        "/nothing",
        "/v1/contests/tv/nothing",
    ];
    requests.extend(pages.map(|path| request("GET", path)));
    for form in ["", "choice=c", "choice=nobody", "ballot_id=x&choice=c"] {
        let kind = "application/x-www-form-urlencoded";
        requests.push(request("POST", "/c/tv").body(kind, form));
    }
    requests
}

fn telling(text: &str) -> Vec<&'static str> {
    // Of digits alone: part of a longer number is another number.
    let is_in = |needle: &&str| {
        text.match_indices(*needle).any(|(at, found)| {
            let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
            !digit(text[..at].chars().next_back())
                && !digit(text[at + found.len()..].chars().next())
        })
    };
    TELLING.into_iter().filter(is_in).collect()
}

#[test]
fn nothing_public_tells_of_hidden_results() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start(&data, &["--trusted-proxies", "127.0.0.0/8"]);
    let titles = json!([{"choice": "a", "title": "Ada"}, {"choice": "b", "title": "Bob"},
        {"choice": "c", "title": "Cid"}]);
    let more = |results: &str| json!({"results": results, "choices": titles.clone()});
    node.contest("tv", more("hidden"));
    cast(&node);
    let counts = node.counts_now("tv");
    let votes: Vec<_> = counts["choices"].as_array().unwrap().iter().map(|c| &c["votes"]).collect();
    assert_eq!(json!(votes), json!(VOTES.map(|(_, votes)| votes)));

    let look = || {
        for request in public_requests(&node) {
            let text = whole(&request, node.address());
            assert!(text.starts_with("HTTP/1.1 "), "{request:?}: {text}");
            let told = telling(&text);
            assert!(told.is_empty(), "{told:?} in the answer to {request:?}: {text}");
            if let (Some(first), Some(last)) = (text.find("Ada"), text.find("Cid")) {
                assert!(first < last, "not in the definition's order: {text}");
            }
        }
    };
    let hide = |results: &str| {
        let reply = node.admin("PUT", "/tv").json(&definition(more(results))).send();
        assert_eq!(reply.status, 200, "{reply:?}");
    };
    look();
    // While it is open, `after_close` is hidden too; and what was shown is hidden again.
    hide("after_close");
    look();
    hide("live");
    hide("hidden");
    look();

    // The same look finds them once they are shown, or to whoever has the token.
    let shown = |path: &str| telling(&whole(&node.request("GET", path), node.address()));
    hide("live");
    for path in ["/v1/contests/tv/results", "/v1/contests/tv/results/stream", "/c/tv", "/metrics"] {
        // The ballots of the looks themselves were counted besides.
        let found = shown(path);
        assert!(
            found.contains(&"1739") || found.contains(&"1,739") || path == "/metrics",
            "{path}"
        );
    }
    let metrics = |from: &str, token: Option<&str>| {
        let request = node.request("GET", "/metrics").header("X-Forwarded-For", from);
        token.into_iter().fold(request, |r, token| r.header("Authorization", token)).send()
    };
    metrics("203.0.113.7", None).problem(401, "unauthorized");
    let turnout = |reply: crate::client::Reply| {
        String::from_utf8(reply.body).unwrap().contains("ballots_acknowledged_total")
    };
    assert!(turnout(metrics("203.0.113.7", Some(&format!("Bearer {TOKEN}")))));
    metrics("10.1.2.3", None).problem(401, "unauthorized");
    assert!(turnout(node.get("/metrics")));
}
