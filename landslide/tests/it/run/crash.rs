//! `kill -9`: what was acknowledged is there afterwards.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    sync::Mutex,
    time::Duration,
};

use serde_json::{Value, json};

use crate::node::Node;

/// Casts on one kept connection until it breaks; gives the acknowledged votes a choice.
fn cast_until_killed(address: &str, acknowledged: &Mutex<BTreeMap<&'static str, u64>>) {
    let Ok(stream) = TcpStream::connect(address) else { return };
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    for n in 0.. {
        let choice = ["a", "b", "c"][n % 3];
        let body = json!({"choice": choice}).to_string();
        let request = format!(
            "POST /v1/contests/tv/ballots HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if writer.write_all(request.as_bytes()).is_err() || !read_created(&mut reader) {
            return;
        }
        *acknowledged.lock().unwrap().entry(choice).or_default() += 1;
    }
}

fn read_created(reader: &mut impl BufRead) -> bool {
    let mut length = 0;
    let mut created = false;
    loop {
        let mut line = String::new();
        if !matches!(reader.read_line(&mut line), Ok(n) if n > 0) {
            return false;
        }
        let line = line.trim_end().to_ascii_lowercase();
        created |= line.starts_with("http/1.1 201");
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).is_ok() && created
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start(&data, &[]);
    node.contest("tv", json!({}));
    drop(node);
    let acknowledged = Mutex::default();
    let mut voters = 0;
    for cycle in 0..5 {
        let node = Node::start(&data, &[]);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| cast_until_killed(node.address(), &acknowledged));
            }
            voters += 16;
            std::thread::sleep(Duration::from_millis(150 + 70 * cycle));
            node.signal(rustix::process::Signal::KILL);
        });
        node.kill();
    }
    let node = Node::start(&data, &[]);
    let counts = node.counts_now("tv");
    let counted: BTreeMap<_, _> = counts["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| (choice["choice"].as_str().unwrap(), choice["votes"].as_u64().unwrap()))
        .collect();
    let mut unknown = 0;
    for (choice, acknowledged) in acknowledged.into_inner().unwrap() {
        let counted = counted[choice];
        assert!(
            counted >= acknowledged,
            "{choice}: {acknowledged} acknowledged, {counted} counted"
        );
        unknown += counted - acknowledged;
    }
    assert!(unknown <= voters, "each connection had at most one ballot without a reply");
    assert_eq!(counts["ballots"]["late"], Value::from(0));
}
