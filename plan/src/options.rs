//! What a user may ask of `landslide plan`.

use std::path::PathBuf;

use clap::Args;

use crate::inputs::{Connections, Engine, Inputs};

const EXAMPLES: &str = "\
Examples:
  # a finale of 50,000 votes a second; everything else has a default
  landslide plan --peak 50000

  # 20 million voters with three votes each, over four hours, on DynamoDB
  landslide plan --peak 200000 --voters 20000000 --votes-per-voter 3 --hours 4 --engine dynamodb

  # three regions, each with two replicas
  landslide plan --peak 1000000 --regions 3 --replicas 2

  # your own prices; what a script reads
  landslide plan --peak 50000 --prices prices.toml --json | jq .price.total

Exit codes: 0 it can be done, 1 no number of machines does it with this engine and one contest (the
plan says why), 2 wrong usage.";

/// The options of `landslide plan`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Votes a second at the busiest moment
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    peak: f64,
    /// Voters expected [default: as many as vote in 200 s of the peak]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    voters: Option<f64>,
    /// Votes that each of them casts
    #[arg(long, value_name = "N", default_value_t = 1.0, allow_negative_numbers = true)]
    votes_per_voter: f64,
    /// How long the contest is open
    #[arg(long, value_name = "N", default_value_t = 2.0, allow_negative_numbers = true)]
    hours: f64,
    /// What the ballots are stored on
    #[arg(long, value_enum, default_value_t = Engine::Cassandra)]
    engine: Engine,
    /// Regions with intake nodes; a Cassandra cluster spans them, a DynamoDB table stays in one
    #[arg(long, value_name = "N", default_value_t = 1)]
    regions: u32,
    /// Copies of each ballot in each region [default: 3; embedded: 1]
    #[arg(long, value_name = "N")]
    replicas: Option<u32>,
    /// Cores of each balancer, intake and store node
    #[arg(long, value_name = "N", default_value_t = 8)]
    cores_per_node: u32,
    /// Share of each resource that is left free at the peak
    #[arg(long, value_name = "SHARE", default_value_t = 0.4, allow_negative_numbers = true)]
    headroom: f64,
    /// What voters' telephones do with their TLS connections
    #[arg(long, value_enum, default_value_t = Connections::New)]
    connections: Connections,
    /// Prices in TOML instead of the built-in ones (landslide/plan/prices.toml)
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
}

/// Without a number of voters, the vote is so many seconds of the peak.
const VOTE_PEAK_SECONDS: f64 = 200.0;

impl Options {
    /// Checks what was asked; a mistake is a sentence.
    pub fn inputs(&self) -> Result<Inputs, String> {
        within("--peak", self.peak, 1.0, 1e9, "votes a second")?;
        within("--votes-per-voter", self.votes_per_voter, 1.0, 1e3, "votes")?;
        within("--hours", self.hours, 0.01, 43_920.0, "hours (five years, a contest's limit)")?;
        within("--headroom", self.headroom, 0.0, 0.9, "(a share of each resource)")?;
        within("--regions", self.regions.into(), 1.0, 20.0, "regions")?;
        within("--cores-per-node", self.cores_per_node.into(), 2.0, 256.0, "cores")?;
        let seconds = self.hours * 3_600.0;
        let usual = self.peak * seconds.min(VOTE_PEAK_SECONDS) / self.votes_per_voter;
        let voters = self.voters.unwrap_or(usual.ceil());
        if self.voters.is_some() {
            within("--voters", voters, 1.0, 1e11, "voters")?;
            if voters * self.votes_per_voter > self.peak * seconds {
                return Err(format!(
                    "{voters} voters with {} votes each cannot all vote within {} hours at {} \
                     votes a second: raise --peak, or lower --voters",
                    self.votes_per_voter, self.hours, self.peak
                ));
            }
        }
        if voters * self.votes_per_voter < self.peak * seconds.min(1.0) {
            return Err(format!(
                "{voters} voters with {} votes each cannot make {} votes in the busiest second: \
                 lower --peak, or raise --voters",
                self.votes_per_voter, self.peak
            ));
        }
        Ok(Inputs {
            peak: self.peak,
            voters,
            votes_per_voter: self.votes_per_voter,
            hours: self.hours,
            engine: self.engine,
            regions: self.regions,
            replicas: self.replicas()?,
            cores_per_node: self.cores_per_node,
            headroom: self.headroom,
            connections: self.connections,
        })
    }

    fn replicas(&self) -> Result<u32, String> {
        if self.engine == Engine::Embedded && self.regions > 1 {
            return Err("the embedded store is one machine: it cannot span --regions".into());
        }
        match (self.engine, self.replicas) {
            (Engine::Embedded, None | Some(1)) => Ok(1),
            (Engine::Embedded, Some(_)) => {
                Err("the embedded store keeps one copy: leave --replicas out, or plan for \
                     --engine cassandra"
                    .into())
            }
            (Engine::Dynamodb, None | Some(3)) => Ok(3),
            (Engine::Dynamodb, Some(_)) => {
                Err("DynamoDB keeps three copies by itself: leave --replicas out".into())
            }
            (Engine::Cassandra, replicas) => {
                let replicas = replicas.unwrap_or(3);
                within("--replicas", replicas.into(), 1.0, 9.0, "replicas")?;
                Ok(replicas)
            }
        }
    }
}

fn within(flag: &str, value: f64, least: f64, most: f64, unit: &str) -> Result<(), String> {
    // Also refuses what is not a number.
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let say = |value: f64| match value.abs() {
        // A zero too many is seen, thirty are not.
        large if large >= 1e6 => format!("{value:e}"),
        _ => value.to_string(),
    };
    Err(format!("{flag} is {}: it must be {} to {} {unit}", say(value), say(least), say(most)))
}
