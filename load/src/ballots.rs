//! The ballots of a run, made before they are first sent and never changed after.

use std::{fmt::Write, sync::Arc, time::Instant};

use ballot::{BallotId, Slug};
use bytes::Bytes;
use fastrand::Rng;
use xxhash_rust::xxh3::xxh3_128;

use crate::{choices::Draw, clock::now};

/// Where the ballots of a run come from, and how they are sent.
#[derive(Clone)]
pub struct Source {
    /// The contest's choices, in its order.
    pub choices: Arc<[Slug]>,
    /// What is voted for.
    pub votes: Votes,
    /// Whether they come one by one or as a gateway's batches.
    pub delivery: Delivery,
    /// Seeds what is drawn.
    pub seed: u64,
}

/// What is voted for.
#[derive(Clone)]
pub enum Votes {
    /// New voters, whose choices are drawn.
    Drawn(Draw),
    /// These voters and choices, each once.
    Replayed(Arc<[(String, u16)]>),
}

/// How ballots are sent.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// Each voter's device sends its own.
    Devices,
    /// A gateway sends batches of so many on its channel.
    Gateway {
        /// Its channel.
        channel: Slug,
        /// Ballots of a batch.
        batch: u64,
    },
}

/// Ballots that travel in one request, with all that a retry must repeat.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    /// The request's body.
    pub(crate) body: Bytes,
    /// Each ballot's choice, in the order of the body.
    pub(crate) choices: Vec<u16>,
    /// The ballot id that the reply must name; none for a batch.
    pub(crate) ballot_id: Option<BallotId>,
    /// When it was due to be sent: where its latency starts.
    pub(crate) due: Instant,
    /// When it was first sent: where the time to give it up starts.
    pub(crate) first_sent: Option<Instant>,
    /// Requests so far.
    pub(crate) attempts: u32,
    /// Whether a request without a good reply may have been recorded.
    pub(crate) maybe_recorded: bool,
    /// ChoiceBallots again on purpose: one attempt, whose reply counts for nothing.
    pub(crate) is_copy: bool,
}

impl Source {
    /// Ballots in a request.
    pub(crate) fn ballots_per_request(&self) -> u64 {
        match &self.delivery {
            Delivery::Devices => 1,
            Delivery::Gateway { batch, .. } => *batch,
        }
    }

    /// How many ballots there are, if the source says.
    pub(crate) fn len(&self) -> Option<u64> {
        match &self.votes {
            Votes::Drawn(_) => None,
            Votes::Replayed(ballots) => Some(ballots.len() as u64),
        }
    }

    /// Makes ballots `first` up to but not including `end` of the run. `identities` is where
    /// devices and ballot ids come from; it must not repeat over the life of a contest.
    pub(crate) fn make(
        &self,
        first: u64,
        end: u64,
        due: Instant,
        identities: &mut Rng,
    ) -> Envelope {
        let mut body = String::with_capacity(256 * (end - first) as usize);
        let mut choices = Vec::with_capacity((end - first) as usize);
        let mut ballot_id = None;
        for n in first..end {
            let (voter, choice) = self.vote(n);
            let mut random = [0; 10];
            identities.fill(&mut random);
            let id = BallotId::new(now(), random);
            choices.push(choice);
            ballot_id = Some(id);
            let slug = &self.choices[usize::from(choice)];
            let written = match &self.delivery {
                Delivery::Devices => {
                    let device = device(voter, identities);
                    write!(body, r#"{{"ballot_id":"{id}","choice":"{slug}","device":"{device}"}}"#)
                }
                Delivery::Gateway { channel, .. } => {
                    let voter = match voter {
                        Some(voter) => serde_json::Value::from(voter),
                        None => serde_json::Value::from(format!("{:032x}", identities.u128(..))),
                    };
                    writeln!(
                        body,
                        r#"{{"ballot_id":"{id}","voter":{voter},"choice":"{slug}","channel":"{channel}"}}"#
                    )
                }
            };
            written.expect("a string takes every write");
        }
        Envelope {
            body: body.into(),
            choices,
            ballot_id: ballot_id.filter(|_| matches!(self.delivery, Delivery::Devices)),
            due,
            first_sent: None,
            attempts: 0,
            maybe_recorded: false,
            is_copy: false,
        }
    }

    /// The voter, if replayed, and the choice of ballot `n`.
    fn vote(&self, n: u64) -> (Option<&str>, u16) {
        match &self.votes {
            // From the seed and the number alone, so that the threads' pace changes nothing.
            Votes::Drawn(draw) => {
                let seed = self.seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (None, draw.next(&mut Rng::with_seed(seed)))
            }
            Votes::Replayed(ballots) => {
                let (voter, choice) = &ballots[n as usize];
                (Some(voter), *choice)
            }
        }
    }
}

/// A replayed voter's device, always the same; else a new one.
fn device(voter: Option<&str>, identities: &mut Rng) -> uuid::Uuid {
    let bits = match voter {
        Some(voter) => xxh3_128(voter.as_bytes()),
        None => identities.u128(..),
    };
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ballot::Device;
    use serde_json::Value;

    use super::*;
    use crate::choices::{Spread, WeightedChoice, tv_series};

    fn source(delivery: Delivery) -> Source {
        let weights = tv_series().unwrap();
        let choices: Arc<[Slug]> =
            weights.iter().map(|row: &WeightedChoice| row.choice.clone()).collect();
        let draw = Draw::new(&Spread::Weighted, &weights, &choices).unwrap();
        Source { choices, votes: Votes::Drawn(draw), delivery, seed: 11 }
    }

    fn member<'a>(ballot: &'a Value, name: &str) -> &'a str {
        ballot[name].as_str().unwrap()
    }

    #[test]
    fn a_ballot_is_what_the_contract_says_and_its_choice_is_the_seeds() {
        let source = source(Delivery::Devices);
        let (mut one, mut other) = (Rng::with_seed(1), Rng::with_seed(2));
        let mut devices = HashSet::new();
        for n in 0..200 {
            let envelope = source.make(n, n + 1, Instant::now(), &mut one);
            let again = source.make(n, n + 1, Instant::now(), &mut other);
            assert_eq!(envelope.choices, again.choices);
            assert_ne!(envelope.ballot_id, again.ballot_id);
            let ballot: Value = serde_json::from_slice(&envelope.body).unwrap();
            let id = BallotId::parse(member(&ballot, "ballot_id")).unwrap();
            assert_eq!(envelope.ballot_id, Some(id));
            assert!(Device::parse(member(&ballot, "device")).is_some());
            assert!(devices.insert(member(&ballot, "device").to_owned()));
            let choice = usize::from(envelope.choices[0]);
            assert_eq!(member(&ballot, "choice"), source.choices[choice].as_str());
        }
    }

    #[test]
    fn a_gateways_batch_is_one_ballot_a_line() {
        let source = source(Delivery::Gateway { channel: "sms".parse().unwrap(), batch: 3 });
        let envelope = source.make(3, 6, Instant::now(), &mut Rng::with_seed(1));
        let text = std::str::from_utf8(&envelope.body).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), envelope.choices.len(), envelope.ballot_id), (3, 3, None));
        let voters: HashSet<&str> = lines.iter().map(|line| member(line, "voter")).collect();
        assert_eq!(voters.len(), 3);
        assert_eq!(member(&lines[0], "channel"), "sms");
    }

    #[test]
    fn a_replayed_voter_keeps_device_and_choice() {
        let ballots = [("Ann \"A\"".to_owned(), 1), ("Bob".to_owned(), 0)];
        let votes = Votes::Replayed(ballots.into());
        let make = |delivery: Delivery, n: u64, seed: u64| {
            let source = Source { votes: votes.clone(), ..source(delivery) };
            let envelope = source.make(n, n + 1, Instant::now(), &mut Rng::with_seed(seed));
            serde_json::from_slice::<Value>(envelope.body.trim_ascii()).unwrap()
        };
        let ann = make(Delivery::Devices, 0, 1);
        assert_eq!(ann["device"], make(Delivery::Devices, 0, 2)["device"]);
        assert_ne!(ann["device"], make(Delivery::Devices, 1, 1)["device"]);
        assert_eq!(member(&ann, "choice"), "breaking-bad");
        let gateway = Delivery::Gateway { channel: "sms".parse().unwrap(), batch: 1 };
        assert_eq!(member(&make(gateway, 0, 1), "voter"), "Ann \"A\"");
    }
}
