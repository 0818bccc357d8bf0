//! The smallest HTTP client: one request a connection, written and read as bytes, so that a test
//! can send what no client library would.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use crate::document;

#[derive(Clone, Debug)]
pub struct Request {
    address: String,
    method: String,
    path: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(address: &str, method: &str, path: &str) -> Self {
        Self {
            address: address.into(),
            method: method.into(),
            path: path.into(),
            host: address.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn bytes(&self) -> Vec<u8> {
        let Self { method, path, host, .. } = self;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        head += "Connection: close\r\n\r\n";
        [head.as_bytes(), &self.body].concat()
    }

    /// Sends it, and holds the reply against the OpenAPI document.
    #[track_caller]
    pub fn send(&self) -> Reply {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // A refusal may come, and the connection go, before all is written.
        let _ = stream.write_all(&self.bytes());
        let reply = read_reply(&mut stream).unwrap();
        document::check(&self.method, &self.path, &reply);
        reply
    }
}

/// Reads until the other end closes; `None` if that was before a whole reply.
pub fn read_reply(stream: &mut impl Read) -> Option<Reply> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
        body = unchunked(&body);
    }
    Some(Reply { status, headers, body })
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let length = str::from_utf8(&rest[..line]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        body.extend_from_slice(&rest[line + 2..][..length]);
        rest = &rest[line + 2 + length + 2..];
    }
    body
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// Checks everything that a problem always has, and gives its body.
    #[track_caller]
    pub fn problem(&self, status: u16, name: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{text}");
        let body = self.json();
        assert_eq!(body["type"], format!("urn:landslide:problem:{name}"), "{text}");
        assert_eq!(body["status"], status);
        assert!(!body["title"].as_str().unwrap().is_empty());
        assert!(!body["detail"].as_str().unwrap().is_empty());
        if status == 400 || status == 422 {
            assert!(body["field"].is_string(), "{text}");
        }
        if status == 409 {
            assert!(body.get("opens_at").is_some() && body.get("closes_at").is_some(), "{text}");
        }
        if status == 429 || status == 503 {
            let seconds: u32 = self.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=10).contains(&seconds));
        }
        body
    }
}
