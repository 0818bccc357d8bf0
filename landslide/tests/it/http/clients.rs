//! The examples for other programs, run as they stand in the documents.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::node::{Node, TOKEN, fresh};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn run(node: &Node, folder: &Path, program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(repository())
        .env("SERVER", &node.url)
        .env("LANDSLIDE_ADMIN_TOKEN", TOKEN)
        .env("OUTBOX", folder.join("outbox.json"))
        .output()
        .unwrap()
}

#[test]
fn the_examples_of_the_guide_run_and_their_votes_are_counted() {
    let (folder, node) = fresh();
    let guide = std::fs::read_to_string(repository().join("docs/clients.md")).unwrap();
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let script: String = blocks.collect();
    let shell = ["-euo", "pipefail", "-c", &script];
    let output = run(&node, folder.path(), "bash", &shell);
    assert!(output.status.success(), "{output:?}");
    let counts = node.counts_now("series");
    // One voter's ballot sent twice, one by text message, one by the Python example.
    assert_eq!(counts["total"], 3, "{counts}");
    assert_eq!(
        (&counts["choices"][0]["votes"], &counts["choices"][1]["votes"]),
        (&2.into(), &1.into())
    );
    assert_eq!(counts["ballots"]["duplicate"], 1);
}

#[test]
fn the_python_example_repeats_a_ballot_that_it_left() {
    let (folder, node) = fresh();
    node.contest("tv", serde_json::json!({}));
    let id = ballot::BallotId::new(crate::node::now(), [7; 10]).to_string();
    let device = "11111111-2222-4333-8444-555555555555";
    let kept = serde_json::json!({
        format!("{}/v1/contests/tv/ballots", node.url): {
            "ballot_id": id, "choice": "b", "device": device,
        },
    });
    let outbox = folder.path().join("outbox.json");
    std::fs::write(&outbox, kept.to_string()).unwrap();
    let vote = |choice: &str| {
        let outbox = outbox.to_str().unwrap();
        let arguments = ["clients/python/vote.py", &node.url, "tv", choice, "--outbox", outbox];
        run(&node, folder.path(), "python3", &arguments)
    };
    let output = vote("a");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&id), "{output:?}");
    // The next one is a new ballot of the same device, and does not count under `one`.
    let output = vote("a");
    assert!(output.status.success() && !String::from_utf8_lossy(&output.stdout).contains(&id));
    let refused = vote("no-such-choice");
    assert!(!refused.status.success(), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no such choice"), "{refused:?}");
    let counts = node.counts_now("tv");
    assert_eq!((&counts["total"], &counts["choices"][1]["votes"]), (&1.into(), &1.into()));
}
