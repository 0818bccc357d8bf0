//! What a reply means for the ballots that were sent.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use crate::{ballots::Envelope, connection::NoReply, reply::Reply};

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

/// What it means that there is no reply.
pub(crate) fn unanswered(error: &NoReply) -> Outcome {
    Outcome::Failed {
        why: error.to_string(),
        maybe_recorded: matches!(error, NoReply::Unknown(_)),
        retry_after: None,
    }
}

/// What a reply means for the ballots sent.
pub(crate) fn judge(reply: &Reply, envelope: &Envelope) -> Outcome {
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
    use std::time::Instant;

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
