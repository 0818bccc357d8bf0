//! Told to end: what was accepted is committed and answered, then exit 0.

use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::json;

use crate::{
    client::read_reply,
    node::{Node, fresh},
};

#[test]
fn sigterm_drains_and_exits_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let (folder, node) = fresh();
        node.contest("tv", json!({}));
        // Connections that are there before the signal, each with a ballot on its way.
        let request = node.request("POST", "/v1/contests/tv/ballots").json(&json!({"choice": "a"}));
        let streams: Vec<_> = (0..50)
            .map(|_| {
                let mut stream = TcpStream::connect(node.address()).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                stream.write_all(&request.bytes()).unwrap();
                stream
            })
            .collect();
        node.signal(signal);
        let started = Instant::now();
        let replies = streams.into_iter().map(|mut stream| read_reply(&mut stream));
        let replies: Vec<_> = replies.collect();
        let status = node.ended(Duration::from_secs(30));
        assert_eq!(status.code(), Some(0), "{signal:?}");
        assert!(started.elapsed() < Duration::from_secs(30));
        let mut acknowledged = 0;
        for reply in replies.into_iter().flatten() {
            match reply.status {
                201 => acknowledged += 1,
                _ => drop(reply.problem(503, "shutting-down")),
            }
        }
        let node = Node::start(&folder.path().join("data"), &[]);
        let counted = node.counts_now("tv")["total"].as_u64().unwrap();
        // A ballot may be durable whose reply found no reader; never the other way round.
        assert!(counted >= acknowledged, "{acknowledged} acknowledged, {counted} counted");
    }
}

#[test]
fn while_it_drains_new_ballots_are_sent_away() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&folder.path().join("data"), &["--drain", "2s"]);
    node.contest("tv", json!({}));
    assert_eq!(node.get("/readyz").status, 200);
    node.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    let ballot = node.request("POST", "/v1/contests/tv/ballots").json(&json!({"choice": "a"}));
    ballot.send().problem(503, "shutting-down");
    node.get("/readyz").problem(503, "shutting-down");
    assert_eq!(node.get("/healthz").status, 200);
    assert_eq!(node.ended(Duration::from_secs(30)).code(), Some(0));
}
