//! A small server with planted faults.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    sync::Arc,
    time::Duration,
};

use ballot::{BallotId, Device};
use bytes::Bytes;
use fastrand::Rng;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header::RETRY_AFTER,
    server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::now;

/// How the server misbehaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    None,
    /// Of ten requests, one is recorded without a reply, one is lost unrecorded, one gets 503.
    Unreliable,
    /// Acknowledges every 50th ballot without recording it.
    Forgets,
    /// Counts every request, not every ballot id.
    CountsRetries,
    /// Does not take any ballot.
    NotOpen,
    /// Never answers a ballot, but records every second one.
    NeverReplies,
}

pub(super) struct Server {
    pub(super) fault: Fault,
    contest: Option<Value>,
    /// (ballot id, identity, choice); the identity keeps devices and voters apart.
    pub(super) recorded: Vec<(BallotId, String, String)>,
    ballots: u64,
    rng: Rng,
}

pub(super) type Shared = Arc<Mutex<Server>>;

pub(super) fn shared(fault: Fault) -> Shared {
    Arc::new(Mutex::new(Server {
        fault,
        contest: None,
        recorded: Vec::new(),
        ballots: 0,
        rng: Rng::with_seed(5),
    }))
}

pub(super) async fn start(server: &Shared) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, Arc::clone(server)));
    url
}

pub(super) async fn serve(listener: TcpListener, server: Shared) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer_all(stream, Arc::clone(&server)));
    }
}

pub(super) async fn answer_all(stream: TcpStream, server: Shared) {
    let service = service_fn(|request| answer(request, &server));
    // Errors are what the clients are tested with.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    server: &Shared,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let path: Vec<&str> = head.uri.path().trim_start_matches("/v1/").split('/').collect();
    let mut server = server.lock();
    let reply = match (head.method, path.as_slice()) {
        (Method::PUT, ["admin", "contests", "tv-series"]) => {
            let contest: Value = serde_json::from_slice(&body).unwrap();
            server.contest = Some(contest.clone());
            (201, contest)
        }
        (Method::GET, ["admin", "contests", "tv-series"]) => match &server.contest {
            Some(contest) => (200, contest.clone()),
            None => (404, json!({})),
        },
        (Method::POST, ["admin", "contests", "tv-series", "open"]) => {
            let contest = server.contest.as_mut().unwrap();
            contest["opens_at"] = json!("2026-11-23T20:00:00Z");
            (200, contest.clone())
        }
        (Method::POST, ["admin", "contests", "tv-series", "close"]) => (200, json!({})),
        (Method::POST, ["admin", "contests", "tv-series", "channels"]) => {
            (201, json!({"channel": "sms", "key": "k-sms"}))
        }
        (Method::GET, ["admin", "contests", "tv-series", "counts"]) => (200, server.row()),
        (Method::POST, ["contests", "tv-series", "ballots"]) => {
            let ballot: Value = serde_json::from_slice(&body).unwrap();
            server.take(&[ballot], "device")?
        }
        (Method::POST, ["contests", "tv-series", "batches"]) => {
            assert_eq!(head.headers["authorization"], "Bearer k-sms");
            let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let ballots: Vec<Value> =
                lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
            server.take(&ballots, "voter")?
        }
        (method, path) => panic!("{method} {path:?}"),
    };
    let mut response = Response::new(Full::new(reply.1.to_string().into()));
    *response.status_mut() = StatusCode::from_u16(reply.0).unwrap();
    if reply.0 == 503 {
        response.headers_mut().insert(RETRY_AFTER, 0.into());
    }
    Ok(response)
}

impl Server {
    fn take(&mut self, ballots: &[Value], identity: &str) -> Result<(u16, Value), io::Error> {
        let lost = || io::Error::other("planted");
        let roll = self.rng.u8(..10);
        match self.fault {
            Fault::Unreliable if roll < 1 => return Err(lost()),
            Fault::Unreliable if roll < 2 => return Ok((503, json!({}))),
            Fault::NotOpen => return Ok((409, json!({"type": "https://l.example/not-open"}))),
            Fault::NeverReplies if roll < 5 => return Err(lost()),
            _ => {}
        }
        for ballot in ballots {
            self.ballots += 1;
            if self.fault == Fault::Forgets && self.ballots.is_multiple_of(50) {
                continue;
            }
            let id = BallotId::parse(ballot["ballot_id"].as_str().unwrap()).unwrap();
            let voter = ballot[identity].as_str().unwrap().to_owned();
            assert!(identity != "device" || Device::parse(&voter).is_some());
            let choice = ballot["choice"].as_str().unwrap().to_owned();
            self.recorded.push((id, voter, choice));
        }
        match self.fault {
            Fault::Unreliable if roll < 3 => return Err(lost()),
            Fault::NeverReplies => return Err(lost()),
            _ => {}
        }
        Ok(match ballots {
            [ballot] if identity == "device" => (201, json!({"ballot_id": ballot["ballot_id"]})),
            _ => (200, json!({"recorded": ballots.len(), "rejected": []})),
        })
    }

    /// The row that a tally under policy `one` would publish.
    pub(super) fn row(&self) -> Value {
        let mut votes: HashMap<&str, u64> = HashMap::new();
        let mut voters = BTreeSet::new();
        for (_, voter, choice) in &self.recorded {
            if voters.insert(voter) || self.fault == Fault::CountsRetries {
                *votes.entry(choice).or_default() += 1;
            }
        }
        let total: u64 = votes.values().sum();
        let recorded = self.recorded.len() as u64;
        let choices = self.contest.as_ref().unwrap()["choices"].as_array().unwrap();
        let choices: Vec<Value> = choices
            .iter()
            .map(|choice| {
                let votes = votes.get(choice["choice"].as_str().unwrap()).copied().unwrap_or(0);
                json!({"choice": choice["choice"], "title": choice["title"], "votes": votes})
            })
            .collect();
        // Ahead, as everything is in it at once.
        let through = now().plus(Duration::from_secs(60));
        json!({
            "contest": "tv-series", "status": "provisional", "generation": 1,
            "counted_through": through, "closed_at": null, "total": total, "choices": choices,
            "ballots": {"recorded": recorded, "counted": total, "duplicate": recorded - total,
                "late": 0, "void": 0},
            "channels": {"web": total},
        })
    }
}
