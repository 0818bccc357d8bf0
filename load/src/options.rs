//! What a user may ask of `landslide bench`.

use std::{path::PathBuf, time::Duration};

use ballot::Slug;
use clap::{Args, ValueEnum};

use crate::choices::Spread;

const EXAMPLES: &str = "\
Examples:
  The finale of a two-hour vote in 30 seconds, 20,000 votes a second at its peak:
    landslide bench --profile finale --rate 20000 --duration 30s

  As fast as 256 voters can, one after the other, for ten seconds:
    landslide bench --connections 256 --duration 10s

  Every vote for one choice, at a steady rate, on two nodes; the next takes over when one fails:
    landslide bench --url http://node1:8080 --url http://node2:8080 \\
        --choices one:breaking-bad --rate 5000 --duration 1m

  A bad day: one request in ten is cut off before its reply, one ballot in ten is sent twice:
    landslide bench --votes 100000 --cut 10% --duplicates 10%

  A real election's ballots, one device a voter, then close and wait for the final count:
    landslide bench --contest burlington --create --replay burlington-2009.csv --close --wait-final

  A gateway's batches of 1,000 ballots:
    landslide bench --gateway sms --batch 1000 --votes 1000000

  For scripts: one JSON document on standard output, figures on standard error:
    landslide bench --votes 10000 --json | jq .check.verdict

The administrator's token is read from LANDSLIDE_ADMIN_TOKEN. Without it, the contest must be open
and its results public.

Exit code:
  0  counted is what was acknowledged, choice by choice (or --no-check)
  1  a difference: votes were lost, or counted twice
  2  a mistake in the options or files
  3  could not check: the server or its counts were not reachable in time";

/// The options of `landslide bench`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Options {
    /// Address of a node or balancer; repeat it for more, or give a host name with more than one
    /// address: the next is used when one fails
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: Vec<String>,

    /// The contest to vote in; created and opened when there is none of that name
    #[arg(long, value_name = "SLUG", default_value = "tv-series")]
    pub(crate) contest: Slug,

    /// The administrator's token
    #[arg(long, value_name = "TOKEN", env = "LANDSLIDE_ADMIN_TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,

    /// Also open a contest that exists as a draft
    #[arg(long)]
    pub(crate) create: bool,

    /// Votes a second, whatever the server does (open loop): latency is measured from the moment a
    /// vote was due. Without a rate, each connection sends its next vote after the last reply
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) rate: Option<f64>,

    /// How the rate changes over the duration; --rate is its peak
    #[arg(long, value_enum, requires = "rate")]
    pub(crate) profile: Option<Shape>,

    /// Kept-alive connections, over all threads
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) connections: u32,

    /// Threads that send, each with its share of the connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: u32,

    /// Also keep N streams of results open while sending; they must be public
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) watch: Option<u32>,

    /// How long to send, such as 30s or 2m [default: 10s, or until --votes or --replay is through]
    #[arg(long, value_name = "TIME", value_parser = read_duration)]
    pub(crate) duration: Option<Duration>,

    /// Stop after N votes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) votes: Option<u64>,

    /// How choices are drawn: weighted, uniform, or one:SLUG
    #[arg(long, value_name = "HOW", default_value = "weighted")]
    pub(crate) choices: Spread,

    /// A table `choice,title,weight` (CSV) to draw by, instead of ten TV series
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub(crate) weights: Option<PathBuf>,

    /// Cast the ballots of a table `voter,choice` (CSV), one device a voter. The contest must hold
    /// no other votes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["votes", "choices"])]
    pub(crate) replay: Option<PathBuf>,

    /// Share of ballots sent twice on purpose, such as 0.1 or 10%
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) duplicates: f64,

    /// Share of requests whose connection is cut after sending and before the reply, then retried
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) cut: f64,

    /// How long one ballot is retried before it is given up
    #[arg(long, alias = "retry-budget", value_name = "TIME", default_value = "60s", value_parser = read_duration)]
    pub(crate) give_up_after: Duration,

    /// How long to wait for a reply before the same ballot is sent again
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = read_duration)]
    pub(crate) timeout: Duration,

    /// Send as the gateway of this channel: batches instead of single ballots. Makes a new channel
    /// key, which revokes the old one, unless --channel-key gives one
    #[arg(long, value_name = "CHANNEL")]
    pub(crate) gateway: Option<Slug>,

    /// The gateway's key
    #[arg(
        long,
        value_name = "KEY",
        env = "LANDSLIDE_CHANNEL_KEY",
        hide_env_values = true,
        requires = "gateway"
    )]
    pub(crate) channel_key: Option<String>,

    /// Ballots of a gateway's batch
    #[arg(long, value_name = "N", default_value_t = 1_000, requires = "gateway", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) batch: u32,

    /// The same seed draws the same choices, cuts, duplicates and pauses; devices are always new
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Certificates (PEM) to trust instead of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,

    /// Trust any certificate
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Close the contest after sending
    #[arg(long)]
    pub(crate) close: bool,

    /// Wait for the final count and compare with that
    #[arg(long)]
    pub(crate) wait_final: bool,

    /// Do not compare acknowledged with counted
    #[arg(long, conflicts_with = "wait_final")]
    pub(crate) no_check: bool,

    /// Print the report as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a rate changes over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// A two-hour vote compressed: quiet, the trailer, the finale's last two minutes
    Finale,
}

/// A length of time such as `30s`, `2m` or `1m 30s`; more than zero, at most a year.
pub fn read_duration(text: &str) -> Result<Duration, String> {
    let wanted = || "not a length of time such as 30s, 2m or 1h 30m".to_owned();
    let signed: jiff::SignedDuration = text.parse().map_err(|_| wanted())?;
    let length = Duration::try_from(signed).map_err(|_| wanted())?;
    if length.is_zero() || length > Duration::from_secs(366 * 86_400) {
        return Err(wanted());
    }
    Ok(length)
}

/// Above this share of cuts a ballot would hardly ever get its reply.
const SHARE_MAX: f64 = 0.9;

/// A share such as `0.1` or `10%`, from 0 to 0.9.
fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let share = number.trim().parse::<f64>().map(|number| number / unit);
    share
        .ok()
        .filter(|share| (0.0..=SHARE_MAX).contains(share))
        .ok_or_else(|| "not a share from 0 to 0.9, such as 0.1 or 10%".to_owned())
}

/// A rate: more than zero.
fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| number.is_finite() && *number >= 0.001)
        .ok_or_else(|| "not a number above zero".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn parse(line: &str) -> Result<Options, clap::Error> {
        Command::try_parse_from(line.split(' ')).map(|command| command.options)
    }

    #[test]
    fn the_command_is_consistent_and_teaches_by_example() {
        Command::command().debug_assert();
        let help = Command::command().render_long_help().to_string();
        assert!(help.contains("landslide bench --profile finale"), "{help}");
    }

    #[test]
    fn reads_lengths_of_time() {
        for (text, seconds) in [("30s", 30.0), ("2m", 120.0), ("1m30s", 90.0), ("500ms", 0.5)] {
            assert_eq!(read_duration(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for bad in ["", "30", "-1s", "0s", "soon", "500 days"] {
            assert!(read_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_shares() {
        for (text, value) in [("0", 0.0), ("0.1", 0.1), ("10%", 0.1), ("90%", 0.9)] {
            assert_eq!(share(text), Ok(value), "{text}");
        }
        for bad in ["1", "100%", "-1%", "nan", "inf", "some", "%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn refuses_options_that_contradict() {
        for bad in [
            "bench --profile finale",
            "bench --replay a.csv --votes 5",
            "bench --batch 5",
            "bench --rate 0",
            "bench --connections 0",
            "bench --no-check --wait-final",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let options = parse("bench --url http://a --url http://b --cut 5% --retry-budget 5s");
        let options = options.unwrap();
        assert_eq!((options.url.len(), options.cut), (2, 0.05));
        assert_eq!(options.give_up_after, Duration::from_secs(5));
    }
}
