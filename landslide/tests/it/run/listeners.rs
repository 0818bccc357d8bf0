//! Listeners: one of operators' own, balancers that speak the PROXY protocol, places for each network,
//! and connections that say nothing.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    client::{Reply, Request, read_reply},
    node::{Node, TOKEN, command},
};

/// An address that is free now.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn operators_have_a_listener_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let inside = free();
    let node = Node::start(&folder.path().join("data"), &["--operator-listen", &inside]);
    let token = format!("Bearer {TOKEN}");
    let ask = |address: &str, path: &str| {
        Request::new(address, "GET", path).header("Authorization", &token).send()
    };
    let put = Request::new(&inside, "PUT", "/v1/admin/contests/tv");
    let put = put.header("Authorization", &token).json(&crate::node::definition(json!({})));
    assert_eq!(put.send().status, 201);
    // What is the operators' is for the public as if it were not there, with the token too.
    let nothing = ask(node.address(), "/nothing").body;
    for path in [
        "/metrics",
        "/admin",
        "/admin/new",
        "/admin/session",
        "/admin/contests/tv",
        "/admin/contests/tv/protocol",
        "/v1/admin",
        "/v1/admin/nodes",
        "/v1/admin/contests",
        "/v1/admin/contests/tv",
        "/v1/admin/contests/tv/counts",
        "/v1/admin/contests/nobody",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let outside =
                Request::new(node.address(), method, path).header("Authorization", &token);
            let outside = outside.send();
            outside.problem(404, "not-found");
            assert_eq!(outside.body, nothing, "{method} {path}");
        }
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(node.address(), path).status, 200, "a balancer asks {path}");
    }
    let ballots = "/v1/contests/tv/ballots";
    assert_eq!(node.request("POST", ballots).json(&json!({"choice": "a"})).send().status, 201);
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/admin",
        "/admin/session",
        "/v1/admin/contests/tv",
        "/c/tv",
        "/assets/console.js",
    ] {
        assert_eq!(ask(&inside, path).status, 200, "{path}");
    }
    // Whoever reaches the listener is a collector of theirs; its calls need the token as ever.
    let metrics = Request::new(&inside, "GET", "/metrics").header("X-Forwarded-For", "9.9.9.9");
    assert_eq!(metrics.send().status, 200);
    let calls = Request::new(&inside, "GET", "/v1/admin/contests");
    calls.send().problem(401, "unauthorized");
    for url in [node.url.clone(), format!("http://{inside}")] {
        let mut health = Command::new(env!("CARGO_BIN_EXE_landslide"));
        assert!(health.args(["health", "--url", &url]).status().unwrap().success(), "{url}");
    }
}

#[test]
fn a_full_house_leaves_operators_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let inside = free();
    let arguments = ["--operator-listen", &inside, "--connections-max", "4"];
    let node = Node::start(&folder.path().join("data"), &arguments);
    let held: Vec<_> = (0..8).map(|_| TcpStream::connect(node.address()).unwrap()).collect();
    let mut late = TcpStream::connect(node.address()).unwrap();
    late.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    late.write_all(&node.request("GET", "/healthz").bytes()).unwrap();
    assert!(late.read(&mut [0]).is_err(), "it waits for a place");
    assert_eq!(Request::new(&inside, "GET", "/readyz").send().status, 200);
    drop(held);
    late.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(read_reply(&mut late).unwrap().status, 200);
}

#[test]
fn a_network_has_its_places_and_what_is_more_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--connections-per-network-max", "3", "--limit-loopback", "true"];
    let node = Node::start(&folder.path().join("data"), &arguments);
    let connect = || {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answered = matches!(stream.read(&mut [0; 12]), Ok(12));
        (stream, answered)
    };
    let mut held: Vec<_> = (0..3).map(|_| connect()).collect();
    assert!(held.iter().all(|(_, answered)| *answered));
    assert!(!connect().1, "a fourth");
    held.pop();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !connect().1 {
        assert!(Instant::now() < deadline, "the place is not given back");
        std::thread::sleep(Duration::from_millis(50));
    }
    // A proxy's connections are others'.
    let more = ["--trusted-proxies", "127.0.0.0/8"];
    let proxied = Node::start(&folder.path().join("two"), &[&arguments[..], &more].concat());
    let held: Vec<_> = (0..9).map(|_| TcpStream::connect(proxied.address()).unwrap()).collect();
    assert_eq!(proxied.get("/healthz").status, 200);
    drop(held);
}

/// Version 2: a balancer on the loopback connects this client.
fn header(client: &str) -> Vec<u8> {
    let (family, addresses) = match client.parse().unwrap() {
        SocketAddr::V4(client) => {
            let port = client.port().to_be_bytes();
            (0x11, [&client.ip().octets()[..], &[10, 0, 0, 1], &port, &[1, 187]].concat())
        }
        SocketAddr::V6(client) => {
            let port = client.port().to_be_bytes();
            (0x21, [&client.ip().octets()[..], &[0; 16], &port, &[1, 187]].concat())
        }
    };
    let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n\x21", &[family][..], &length, &addresses].concat()
}

fn local() -> Vec<u8> {
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec()
}

fn sent(node: &Node, before: &[u8], request: &Request) -> Option<Reply> {
    let mut stream = TcpStream::connect(node.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(&[before, &request.bytes()].concat());
    read_reply(&mut stream)
}

#[test]
fn whom_a_proxy_header_names_is_limited_and_not_the_balancer() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--proxy-protocol", "127.0.0.0/8", "--ballots-per-second", "1"];
    let arguments = [&arguments[..], &["--ballots-burst", "2"]].concat();
    let node = Node::start(&folder.path().join("data"), &arguments);
    let get = |path: &str| node.request("GET", path);
    let put = node.admin("PUT", "/tv").json(&crate::node::definition(json!({})));
    assert_eq!(sent(&node, &local(), &put).unwrap().status, 201);
    // Also for a host that the balancer was asked for.
    assert_eq!(sent(&node, &local(), &get("/readyz").host("vote.example")).unwrap().status, 200);
    let ballot = node.request("POST", "/v1/contests/tv/ballots").json(&json!({"choice": "a"}));
    for client in ["203.0.113.7:4000", "[2001:db8::9]:4000"] {
        let taken = (0..6).filter(|_| sent(&node, &header(client), &ballot).unwrap().status == 201);
        assert!((2..=4).contains(&taken.count()), "{client}");
    }
    let elsewhere = header("198.51.100.7:4000");
    assert_eq!(sent(&node, &elsewhere, &ballot).unwrap().status, 201);
    let line = b"PROXY TCP4 192.0.2.7 10.0.0.1 4000 443\r\n";
    assert_eq!(sent(&node, line, &ballot).unwrap().status, 201);
    // What was named is the peer: nobody who says so is this machine.
    let metrics = sent(&node, &header("127.0.0.1:4000"), &get("/metrics")).unwrap();
    metrics.problem(401, "unauthorized");
    for nothing in [&b""[..], b"PROXY nonsense\r\n", &header("192.0.2.7:1")[..20]] {
        assert!(sent(&node, nothing, &get("/healthz")).is_none_or(|reply| reply.status != 200));
    }
}

#[test]
fn a_proxy_header_that_is_late_or_from_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let expects = Node::start(&folder.path().join("one"), &["--proxy-protocol", "127.0.0.0/8"]);
    let mut slow = TcpStream::connect(expects.address()).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    slow.write_all(b"\r\n\r\n").unwrap();
    let began = Instant::now();
    assert_eq!(slow.read(&mut [0; 64]).unwrap_or(0), 0);
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());

    let elsewhere = Node::start(&folder.path().join("two"), &["--proxy-protocol", "10.0.0.0/8"]);
    assert_eq!(elsewhere.get("/healthz").status, 200);
    let forged = header("203.0.113.7:4000");
    let reply = sent(&elsewhere, &forged, &elsewhere.request("GET", "/healthz"));
    assert!(reply.is_none_or(|reply| reply.status == 400), "garbage to HTTP");
}

#[test]
fn a_connection_that_says_nothing_is_closed_soon() {
    let (_folder, node) = crate::node::fresh();
    let mut mute = TcpStream::connect(node.address()).unwrap();
    mute.set_read_timeout(Some(Duration::from_secs(29))).unwrap();
    let began = Instant::now();
    assert_eq!(mute.read(&mut [0; 64]).unwrap(), 0, "closed without a word");
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}

#[test]
fn a_short_token_is_no_administrators() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("LANDSLIDE_ADMIN_TOKEN", "fifteen letters")];
    let started = command(&folder.path().join("data"), &[], &variables).output().unwrap();
    let said = String::from_utf8(started.stderr).unwrap();
    assert!(!started.status.success() && said.contains("at least 16"), "{said}");
    assert!(!said.contains("fifteen letters"), "it does not say the token: {said}");
}
