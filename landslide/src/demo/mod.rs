//! `landslide demo`: one process, a contest of ten TV series, a simulated landslide, the counts
//! live in the terminal and in the browser.
//!
//! What was acknowledged is noted in a file beside the store, so that after a `kill -9` the next
//! start can show that nothing of it is missing.

#![expect(
    clippy::disallowed_methods,
    reason = "what a screen shows, and how long it waits for a guest"
)]

use std::{
    collections::VecDeque,
    io::IsTerminal,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use ballot::{Slug, Timestamp};
use clap::Args;
use indicatif::HumanCount;
use load::{
    Address, Api, CountsRow, Crowd, Delivery, Draw, LiveFigures, Offer, Pace, Profile, RetryPolicy,
    Route, Source, Spread, Trust, Votes, WeightedChoice,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep_until},
};

mod node;
mod note;
mod screen;

use node::DemoNode;
use note::Note;
use screen::{Picture, Screen};

const EXAMPLES: &str = "\
Examples:
  A landslide of votes at http://127.0.0.1:8080 until Ctrl-C:
    landslide demo

  See that nothing acknowledged is lost: kill it in the middle, and start it again:
    landslide demo & sleep 20; kill -9 $!; landslide demo

  A harder one, for a minute:
    landslide demo --rate 20000 --duration 1m

  Start afresh:
    rm -r landslide-demo

Exit code: 0 if every acknowledged vote was counted, 1 if not.";

/// The options of `landslide demo`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Options {
    /// The demo's folder: votes, the administrator's token, what was acknowledged
    #[arg(long, value_name = "DIR", default_value = "landslide-demo")]
    data: PathBuf,

    /// Where to listen; a free port is taken if that one is busy
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Votes a second, reached within 20 seconds
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,

    /// How long votes come in, such as 30s or 2m [default: until Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = load::read_duration)]
    duration: Option<Duration>,

    /// A line a second instead of a picture
    #[arg(long)]
    plain: bool,
}

/// The demo's contest.
const CONTEST: &str = "tv-series";
const TITLE: &str = "Your favourite TV series";
/// The landslide swells for so long, from a tenth of its rate.
const RISE: Duration = Duration::from_secs(20);
/// Voters that are in flight at once.
const CONNECTIONS: u32 = 128;
/// How often what was acknowledged is noted: a kill forgets no more than this of the note, and
/// nothing of the votes.
const NOTE_EVERY: Duration = Duration::from_millis(200);
/// Old votes are counted again after a start; twenty million take a few seconds.
const COUNT_PATIENCE: Duration = Duration::from_secs(120);
/// How long a ballot is retried, and for how long at most after Ctrl-C.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
const INTERRUPT_GRACE: Duration = Duration::from_secs(5);

/// Runs `landslide demo`: exit code 0 if every acknowledged vote was counted, 1 if not.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&options.data)
        .with_context(|| format!("cannot make the folder {}", options.data.display()))?;
    let node = DemoNode::start(&options.data, options.listen).await?;
    let outcome = tokio::select! {
        outcome = landslide(&options, &node) => outcome,
        reason = node.failed() => bail!("the store failed: {reason}"),
    };
    node.stop().await?;
    let is_complete = outcome?;
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The demo on a running node; `true` if nothing acknowledged is missing.
async fn landslide(options: &Options, node: &DemoNode) -> anyhow::Result<bool> {
    let weights = load::tv_series()?;
    let slug: Slug = CONTEST.parse()?;
    let addresses: Arc<[Address]> = [Address::parse(&node.url, Trust::Anything)?].into();
    let api = Api::new(Arc::clone(&addresses), slug.clone(), Some(&node.token), GIVE_UP_AFTER)?;
    let contest = open_contest(&api, &weights, options).await?;

    // One listener for all, so that no Ctrl-C falls between two.
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut note = Note::read(&options.data, &contest)?;
    println!("{TITLE}, in {}", options.data.display());
    println!("  vote:       {}", node.page(&slug));
    println!("  administer: {}", node.admin_page(&slug));
    println!("  token:      {}", node.token);
    let before = tokio::select! {
        before = greet(&api, &contest, &note) => before?,
        _ = interrupts.recv() => bail!("interrupted before the votes of before were counted"),
    };

    let draw = Draw::new(&Spread::Weighted, &weights, &contest)?;
    let rate = f64::from(options.rate);
    let crowd = Crowd::start(Offer {
        addresses,
        route: Route::of_devices(&slug),
        source: Source {
            choices: Arc::clone(&contest),
            votes: Votes::Drawn(draw),
            delivery: Delivery::Devices,
            seed: fastrand::u64(..),
        },
        pace: Pace::Open(Profile::rising(rate / 10.0, rate, RISE, options.duration)),
        votes_max: None,
        connections: CONNECTIONS,
        threads: 1,
        duplicates: 0.0,
        cut: 0.0,
        retry: RetryPolicy { give_up_after: GIVE_UP_AFTER },
        timeout: Duration::from_secs(10),
    })?;
    let is_plain = options.plain || !std::io::stderr().is_terminal();
    let screen = Screen::new(is_plain);
    // A look at the counts that fails is made up for a second later.
    let hasty = api.with_patience(Duration::ZERO);
    vote(crowd, &hasty, &screen, &mut note, &contest, before, &mut interrupts).await?;
    tokio::select! {
        complete = farewell(&api, &contest, &note, &weights) => complete,
        _ = interrupts.recv() => bail!("interrupted before the last counts; start it again to see them"),
    }
}

/// Makes and opens the contest, or finds it open; its choices.
async fn open_contest(
    api: &Api,
    weights: &[WeightedChoice],
    options: &Options,
) -> anyhow::Result<Arc<[Slug]>> {
    let definition = match api.definition().await? {
        Some(definition) => definition,
        None => api.create(TITLE, "live", weights).await?,
    };
    if definition.closes_at.is_some_and(|closes_at| closes_at <= load::now()) {
        bail!(
            "the contest in {} is closed; for a new one remove the folder, or name another with \
             --data",
            options.data.display()
        );
    }
    if definition.opens_at.is_none() {
        api.open().await?;
    }
    Ok(definition.choices.into_iter().map(|choice| choice.choice).collect())
}

/// Says what was found of earlier runs, and whether anything acknowledged then is missing.
async fn greet(api: &Api, contest: &[Slug], note: &Note) -> anyhow::Result<Option<CountsRow>> {
    if api.row().await?.0.is_none() && note.acknowledged() == 0 {
        return Ok(None);
    }
    println!("\ncounting the votes of before ...");
    let row = api.row_of_now(false, COUNT_PATIENCE).await?;
    println!(
        "found {} votes; {} were noted as acknowledged; missing: {}",
        HumanCount(row.total),
        HumanCount(note.acknowledged()),
        HumanCount(missing(contest, note.votes(), &row)),
    );
    Ok(Some(row))
}

/// Acknowledged votes that a row that must hold them does not.
fn missing(contest: &[Slug], acknowledged: &[u64], row: &CountsRow) -> u64 {
    let missing = contest.iter().zip(acknowledged).map(|(choice, acknowledged)| {
        let line = row.choices.iter().find(|line| line.choice == *choice);
        acknowledged.saturating_sub(line.map_or(0, |line| line.votes))
    });
    missing.sum()
}

/// Votes until the time is over or Ctrl-C, and draws the counts once a second.
async fn vote(
    mut crowd: Crowd,
    api: &Api,
    screen: &Screen,
    note: &mut Note,
    contest: &[Slug],
    mut row: Option<CountsRow>,
    interrupts: &mut Signal,
) -> anyhow::Result<()> {
    let ledger = Arc::clone(crowd.ledger());
    let mut live = LiveFigures::silent();
    let mut history = History::default();
    let mut missed = 0;
    let mut hint = "Ctrl-C stops the votes";
    let mut ticks = interval(NOTE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut drawn = Instant::now();
    let mut grace_end: Option<Instant> = None;
    loop {
        let at_grace_end = async {
            match grace_end {
                Some(end) => sleep_until(end.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = crowd.over() => break,
            _ = ticks.tick() => {
                // In this order: what is noted at a time was acknowledged before it.
                note.update(ledger.by_choice().iter().map(|sent| sent.acknowledged));
                history.push(load::now(), note.votes());
                note.write()?;
                if drawn.elapsed() < Duration::from_secs(1) {
                    continue;
                }
                drawn = Instant::now();
                if let Ok((Some(newer), _)) = api.row().await {
                    if let Some(acknowledged) = history.at(newer.counted_through) {
                        missed = missing(contest, &acknowledged, &newer);
                    }
                    row = Some(newer);
                }
                screen.draw(&Picture {
                    row: row.as_ref(),
                    figures: live.look(&ledger),
                    acknowledged: note.acknowledged(),
                    in_flight: ledger.in_flight(),
                    missing: missed,
                    now: load::now(),
                    hint,
                });
            }
            _ = interrupts.recv() => {
                if grace_end.is_some() {
                    crowd.abandon();
                } else {
                    crowd.finish();
                    grace_end = Some(Instant::now() + INTERRUPT_GRACE);
                }
                hint = "no more votes; waiting for the last acknowledgements";
            }
            () = at_grace_end => {
                crowd.abandon();
                grace_end = None;
            }
        }
    }
    note.update(ledger.by_choice().iter().map(|sent| sent.acknowledged));
    note.write()?;
    screen.finish();
    crowd.join()
}

/// What was acknowledged, by choice, at moments of the last minutes.
#[derive(Default)]
struct History(VecDeque<(Timestamp, Vec<u64>)>);

/// Five minutes of them: by then the counts are through, or something is wrong.
const MOMENTS_MAX: usize = 1_500;

impl History {
    fn push(&mut self, time: Timestamp, acknowledged: &[u64]) {
        if self.0.len() == MOMENTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((time, acknowledged.to_vec()));
    }

    /// What was certainly acknowledged by then. Forgets what was before.
    fn at(&mut self, time: Timestamp) -> Option<Vec<u64>> {
        let after = self.0.partition_point(|(noted, _)| *noted <= time);
        self.0.drain(..after.saturating_sub(1));
        self.0.front().filter(|_| after > 0).map(|(_, acknowledged)| acknowledged.clone())
    }
}

/// The last comparison; `true` if nothing acknowledged is missing.
async fn farewell(
    api: &Api,
    contest: &[Slug],
    note: &Note,
    weights: &[WeightedChoice],
) -> anyhow::Result<bool> {
    println!("\nwaiting for the counts to hold the last vote ...");
    let row = api.row_of_now(false, COUNT_PATIENCE).await?;
    println!("counts {}, through {}", row.status, screen::clock(row.counted_through));
    println!("{:<24} {:>14} {:>14} {:>10}", "", "acknowledged", "counted", "");
    for (choice, acknowledged) in contest.iter().zip(note.votes()) {
        let title = weights.iter().find(|row| row.choice == *choice);
        let title = title.map_or(choice.as_str(), |row| row.title.as_str());
        let line = row.choices.iter().find(|line| line.choice == *choice);
        let counted = line.map_or(0, |line| line.votes);
        let remark = match counted.cmp(acknowledged) {
            std::cmp::Ordering::Less => format!("{} MISSING", acknowledged - counted),
            std::cmp::Ordering::Equal => String::new(),
            std::cmp::Ordering::Greater => format!("{} more", counted - acknowledged),
        };
        println!(
            "{title:<24} {:>14} {:>14} {remark:>10}",
            HumanCount(*acknowledged).to_string(),
            HumanCount(counted).to_string(),
        );
    }
    let missing = missing(contest, note.votes(), &row);
    println!(
        "{:<24} {:>14} {:>14}",
        "in all",
        HumanCount(note.acknowledged()).to_string(),
        HumanCount(row.total).to_string(),
    );
    if row.total + missing > note.acknowledged() {
        println!("(more: your own votes, and those whose acknowledgement was cut off)");
    }
    println!(
        "{}",
        match missing {
            0 => "every acknowledged vote is counted".to_owned(),
            missing => format!("{missing} acknowledged votes are MISSING"),
        }
    );
    Ok(missing == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn only_what_was_acknowledged_by_then_must_be_counted() {
        let mut history = History::default();
        assert_eq!(history.at(at(1)), None);
        for second in 10..20 {
            history.push(at(second), &[second as u64, 0]);
        }
        assert_eq!(history.at(at(9)), None);
        assert_eq!(history.at(at(12)), Some(vec![12, 0]));
        assert_eq!(history.at(at(12)), Some(vec![12, 0]), "asked again");
        assert_eq!(history.at(at(99)), Some(vec![19, 0]));
    }

    #[test]
    fn a_missing_vote_is_found_and_others_votes_do_not_hide_it() {
        let contest: Vec<Slug> = ["a", "b"].map(|slug| slug.parse().unwrap()).to_vec();
        let row = r#"{"status":"provisional","counted_through":"2026-11-23T20:00:02Z","total":9,
            "choices":[{"choice":"a","title":"A","votes":2},{"choice":"b","title":"B","votes":7}]}"#;
        let row: CountsRow = serde_json::from_str(row).unwrap();
        assert_eq!(missing(&contest, &[2, 7], &row), 0);
        assert_eq!(missing(&contest, &[2, 0], &row), 0);
        assert_eq!(missing(&contest, &[3, 0], &row), 1);
    }
}
