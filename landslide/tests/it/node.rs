//! A node as a process of its own, ended with the test by its process id.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Reply, Request};

pub const TOKEN: &str = "a token for tests";

/// Now, by this machine's clock.
pub fn now() -> ballot::Timestamp {
    use ballot::Clock as _;
    landslide::machine::SystemClock.wall()
}

pub struct Node {
    pub url: String,
    child: Child,
}

impl Node {
    /// Starts a node on a folder and waits for its ready line.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_with(data, arguments, &[])
    }

    pub fn start_with(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = command(data, arguments, variables).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(url) = line.trim_end().strip_prefix("ready ") else {
            panic!("no ready line but {line:?}, and it ended with {:?}", child.wait());
        };
        Self { url: url.to_owned(), child }
    }

    /// The address behind `http://`.
    pub fn address(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// `kill -9`, and the end of it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end.
    pub fn ended(mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end within {within:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address(), method, path)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send()
    }

    pub fn admin(&self, method: &str, path: &str) -> Request {
        let request = self.request(method, &format!("/v1/admin/contests{path}"));
        request.header("Authorization", &format!("Bearer {TOKEN}"))
    }

    /// Creates a contest that opens by itself; `more` goes over the default definition.
    pub fn contest(&self, slug: &str, more: Value) {
        let reply = self.admin("PUT", &format!("/{slug}")).json(&definition(more)).send();
        assert_eq!(reply.status, 201, "{reply:?}");
    }

    pub fn counts(&self, slug: &str) -> Value {
        let reply = self.admin("GET", &format!("/{slug}/counts")).send();
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Waits until the counts row is as wanted.
    pub fn counts_when(&self, slug: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut last = Value::Null;
        while Instant::now() < deadline {
            let reply = self.admin("GET", &format!("/{slug}/counts")).send();
            if reply.status == 200 {
                last = reply.json();
                if wanted(&last) {
                    return last;
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the counts never came to be as wanted: {last}");
    }

    /// Counts that hold everything acknowledged until now.
    pub fn counts_now(&self, slug: &str) -> Value {
        let now = now();
        self.counts_when(slug, |counts| {
            counts["counted_through"].as_str().unwrap().parse::<ballot::Timestamp>().unwrap() > now
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Ended already, if the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn command(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landslide"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(arguments)
        .env("LANDSLIDE_ADMIN_TOKEN", TOKEN)
        .env("LANDSLIDE_DRAIN", "0s")
        .env("LANDSLIDE_LOG", "warn")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// A folder and a node on it.
pub fn fresh() -> (TempDir, Node) {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&folder.path().join("data"), &[]);
    (folder, node)
}

pub fn definition(more: Value) -> Value {
    let mut definition = json!({
        "title": "Your favourite",
        "opens_at": "2026-01-01T00:00:00Z",
        "results": "live",
        "choices": [
            {"choice": "a", "title": "A"}, {"choice": "b", "title": "B"},
            {"choice": "c", "title": "C"},
        ],
    });
    for (key, value) in more.as_object().unwrap() {
        definition[key] = value.clone();
    }
    definition
}
