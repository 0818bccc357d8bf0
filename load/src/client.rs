//! A client: sends what is due on its connection, and retries what was not answered.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use ballot::Slug;
use http::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::{
    ballots::Envelope,
    connection::{Call, Connection, HeaderLines, NoReply, Reply},
    lane::Lane,
    load::Phase,
};

/// A connection that is cut on purpose lives up to this much after its request was sent: shorter
/// and longer than a commit takes.
const CUT_DELAY_MAX: Duration = Duration::from_millis(6);
/// Pause after a connection that could not be made, so that a node that is down does not turn
/// every client into a busy loop.
const CONNECT_PAUSE: Duration = Duration::from_millis(40);

/// How ballots become requests.
#[derive(Clone, Debug)]
pub struct Requests {
    path: Arc<str>,
    headers: HeaderLines,
}

impl Requests {
    /// Voters' own ballots.
    pub fn of_devices(contest: &Slug) -> Self {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let path = format!("/v1/contests/{contest}/ballots").into();
        Self { path, headers: headers.into_iter().collect() }
    }

    /// A gateway's batches; `bearer` is `Bearer` and the channel's key.
    pub(crate) fn of_gateway(contest: &Slug, bearer: HeaderValue) -> Self {
        let ndjson = HeaderValue::from_static("application/x-ndjson");
        let headers = [(CONTENT_TYPE, ndjson), (AUTHORIZATION, bearer)];
        let path = format!("/v1/contests/{contest}/batches").into();
        Self { path, headers: headers.into_iter().collect() }
    }

    fn call(&self, envelope: &Envelope) -> Call {
        Call {
            method: Method::POST,
            path: Arc::clone(&self.path),
            headers: self.headers.clone(),
            body: envelope.body.clone(),
        }
    }
}

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All ballots are recorded, but for those that were rejected: (index, problem type).
    Acknowledged(Vec<(usize, String)>),
    /// Certainly refused, with the problem's type.
    Refused(String),
    /// To be sent again.
    Failed {
        why: String,
        /// Whether the ballots may be recorded all the same.
        maybe_recorded: bool,
        retry_after: Option<Duration>,
    },
}

/// Sends what the lane says is due until all is over.
pub(crate) async fn send_until_over(lane: &Lane, number: u32) {
    let mut client = Client { lane, connection: None, turn: (lane.number + number) as usize };
    while let Some(mut envelope) = lane.next().await {
        let first_sent = *envelope.first_sent.get_or_insert_with(Instant::now);
        let outcome = client.attempt(&envelope).await;
        settle(lane, envelope, first_sent, outcome);
    }
}

struct Client<'a> {
    lane: &'a Lane,
    connection: Option<Connection>,
    /// Which URL, and round by round which address of its host; counts on without end.
    turn: usize,
}

impl Client<'_> {
    async fn attempt(&mut self, envelope: &Envelope) -> Outcome {
        let mut phase = self.lane.phase.clone();
        tokio::select! {
            biased;
            outcome = self.exchange(envelope) => outcome,
            _ = phase.wait_for(|phase| *phase == Phase::Abandoned) => {
                self.connection = None;
                Outcome::Failed {
                    why: "abandoned".to_owned(),
                    maybe_recorded: true,
                    retry_after: None,
                }
            }
        }
    }

    async fn exchange(&mut self, envelope: &Envelope) -> Outcome {
        let plan = &self.lane.common.plan;
        let address = &plan.addresses[self.turn % plan.addresses.len()];
        let round = self.turn / plan.addresses.len();
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => match Connection::open(address, round, plan.timeout).await {
                Ok(connection) => connection,
                Err(error) => {
                    self.turn += 1;
                    let jitter = self.lane.rng.borrow_mut().f64();
                    sleep(CONNECT_PAUSE.mul_f64(0.5 + jitter)).await;
                    return failed(&error);
                }
            },
        };

        let ledger = &self.lane.common.ledger;
        ledger.requests.fetch_add(1, Relaxed);
        if envelope.attempts > 0 {
            ledger.retries.fetch_add(1, Relaxed);
        }
        let call = plan.requests.call(envelope);
        let cut = self.cut_delay();
        let sent = connection.send(address, &call, plan.timeout);
        if let Some(delay) = cut {
            // A reply that comes first is lost, too.
            let _ = timeout(delay, sent).await;
            ledger.cuts.fetch_add(1, Relaxed);
            return failed(&NoReply::Unknown("cut"));
        }
        match sent.await {
            Ok(reply) => {
                let outcome = judge(&reply, envelope);
                if matches!(outcome, Outcome::Failed { .. }) {
                    self.turn += 1;
                }
                // Kept unless the next one goes elsewhere.
                let goes_elsewhere = plan.addresses.len() > 1 || address.has_others();
                if !goes_elsewhere || !matches!(outcome, Outcome::Failed { .. }) {
                    self.connection = Some(connection);
                }
                outcome
            }
            Err(error) => {
                self.turn += 1;
                failed(&error)
            }
        }
    }

    /// The connection of the request before, if it is still good.
    async fn kept(&mut self) -> Option<Connection> {
        let mut connection = self.connection.take()?;
        connection.is_usable().await.then_some(connection)
    }

    fn cut_delay(&self) -> Option<Duration> {
        let mut rng = self.lane.rng.borrow_mut();
        let cut = rng.f64() < self.lane.common.plan.cut;
        cut.then(|| CUT_DELAY_MAX.mul_f64(rng.f64()))
    }
}

fn failed(error: &NoReply) -> Outcome {
    Outcome::Failed {
        why: error.to_string(),
        maybe_recorded: matches!(error, NoReply::Unknown(_)),
        retry_after: None,
    }
}

/// Notes what an attempt came to, and puts the request back where it is to be retried.
fn settle(lane: &Lane, mut envelope: Envelope, first_sent: Instant, outcome: Outcome) {
    let ledger = &lane.common.ledger;
    envelope.attempts += 1;
    match outcome {
        Outcome::Acknowledged(rejected) if !envelope.is_copy => {
            let mut rejected = rejected.into_iter().peekable();
            let mut acknowledged = 0;
            for (index, choice) in envelope.choices.iter().enumerate() {
                match rejected.next_if(|(rejected, _)| *rejected == index) {
                    Some((_, problem)) => {
                        ledger.refuse(*choice, &problem, envelope.maybe_recorded);
                    }
                    None => {
                        ledger.acknowledge(*choice);
                        acknowledged += 1;
                    }
                }
            }
            if acknowledged > 0 {
                ledger.note_acknowledgement(Instant::now());
            }
            ledger.note_latency(lane.number as usize, envelope.due.elapsed(), acknowledged);
            lane.end(&envelope);
        }
        Outcome::Refused(problem) if !envelope.is_copy => {
            for choice in &envelope.choices {
                ledger.refuse(*choice, &problem, envelope.maybe_recorded);
            }
            lane.end(&envelope);
        }
        Outcome::Acknowledged(_) => lane.end(&envelope),
        Outcome::Refused(problem) => {
            ledger.fail(&format!("copy: {problem}"));
            lane.end(&envelope);
        }
        Outcome::Failed { why, maybe_recorded, retry_after } => {
            ledger.fail(&why);
            envelope.maybe_recorded |= maybe_recorded;
            let now = Instant::now();
            let mut rng = lane.rng.borrow_mut();
            let failed = envelope.attempts;
            let policy = &lane.common.plan.retry;
            let pause = policy.pause(first_sent, now, failed, retry_after, &mut rng);
            drop(rng);
            match pause.filter(|_| !envelope.is_copy) {
                Some(pause) => {
                    envelope.first_sent = Some(first_sent);
                    lane.send_again(envelope, now + pause);
                }
                None => lane.give_up(&envelope),
            }
        }
    }
}

/// What a reply means for the ballots sent.
fn judge(reply: &Reply, envelope: &Envelope) -> Outcome {
    let failed = |why: String, maybe_recorded| Outcome::Failed {
        why,
        maybe_recorded,
        retry_after: reply.retry_after(),
    };
    let acknowledged = match (reply.status, &envelope.ballot_id) {
        (StatusCode::CREATED, Some(id)) => {
            let id = id.to_string();
            let named = reply.body.windows(id.len()).any(|window| window == id.as_bytes());
            Some(named.then(Vec::new))
        }
        (StatusCode::OK, None) => Some(rejected_lines(&reply.body, envelope.choices.len())),
        _ => None,
    };
    match acknowledged {
        Some(Some(rejected)) => return Outcome::Acknowledged(rejected),
        Some(None) => return failed("reply not understood".to_owned(), true),
        None => {}
    }
    match reply.status {
        // Refused before anything was recorded, but not for good.
        StatusCode::TOO_MANY_REQUESTS => failed(problem(reply), false),
        StatusCode::REQUEST_TIMEOUT => failed(problem(reply), true),
        // A node whose commit was too late says 503, too: its batch may still surface.
        status if status.is_server_error() => failed(problem(reply), true),
        _ => Outcome::Refused(problem(reply)),
    }
}

/// The rejected ballots of a batch's reply in their order, if the reply accounts for every line.
fn rejected_lines(body: &[u8], lines: usize) -> Option<Vec<(usize, String)>> {
    #[derive(Deserialize)]
    struct BatchReply {
        recorded: usize,
        rejected: Vec<Rejected>,
    }
    #[derive(Deserialize)]
    struct Rejected {
        line: usize,
        #[serde(rename = "type")]
        problem: String,
    }
    let reply: BatchReply = serde_json::from_slice(body).ok()?;
    if reply.recorded + reply.rejected.len() != lines {
        return None;
    }
    let mut rejected = Vec::with_capacity(reply.rejected.len());
    for Rejected { line, problem } in reply.rejected {
        rejected.push((line.checked_sub(1).filter(|index| *index < lines)?, problem));
    }
    rejected.sort_unstable();
    rejected.dedup_by_key(|(index, _)| *index);
    (rejected.len() + reply.recorded == lines).then_some(rejected)
}

/// The type of the problem that a reply names, else its status.
fn problem(reply: &Reply) -> String {
    #[derive(Deserialize)]
    struct Problem {
        #[serde(rename = "type")]
        problem: String,
    }
    match serde_json::from_slice::<Problem>(&reply.body) {
        Ok(problem) => format!("{} {}", reply.status.as_u16(), problem.problem),
        Err(_) => reply.status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use ballot::{BallotId, Timestamp};
    use bytes::Bytes;

    use super::*;

    fn envelope(ballots: usize) -> Envelope {
        Envelope {
            body: Bytes::new(),
            choices: vec![0; ballots],
            ballot_id: (ballots == 1).then(|| BallotId::new(Timestamp::from_micros(0), [9; 10])),
            due: Instant::now(),
            first_sent: None,
            attempts: 0,
            maybe_recorded: false,
            is_copy: false,
        }
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply::of_test(status, "retry-after: 2", body)
    }

    fn of_one(status: u16, body: &str) -> Outcome {
        judge(&reply(status, body), &envelope(1))
    }

    #[test]
    fn only_the_ballots_own_id_with_201_is_an_acknowledgement() {
        let id = envelope(1).ballot_id.unwrap();
        let ours = format!(r#"{{"ballot_id":"{id}"}}"#);
        assert_eq!(of_one(201, &ours), Outcome::Acknowledged(vec![]));
        for (status, body) in [(201, "{}"), (201, "")] {
            let outcome = of_one(status, body);
            assert!(matches!(outcome, Outcome::Failed { maybe_recorded: true, .. }), "{outcome:?}");
        }
        assert!(matches!(of_one(200, &ours), Outcome::Refused(_)));
    }

    #[test]
    fn what_may_work_later_is_retried_and_what_will_not_is_an_end() {
        for (status, maybe) in [(503, true), (500, true), (502, true), (408, true), (429, false)] {
            let Outcome::Failed { maybe_recorded, retry_after, .. } = of_one(status, "") else {
                panic!("{status} is to be retried");
            };
            assert_eq!(maybe_recorded, maybe, "{status}");
            assert_eq!(retry_after, Some(Duration::from_secs(2)));
        }
        for status in [400, 401, 403, 404, 409, 413, 415, 422, 302] {
            assert!(matches!(of_one(status, ""), Outcome::Refused(_)), "{status}");
        }
        let named = of_one(409, r#"{"type":"https://landslide.example/not-open"}"#);
        assert_eq!(named, Outcome::Refused("409 https://landslide.example/not-open".to_owned()));
    }

    #[test]
    fn a_batchs_reply_accounts_for_every_line() {
        let of_three = |body: &str| judge(&reply(200, body), &envelope(3));
        let all = of_three(r#"{"recorded":3,"rejected":[]}"#);
        assert_eq!(all, Outcome::Acknowledged(vec![]));
        let some = r#"{"recorded":1,"rejected":[{"line":3,"type":"a"},{"line":1,"type":"b"}]}"#;
        let expected = vec![(0, "b".to_owned()), (2, "a".to_owned())];
        assert_eq!(of_three(some), Outcome::Acknowledged(expected));
        for wrong in [
            "",
            r#"{"recorded":2,"rejected":[]}"#,
            r#"{"recorded":2,"rejected":[{"line":0,"type":"a"}]}"#,
            r#"{"recorded":2,"rejected":[{"line":4,"type":"a"}]}"#,
            r#"{"recorded":1,"rejected":[{"line":2,"type":"a"},{"line":2,"type":"a"}]}"#,
        ] {
            let outcome = of_three(wrong);
            assert!(matches!(outcome, Outcome::Failed { maybe_recorded: true, .. }), "{wrong}");
        }
    }
}
