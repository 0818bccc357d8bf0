//! A client: sends what is due on its connection, and retries what was not answered.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use crate::{
    ballots::Envelope,
    connection::{Connection, NoReply},
    lane::{Lane, Stage},
    outcome::{Outcome, judge, unanswered},
};

/// A connection that is cut on purpose lives up to this much after its request was sent: shorter
/// and longer than a commit takes.
const CUT_DELAY_MAX: Duration = Duration::from_millis(6);
/// Pause after a connection that could not be made, so that a node that is down does not turn
/// every client into a busy loop.
const CONNECT_PAUSE: Duration = Duration::from_millis(40);

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
        let mut stage = self.lane.stage.clone();
        tokio::select! {
            biased;
            outcome = self.exchange(envelope) => outcome,
            _ = stage.wait_for(|stage| *stage == Stage::Abandoned) => {
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
        let offer = &self.lane.run.offer;
        let address = &offer.addresses[self.turn % offer.addresses.len()];
        let round = self.turn / offer.addresses.len();
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => match Connection::open(address, round, offer.timeout).await {
                Ok(connection) => connection,
                Err(error) => {
                    self.turn += 1;
                    let jitter = self.lane.rng.borrow_mut().f64();
                    sleep(CONNECT_PAUSE.mul_f64(0.5 + jitter)).await;
                    return unanswered(&error);
                }
            },
        };

        let ledger = &self.lane.run.ledger;
        ledger.requests.fetch_add(1, Relaxed);
        if envelope.attempts > 0 {
            ledger.retries.fetch_add(1, Relaxed);
        }
        let call = offer.route.call(envelope);
        let cut = self.cut_delay();
        let sent = connection.send(address, &call, offer.timeout);
        if let Some(delay) = cut {
            // A reply that comes first is lost, too.
            let _ = timeout(delay, sent).await;
            ledger.cuts.fetch_add(1, Relaxed);
            return unanswered(&NoReply::Unknown("cut"));
        }
        match sent.await {
            Ok(reply) => {
                let outcome = judge(&reply, envelope);
                if matches!(outcome, Outcome::Failed { .. }) {
                    self.turn += 1;
                }
                // Kept unless the next one goes elsewhere.
                let goes_elsewhere = offer.addresses.len() > 1 || address.has_others();
                if !goes_elsewhere || !matches!(outcome, Outcome::Failed { .. }) {
                    self.connection = Some(connection);
                }
                outcome
            }
            Err(error) => {
                self.turn += 1;
                unanswered(&error)
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
        let cut = rng.f64() < self.lane.run.offer.cut;
        cut.then(|| CUT_DELAY_MAX.mul_f64(rng.f64()))
    }
}

/// Notes what an attempt came to, and puts the request back where it is to be retried.
fn settle(lane: &Lane, mut envelope: Envelope, first_sent: Instant, outcome: Outcome) {
    let ledger = &lane.run.ledger;
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
            let policy = &lane.run.offer.retry;
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
