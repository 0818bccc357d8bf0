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
    }
    std::thread::sleep(Duration::from_millis(1_100));
    certify(folder, "second");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !curl(folder, &[&format!("{}/healthz", node.url)]).ends_with("200") {
        assert!(std::time::Instant::now() < deadline, "the new certificate is never used");
        std::thread::sleep(Duration::from_millis(200));
    }
}
