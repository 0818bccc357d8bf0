//! Whole runs against a small server with planted faults.

mod server;

use std::{collections::BTreeSet, io, net::SocketAddr, sync::Arc, time::Duration};

use ballot::BallotId;
use clap::Parser;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::AbortHandle};

use crate::{
    address::{Address, Trust},
    bench::{measure, measure_at},
    endpoints::Resolve,
    failure::Failure,
    options::Options,
    report::{Checked, Report, Verdict},
};

use server::{Fault, Shared, answer_all, serve, shared, start};

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
        Verdict::Equal(checked) => checked,
        _ => panic!("{report}"),
    }
}

fn different(report: &Report) -> &Checked {
    match &report.check {
        Verdict::Different(checked) => checked,
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
    assert!(matches!(report.check, Verdict::NotChecked { .. }), "{report}");
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
    // The crowd's own are half of them; the calls around it come and go.
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
