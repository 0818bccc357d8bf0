//! Whole runs against a small server with planted faults.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ballot::{BallotId, Device, Timestamp};
use bytes::Bytes;
use clap::Parser;
use fastrand::Rng;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header::RETRY_AFTER,
    server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

use crate::{
    address::{Address, Trust},
    endpoints::Resolve,
    failure::Failure,
    options::Options,
    report::{Check, Checked, Report},
    run::{measure, measure_at},
};

/// How the server misbehaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
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

struct Server {
    fault: Fault,
    contest: Option<Value>,
    /// (ballot id, identity, choice); the identity keeps devices and voters apart.
    recorded: Vec<(BallotId, String, String)>,
    ballots: u64,
    rng: Rng,
}

type Shared = Arc<Mutex<Server>>;

fn shared(fault: Fault) -> Shared {
    Arc::new(Mutex::new(Server {
        fault,
        contest: None,
        recorded: Vec::new(),
        ballots: 0,
        rng: Rng::with_seed(5),
    }))
}

async fn start(server: &Shared) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, Arc::clone(server)));
    url
}

async fn serve(listener: TcpListener, server: Shared) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer_all(stream, Arc::clone(&server)));
    }
}

async fn answer_all(stream: TcpStream, server: Shared) {
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
    fn row(&self) -> Value {
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
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        // Ahead, as everything is in it at once.
        let through = Timestamp::from_micros(now.as_micros() as i64).plus(Duration::from_secs(60));
        json!({
            "contest": "tv-series", "status": "provisional", "generation": 1,
            "counted_through": through, "closed_at": null, "total": total, "choices": choices,
            "ballots": {"recorded": recorded, "counted": total, "duplicate": recorded - total,
                "late": 0, "void": 0},
            "channels": {"web": total},
        })
    }
}

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    options: Options,
}

fn options(url: &str, more: &str) -> Options {
    let line = format!("bench --url {url} --admin-token t --seed 7 {more}");
    Command::parse_from(line.split_whitespace()).options
}

async fn run(fault: Fault, more: &str) -> (Report, Shared) {
    let server = shared(fault);
    let url = start(&server).await;
    let report = measure(&options(&url, more)).await.unwrap();
    (report, server)
}

fn equal(report: &Report) -> &Checked {
    match &report.check {
        Check::Equal(checked) => checked,
        _ => panic!("{report}"),
    }
}

fn different(report: &Report) -> &Checked {
    match &report.check {
        Check::Different(checked) => checked,
        _ => panic!("{report}"),
    }
}

#[tokio::test]
async fn a_good_server_is_equal_in_a_closed_loop_over_two_threads() {
    let (report, server) = run(Fault::None, "--votes 2000 --connections 16 --threads 2").await;
    equal(&report);
    assert_eq!(report.ballots.acknowledged, 2_000);
    assert_eq!(report.requests.sent, 2_000);
    assert_eq!(server.lock().recorded.len(), 2_000);
}

#[tokio::test]
async fn an_unreliable_server_is_retried_until_every_ballot_is_acknowledged_once() {
    let more = "--votes 500 --connections 64 --cut 10% --duplicates 20%";
    let (report, server) = run(Fault::Unreliable, more).await;
    let checked = equal(&report);
    assert_eq!(report.ballots.acknowledged, 500);
    assert!(report.requests.retries > 100 && report.requests.cuts > 10, "{report}");
    assert!(report.requests.copies > 50, "{report}");
    assert_eq!(checked.ballots.unwrap().counted, 500);
    let server = server.lock();
    let ids: BTreeSet<BallotId> = server.recorded.iter().map(|(id, ..)| *id).collect();
    let ballots: BTreeSet<_> = server.recorded.iter().cloned().collect();
    assert_eq!((ids.len(), ballots.len()), (500, 500), "a retry repeats id, device and choice");
    assert!(server.recorded.len() > 500);
}

#[tokio::test]
async fn an_open_loop_keeps_its_rate_and_a_gateway_its_batches() {
    let more = "--rate 1000 --duration 1s --connections 32";
    let (report, _) = run(Fault::Unreliable, more).await;
    equal(&report);
    assert_eq!((report.ballots.begun, report.ballots.acknowledged), (1_000, 1_000));
    let more = "--gateway sms --batch 100 --votes 2050 --connections 4 --duplicates 30%";
    let (report, server) = run(Fault::Unreliable, more).await;
    assert_eq!(equal(&report).ballots.unwrap().counted, 2_050);
    assert!(server.lock().recorded.len() > 2_050);
}

#[tokio::test]
async fn a_server_that_forgets_what_it_acknowledged_is_found_out() {
    let (report, _) = run(Fault::Forgets, "--votes 500 --connections 8").await;
    let checked = different(&report);
    assert_eq!((checked.lost, checked.extra), (10, 0));
    assert!(report.to_string().contains("10 votes LOST"), "{report}");
}

#[tokio::test]
async fn a_server_that_counts_retries_is_found_out() {
    let (report, _) = run(Fault::CountsRetries, "--votes 500 --duplicates 10%").await;
    let checked = different(&report);
    assert_eq!((checked.lost, checked.extra), (0, report.requests.copies));
    assert!(report.to_string().contains("TOO MANY"), "{report}");
}

#[tokio::test]
async fn older_votes_are_not_of_this_run() {
    let (_, server) = run(Fault::None, "--votes 300").await;
    let url = start(&server).await;
    let report = measure(&options(&url, "--votes 200 --choices one:the-wire")).await.unwrap();
    let checked = equal(&report);
    assert_eq!(checked.ballots.unwrap().counted, 500);
    assert_eq!(checked.comparison.choices[9].counted, 200);
}

#[tokio::test]
async fn a_certain_refusal_is_an_end_and_nothing_acknowledged_is_no_verdict() {
    let (report, _) = run(Fault::NotOpen, "--votes 50").await;
    assert_eq!(report.ballots.refused["409 https://l.example/not-open"], 50);
    assert_eq!(report.requests.retries, 0);
    assert!(matches!(report.check, Check::NotChecked { .. }), "{report}");
}

#[tokio::test]
async fn ballots_never_answered_are_unknown_and_widen_the_range() {
    let server = shared(Fault::None);
    let url = start(&server).await;
    measure(&options(&url, "--votes 10")).await.unwrap();
    server.lock().fault = Fault::NeverReplies;
    let more = "--votes 20 --connections 20 --give-up-after 1s";
    let report = measure(&options(&url, more)).await.unwrap();
    assert_eq!((report.ballots.unknown, report.ballots.acknowledged), (20, 0), "{report}");
    let counted = server.lock().row()["total"].as_u64().unwrap();
    assert!(counted > 10, "some were recorded");
}

#[tokio::test]
async fn the_next_address_is_used_when_one_is_down_and_a_server_may_come_back() {
    let server = shared(Fault::None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Port 1 answers nobody.
    let more =
        format!("--url http://127.0.0.1:1 --votes 400 --connections 8 --rate 400 --url {url}");
    let serving = tokio::spawn(serve(listener, Arc::clone(&server)));
    let restart = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        serving.abort();
        let _ = serving.await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let again = TcpListener::bind(url.trim_start_matches("http://")).await.unwrap();
        tokio::spawn(serve(again, Arc::clone(&server)));
    };
    let options = options(&url, &more);
    let (report, ()) = tokio::join!(measure(&options), restart);
    let report = report.unwrap();
    equal(&report);
    assert_eq!(report.ballots.acknowledged, 400);
    assert!(report.requests.failures["connection refused"] > 0, "{report}");
}

/// Two balancers behind one name, the first of which is killed: its connections are reset, and new
/// ones refused.
#[tokio::test]
async fn the_second_address_of_a_name_takes_the_clients_of_the_first() {
    struct Two(u16);
    impl Resolve for Two {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            let both = [[127, 0, 0, 1], [127, 0, 0, 2]].map(|host| (host, self.0).into());
            Box::pin(async move { Ok(both.to_vec()) })
        }
    }
    let server = shared(Fault::None);
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let killed = Arc::new(Mutex::new(Vec::new()));
    let first = tokio::spawn({
        let (server, killed) = (Arc::clone(&server), Arc::clone(&killed));
        async move {
            while let Ok((stream, _)) = first.accept().await {
                let answering = tokio::spawn(answer_all(stream, Arc::clone(&server)));
                killed.lock().push(answering.abort_handle());
            }
        }
    });
    tokio::spawn(serve(second, Arc::clone(&server)));
    let kill = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        first.abort();
        let _ = first.await;
        let killed = std::mem::take(&mut *killed.lock());
        killed.iter().for_each(AbortHandle::abort);
        killed.len()
    };
    let url = "http://vote.example";
    let options = options(url, "--votes 400 --connections 8 --rate 400");
    let address = Address::resolved_by(url, Trust::Anything, Arc::new(Two(port))).unwrap();
    let (report, killed) = tokio::join!(measure_at(&options, [address].into()), kill);
    let report = report.unwrap();
    equal(&report);
    assert_eq!(report.ballots.acknowledged, 400);
    // The load's own are half of them; the calls around it come and go.
    assert!(killed >= 4, "{killed} connections to the first");
}

#[tokio::test]
async fn mistakes_and_absent_servers_are_told_apart() {
    let away = measure(&options("http://127.0.0.1:1", "--give-up-after 300ms")).await;
    assert!(matches!(away, Err(Failure::Server(_))));
    let wrong = measure(&options("127.0.0.1", "")).await;
    assert!(matches!(wrong, Err(Failure::Usage(_))));
    let server = shared(Fault::None);
    let url = start(&server).await;
    let nothing = measure(&options(&url, "--choices one:the-weather")).await;
    assert!(matches!(nothing, Err(Failure::Usage(_))));
    let file = measure(&options(&url, "--replay /nonexistent.csv")).await;
    assert!(matches!(file, Err(Failure::Usage(_))));
}
