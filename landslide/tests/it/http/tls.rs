//! HTTPS, by curl, which every machine with these tests has.

use std::{path::Path, process::Command, time::Duration};

use serde_json::json;

use crate::node::{Node, TOKEN, definition};

fn certify(folder: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(vec![name.into(), "127.0.0.1".into()]).unwrap();
    // The key first: the node looks at both, and a pair that does not fit is not used.
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
}

fn curl(folder: &Path, arguments: &[&str]) -> String {
    let ca = folder.join("chain.pem");
    let output = Command::new("curl")
        .args(["-sS", "--cacert", ca.to_str().unwrap(), "-w", " %{http_version} %{http_code}"])
        .args(arguments)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn votes_go_over_http_1_and_2_and_a_new_certificate_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certify(folder, "first");
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let node = Node::start(
        &folder.join("data"),
        &["--tls-certificate", &file("chain.pem"), "--tls-key", &file("key.pem")],
    );
    assert!(node.url.starts_with("https://"), "{}", node.url);
    let contest = format!("{}/v1/admin/contests/tv", node.url);
    let token = format!("Authorization: Bearer {TOKEN}");
    let json_type = "Content-Type: application/json";
    let put = definition(json!({})).to_string();
    let created =
        curl(folder, &["-X", "PUT", "-H", &token, "-H", json_type, "--data", &put, &contest]);
    assert!(created.ends_with(" 2 201"), "{created}");
    let ballots = format!("{}/v1/contests/tv/ballots", node.url);
    let vote = r#"{"choice":"a"}"#;
    for (version, tls) in [("--http1.1", "--tls-max"), ("--http2", "--tlsv1.3")] {
        let mut arguments = vec![version, "-i", "-H", json_type, "--data", vote, &ballots, tls];
        arguments.extend((tls == "--tls-max").then_some("1.2"));
        let reply = curl(folder, &arguments);
        assert!(reply.ends_with(" 201"), "{reply}");
        assert!(
            reply.to_lowercase().contains("; secure"),
            "the cookie goes over TLS only: {reply}"
        );
        let told = reply.to_lowercase();
        assert!(told.contains("set-cookie: __host-device="), "{reply}");
        assert!(told.contains("strict-transport-security: max-age=31536000"), "{reply}");
        assert!(told.contains("x-content-type-options: nosniff"), "{reply}");
    }
    std::thread::sleep(Duration::from_millis(1_100));
    certify(folder, "second");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !curl(folder, &[&format!("{}/healthz", node.url)]).ends_with("200") {
        assert!(std::time::Instant::now() < deadline, "the new certificate is never used");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn behind_a_balancer_that_passes_tcp_on_tls_follows_the_proxy_header() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certify(folder, "first");
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (chain, key) = (file("chain.pem"), file("key.pem"));
    let tls = ["--tls-certificate", &chain, "--tls-key", &key];
    let limits = ["--proxy-protocol", "127.0.0.0/8", "--connections-per-network-max", "1"];
    let node = Node::start(&folder.join("data"), &[&tls[..], &limits].concat());
    let url = format!("{}/healthz", node.url);
    // curl names itself, at 127.0.0.1.
    let named = |more: &[&str]| curl(folder, &[&["--haproxy-protocol", &url], more].concat());
    for version in ["--http1.1", "--http2"] {
        assert!(named(&[version]).ends_with(" 200"), "{version}");
    }
    assert!(!curl(folder, &[&url]).ends_with(" 200"), "without a header");
    // The places are those of the network that is named.
    let hold = |client: &str| {
        let mut stream = std::net::TcpStream::connect(node.address()).unwrap();
        let line = format!("PROXY TCP4 {client} 10.0.0.1 1 443\r\n");
        std::io::Write::write_all(&mut stream, line.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        stream
    };
    let elsewhere = hold("203.0.113.8");
    assert!(named(&[]).ends_with(" 200"));
    let neighbour = hold("127.0.0.9");
    assert!(!named(&[]).ends_with(" 200"));
    drop((elsewhere, neighbour));
}
