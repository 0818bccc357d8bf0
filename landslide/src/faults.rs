//! Faults of the store on purpose, in programs built with the feature `planted-bugs` only: what a
//! cluster does on a bad day, on a machine that has none.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use store::FaultSettings;

/// Such as `seed=7,reply-lost=0.1,delayed=0.3,delay-ms=50`; what is not named does not happen.
const VARIABLE: &str = "LANDSLIDE_INJECT_FAULTS";

/// The faults that the environment asks for, if any.
pub(crate) fn of_environment() -> Result<Option<FaultSettings>> {
    match std::env::var(VARIABLE) {
        Ok(text) => read(&text).map(Some).with_context(|| format!("{VARIABLE}={text}")),
        Err(_) => Ok(None),
    }
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
}
