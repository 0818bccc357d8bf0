//! Which choice each vote is for: weights, how choices are drawn by them, and ballots to replay.

use std::{collections::HashSet, io::Read, path::Path, str::FromStr};

use anyhow::{Context, bail, ensure};
use ballot::Slug;
use fastrand::Rng;
use serde::Deserialize;

/// The ten TV series, with the weights that votes are drawn by.
const TV_SERIES: &str = include_str!("../data/tv-series.csv");

/// One row of a table of weights.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct WeightedChoice {
    /// The choice's name for machines.
    pub choice: Slug,
    /// The choice's name for people.
    pub title: String,
    /// How often it is drawn, relative to the others.
    pub weight: f64,
}

/// The table of the ten TV series.
pub fn tv_series() -> anyhow::Result<Vec<WeightedChoice>> {
    read_weights(TV_SERIES.as_bytes())
}

/// Reads a table `choice,title,weight`.
pub(crate) fn weights_of_file(path: &Path) -> anyhow::Result<Vec<WeightedChoice>> {
    open(path).and_then(read_weights).with_context(|| path.display().to_string())
}

fn read_weights(table: impl Read) -> anyhow::Result<Vec<WeightedChoice>> {
    let mut weights = Vec::new();
    let mut seen = HashSet::new();
    for row in csv::Reader::from_reader(table).into_deserialize() {
        let row: WeightedChoice = row.context("not a table choice,title,weight")?;
        ensure!(row.weight.is_finite() && row.weight >= 0.0, "{}: a weight below 0", row.choice);
        ensure!(seen.insert(row.choice.clone()), "{} is there twice", row.choice);
        weights.push(row);
    }
    ensure!(weights.iter().any(|row| row.weight > 0.0), "no weight is above 0");
    Ok(weights)
}

/// One ballot to replay.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Replayed {
    /// One person, by any name.
    pub voter: String,
    /// What was chosen.
    pub choice: Slug,
}

/// Reads a table `voter,choice`; a voter is there once.
pub(crate) fn replay_of_file(path: &Path) -> anyhow::Result<Vec<Replayed>> {
    open(path).and_then(read_replay).with_context(|| path.display().to_string())
}

fn read_replay(table: impl Read) -> anyhow::Result<Vec<Replayed>> {
    let mut ballots: Vec<Replayed> = Vec::new();
    for row in csv::Reader::from_reader(table).into_deserialize() {
        ballots.push(row.context("not a table voter,choice")?);
    }
    ensure!(!ballots.is_empty(), "no ballots");
    let mut seen = HashSet::with_capacity(ballots.len());
    // With two ballots of one voter, which of them counts would depend on their order on the way.
    if let Some(twice) = ballots.iter().find(|ballot| !seen.insert(&ballot.voter)) {
        bail!("voter {:?} is there twice", twice.voter);
    }
    Ok(ballots)
}

fn open(path: &Path) -> anyhow::Result<std::fs::File> {
    Ok(std::fs::File::open(path)?)
}

/// The choices of replayed ballots as a table of weights, in the order of their first ballots.
pub(crate) fn weights_of_replay(ballots: &[Replayed]) -> Vec<WeightedChoice> {
    let mut weights: Vec<WeightedChoice> = Vec::new();
    for ballot in ballots {
        match weights.iter_mut().find(|row| row.choice == ballot.choice) {
            Some(row) => row.weight += 1.0,
            None => weights.push(WeightedChoice {
                choice: ballot.choice.clone(),
                title: ballot.choice.to_string(),
                weight: 1.0,
            }),
        }
    }
    weights
}

/// How choices are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spread {
    /// By the weights.
    Weighted,
    /// All alike.
    Uniform,
    /// Always this one.
    One(Slug),
}

impl FromStr for Spread {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "weighted" => Ok(Self::Weighted),
            "uniform" => Ok(Self::Uniform),
            _ => match text.strip_prefix("one:") {
                Some(slug) => slug.parse().map(Self::One).map_err(|error| format!("{error}")),
                None => Err("not one of weighted, uniform, one:SLUG".to_owned()),
            },
        }
    }
}

/// Draws positions of choices in the contest's definition.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Sums of the weights up to and with each choice; the last is the total.
    sums: Vec<f64>,
}

impl Draw {
    /// Draws among a contest's choices as asked. Spread without a weight are never drawn.
    pub fn new(how: &Spread, weights: &[WeightedChoice], contest: &[Slug]) -> anyhow::Result<Self> {
        let weight_of = |slug: &Slug| match how {
            Spread::Uniform => 1.0,
            Spread::One(one) => f64::from(u8::from(one == slug)),
            Spread::Weighted => {
                weights.iter().find(|row| row.choice == *slug).map_or(0.0, |row| row.weight)
            }
        };
        let mut sum = 0.0;
        let sums: Vec<f64> = contest
            .iter()
            .map(|slug| {
                sum += weight_of(slug);
                sum
            })
            .collect();
        match how {
            Spread::One(one) => ensure!(sum > 0.0, "the contest has no choice {one}"),
            _ => ensure!(
                sum > 0.0,
                "no choice of the contest has a weight: give a table with --weights, or draw with \
                 --choices uniform"
            ),
        }
        Ok(Self { sums })
    }

    /// The next choice's position.
    pub(crate) fn next(&self, rng: &mut Rng) -> u16 {
        let total = self.sums.last().copied().unwrap_or(0.0);
        let point = rng.f64() * total;
        let position = self.sums.partition_point(|sum| *sum <= point);
        // Rounding may reach the total itself; at most 1,000 choices.
        position.min(self.sums.len() - 1) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slugs(weights: &[WeightedChoice]) -> Vec<Slug> {
        weights.iter().map(|row| row.choice.clone()).collect()
    }

    #[test]
    fn draws_the_tv_series_by_their_weights() {
        let weights = tv_series().unwrap();
        assert_eq!(weights.len(), 10);
        let draw = Draw::new(&Spread::Weighted, &weights, &slugs(&weights)).unwrap();
        let mut drawn = [0_u32; 10];
        let mut rng = Rng::with_seed(7);
        for _ in 0..100_000 {
            drawn[usize::from(draw.next(&mut rng))] += 1;
        }
        let total: f64 = weights.iter().map(|row| row.weight).sum();
        for (row, drawn) in weights.iter().zip(drawn) {
            let expected = row.weight / total * 100_000.0;
            let off = f64::from(drawn) - expected;
            // Five standard deviations.
            assert!(off.abs() < 5.0 * expected.sqrt(), "{}: {drawn}, not {expected}", row.choice);
        }
    }

    #[test]
    fn reads_how_to_draw() {
        assert_eq!("uniform".parse(), Ok(Spread::Uniform));
        assert_eq!("one:the-wire".parse(), Ok(Spread::One("the-wire".parse().unwrap())));
        assert!("one:The Wire".parse::<Spread>().is_err());
        assert!("fair".parse::<Spread>().is_err());
    }

    #[test]
    fn draws_one_or_all_alike_and_never_a_weight_of_zero() {
        let table = "choice,title,weight\na,A,0\nb,\"B, the second\",3\nc,C,0\n";
        let weights = read_weights(table.as_bytes()).unwrap();
        assert_eq!(weights[1].title, "B, the second");
        let contest = slugs(&weights);
        let mut rng = Rng::with_seed(7);
        let mut seen = |how: Spread| {
            let draw = Draw::new(&how, &weights, &contest).unwrap();
            let drawn: HashSet<u16> = (0..1_000).map(|_| draw.next(&mut rng)).collect();
            let mut drawn: Vec<u16> = drawn.into_iter().collect();
            drawn.sort_unstable();
            drawn
        };
        assert_eq!(seen(Spread::Weighted), [1]);
        assert_eq!(seen(Spread::Uniform), [0, 1, 2]);
        assert_eq!(seen(Spread::One("c".parse().unwrap())), [2]);
        let nowhere = Spread::One("d".parse().unwrap());
        assert!(Draw::new(&nowhere, &weights, &contest).is_err());
        assert!(Draw::new(&Spread::Weighted, &weights, &contest[..1]).is_err());
    }

    #[test]
    fn refuses_tables_that_cannot_be_drawn_by() {
        for bad in [
            "choice,title,weight\n",
            "choice,title\na,A\n",
            "choice,title,weight\na,A,-1\nb,B,1\n",
            "choice,title,weight\na,A,many\n",
            "choice,title,weight\na,A,1\na,A,1\n",
            "choice,title,weight\nA B,A,1\n",
        ] {
            assert!(read_weights(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_ballots_to_replay_and_refuses_a_voter_twice() {
        let ballots = read_replay("voter,choice\n1,b\n2,a\n3,b\n".as_bytes()).unwrap();
        let weights = weights_of_replay(&ballots);
        let weights: Vec<_> =
            weights.iter().map(|row| (row.choice.as_str(), row.weight as u32)).collect();
        assert_eq!(weights, [("b", 2), ("a", 1)]);
        assert!(read_replay("voter,choice\n1,b\n1,a\n".as_bytes()).is_err());
        assert!(read_replay("voter,choice\n".as_bytes()).is_err());
    }
}
