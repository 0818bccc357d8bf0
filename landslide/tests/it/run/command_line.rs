//! The command line: what it says when something is wrong, and how it ends.

use std::process::{Command, Output, Stdio};

use crate::node::{Node, command};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_landslide"))
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("LANDSLIDE_ADMIN_TOKEN")
        .output()
        .unwrap()
}

#[track_caller]
fn says(output: &Output, code: i32, what: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(what), "{what:?} is not in {text:?}");
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "{text}");
    assert!(output.stdout.is_empty());
}

#[test]
fn help_teaches() {
    for arguments in [&["--help"][..], &["serve", "--help"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("Usage:"), "{text}");
    }
    let serve = String::from_utf8(run(&["serve", "--help"]).stdout).unwrap();
    for flag in ["--config", "--listen", "--data", "--roles", "LANDSLIDE_LISTEN", "Examples:"] {
        assert!(serve.contains(flag), "{flag}");
    }
}

#[test]
fn help_tells_no_secret() {
    // A store's address may have the password in it.
    let secrets = ["LANDSLIDE_ADMIN_TOKEN", "LANDSLIDE_STORE_PASSWORD", "LANDSLIDE_STORE"];
    for subcommand in ["serve", "demo", "bench", "recount", "schema", "health", "plan"] {
        let mut help = Command::new(env!("CARGO_BIN_EXE_landslide"));
        help.args([subcommand, "--help"]).envs(secrets.map(|name| (name, "cql://u:hunter2@h/k")));
        let text = String::from_utf8(help.output().unwrap().stdout).unwrap();
        assert!(text.contains("Usage:") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn mistakes_are_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("unknown.toml"), "colour = 1\n").unwrap();
    std::fs::write(path("broken.toml"), "listen = \n").unwrap();
    std::fs::write(path("file"), "").unwrap();
    let serve =
        |arguments: &[&str]| run(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
    says(&run(&["dance"]), 2, "dance");
    says(&run(&["serve", "--listen", "here"]), 2, "--listen");
    says(&serve(&["--roles", "king"]), 2, "king");
    says(&serve(&["--config", &path("missing.toml")]), 1, "missing.toml");
    says(&serve(&["--config", &path("unknown.toml")]), 1, "colour");
    says(&serve(&["--config", &path("broken.toml")]), 1, "broken.toml");
    says(&serve(&["--data", &path("d"), "--tally-schedule", "never"]), 1, "tally_schedule");
    says(&serve(&["--data", &path("d"), "--tls-key", &path("file")]), 1, "tls_certificate");
    let tls =
        ["--data", &path("d"), "--tls-key", &path("file"), "--tls-certificate", &path("file")];
    says(&serve(&tls), 1, "file");
    says(&serve(&["--data", &path("file")]), 1, "file");
}

#[test]
fn a_recount_finds_the_store_in_a_nodes_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("node.toml"), format!("data = {:?}\n", path("votes"))).unwrap();
    let recount =
        |more: &[&str]| run(&[&["recount", "tv", "--config", &path("node.toml")], more].concat());
    says(&recount(&[]), 3, &path("votes: there is no such folder"));
    let other = format!("embedded:{}", path("other"));
    says(&recount(&["--store", &other]), 3, &path("other: there is no such folder"));
    says(&run(&["schema", "--config", &path("node.toml")]), 1, "makes its own tables");
}

#[test]
fn a_second_node_on_the_same_folder_or_address_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start(&data, &[]);
    says(&command(&data, &[], &[]).output().unwrap(), 1, data.to_str().unwrap());
    let taken = run(&["serve", "--listen", node.address(), "--data", "/nonexistent/never-made"]);
    says(&taken, 1, node.address());
}
