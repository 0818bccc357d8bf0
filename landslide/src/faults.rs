//! Faults and bugs of the store on purpose, in programs built with the feature `planted-bugs` only:
//! what a cluster does on a bad day, on a machine that has none, and what a check must be able to find.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use store::{
    BallotStore, ControlStore, FaultSettings, FaultyStore,
    planted::{PlantedBugs, PlantedStore},
};

/// Such as `seed=7,reply-lost=0.1,delayed=0.3,delay-ms=50`; what is not named does not happen.
const FAULTS: &str = "LANDSLIDE_INJECT_FAULTS";
/// `ack-before-commit`, `ignore-write-error` or `count-retries-twice`.
const BUG: &str = "LANDSLIDE_PLANTED_BUG";
/// Every n-th put fails, with nothing written.
const FAIL_EVERY: &str = "LANDSLIDE_FAIL_COMMIT_EVERY";
const IGNORE_WRITE_ERROR: &str = "ignore-write-error";

/// The store, with the faults and bugs before it that the environment asks for, if any.
pub(crate) fn before<S: BallotStore + ControlStore>(
    store: Arc<S>,
) -> Result<(Arc<dyn BallotStore>, Arc<dyn ControlStore>)> {
    let (ballots, control): (Arc<dyn BallotStore>, Arc<dyn ControlStore>) = match variable(FAULTS) {
        Some(text) => {
            let faults = read(&text).with_context(|| format!("{FAULTS}={text}"))?;
            let store = Arc::new(FaultyStore::new(store, faults));
            (Arc::clone(&store) as _, store)
        }
        None => (Arc::clone(&store) as _, store),
    };
    let bugs = bugs(variable(BUG).as_deref(), variable(FAIL_EVERY).as_deref())?;
    if bugs == PlantedBugs::default() {
        return Ok((ballots, control));
    }
    Ok((Arc::new(PlantedStore::new(ballots, bugs)), control))
}

/// Who ignores what a write says ignores that the store has failed for good, too.
pub(crate) fn ignores_a_failed_store() -> bool {
    variable(BUG).is_some_and(|bug| bug == IGNORE_WRITE_ERROR)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn bugs(bug: Option<&str>, fail_every: Option<&str>) -> Result<PlantedBugs> {
    let mut bugs = PlantedBugs::default();
    match bug {
        None => {}
        Some("ack-before-commit") => bugs.acknowledge_before_put = true,
        Some(IGNORE_WRITE_ERROR) => bugs.ignore_write_errors = true,
        Some("count-retries-twice") => bugs.count_retries_twice = true,
        Some(other) => bail!("{BUG}={other} is no bug that this program can have"),
    }
    if let Some(every) = fail_every {
        bugs.fail_put_every = every.parse().with_context(|| format!("{FAIL_EVERY}={every}"))?;
    }
    Ok(bugs)
}

fn read(text: &str) -> Result<FaultSettings> {
    let mut faults = FaultSettings::none(1);
    for pair in text.split(',') {
        let (name, value) = pair.split_once('=').context("each fault is name=value")?;
        if name == "seed" {
            faults.seed = value.parse()?;
            continue;
        }
        if name == "delay-ms" {
            faults.delay_max = Duration::from_millis(value.parse()?);
            continue;
        }
        let probability: f64 = value.parse()?;
        ensure!((0.0..=1.0).contains(&probability), "{value} is not between 0 and 1");
        match name {
            "refused" => faults.write_refused = probability,
            "reply-lost" => faults.write_reply_lost = probability,
            "read-failed" => faults.read_failed = probability,
            "delayed" => faults.delayed = probability,
            _ => bail!(
                "{name} is not one of seed, refused, reply-lost, read-failed, delayed, delay-ms"
            ),
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_or_refused() {
        let faults = read("seed=7,reply-lost=0.1,delay-ms=50").unwrap();
        let expected = FaultSettings {
            write_reply_lost: 0.1,
            delay_max: Duration::from_millis(50),
            ..FaultSettings::none(7)
        };
        assert_eq!(faults, expected);
        for text in ["", "seed", "reply-lost=2", "refused=x", "fire=0.5"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bugs_are_read_or_refused() {
        assert_eq!(bugs(None, None).unwrap(), PlantedBugs::default());
        let expected =
            PlantedBugs { ignore_write_errors: true, fail_put_every: 50, ..PlantedBugs::default() };
        assert_eq!(bugs(Some("ignore-write-error"), Some("50")).unwrap(), expected);
        assert!(bugs(Some("none"), None).is_err() && bugs(None, Some("often")).is_err());
    }
}
