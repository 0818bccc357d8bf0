//! Running seeds: on all cores, each seed on a thread of its own; and what is said of them.

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::{
    bugs::Bug,
    plan::Plan,
    world::{self, Outcome},
};

pub(crate) const USAGE: &str = "\
sim/run [--seeds N] [--from SEED] [--bug NAME] [--trace] [--threads N]
    Runs N seeds (1), from SEED (1) on, and stops at the first that fails.
    --bug NAME   with a planted bug      --trace      prints every event
    --twice      each seed twice: the traces must be the same, to the byte
sim/run --bugs [--seeds N]
    Plants one bug after the other, and says after how many of N seeds each is found.";

/// The command line.
pub(crate) struct Options {
    seeds: u64,
    from: u64,
    bug: Option<Bug>,
    trace: bool,
    twice: bool,
    bugs: bool,
    threads: usize,
}

impl Options {
    pub(crate) fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options =
            Self { seeds: 1, from: 1, bug: None, trace: false, twice: false, bugs: false, threads };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            let number =
                |text: String| text.parse::<u64>().map_err(|_| format!("{text} is not a number"));
            match argument.as_str() {
                "--seeds" => options.seeds = number(value()?)?,
                "--from" => options.from = number(value()?)?,
                "--threads" => options.threads = number(value()?)?.max(1) as usize,
                "--bug" => {
                    let name = value()?;
                    let bug = Bug::named(&name).ok_or(format!("there is no bug {name}"))?;
                    options.bug = Some(bug);
                }
                "--trace" => options.trace = true,
                "--twice" => options.twice = true,
                "--bugs" => options.bugs = true,
                other => return Err(format!("unknown: {other}")),
            }
        }
        if options.bugs && options.seeds == 1 {
            options.seeds = 2_000;
        }
        Ok(options)
    }
}

#[expect(clippy::disallowed_methods, reason = "it says how long the seeds took")]
pub(crate) fn run(options: &Options) -> ExitCode {
    if options.bugs {
        return table(options);
    }
    let started = Instant::now();
    let summary = many(options, options.bug);
    let name = options.bug.and_then(|bug| Bug::ALL.iter().find(|(of, ..)| *of == bug));
    match &summary.failed {
        None => {
            println!(
                "{} seeds from {} on: all well. {} ballots acknowledged, {} simulated seconds, {} events; \
                 {:.1} s",
                summary.run,
                options.from,
                summary.acknowledged,
                summary.seconds,
                summary.events,
                started.elapsed().as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Some(outcome) => {
            println!("{}", report(outcome, name.map(|(_, name, _)| *name)));
            ExitCode::FAILURE
        }
    }
}

/// What came of many seeds.
#[derive(Default)]
struct Summary {
    run: u64,
    acknowledged: usize,
    seconds: u64,
    events: u64,
    /// The smallest seed that failed.
    failed: Option<Outcome>,
}

/// Runs the seeds in their order, as many at once as there are threads, until one fails.
fn many(options: &Options, bug: Option<Bug>) -> Summary {
    let next = AtomicU64::new(options.from);
    let failed = AtomicU64::new(u64::MAX);
    let summary = Mutex::new(Summary::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= options.from + options.seeds || seed > failed.load(Ordering::SeqCst) {
                return;
            }
            let outcome = one(seed, bug, options.trace, options.twice);
            let mut summary = summary.lock().expect("no thread panics with it");
            summary.run += 1;
            summary.acknowledged += outcome.acknowledged;
            summary.seconds += outcome.seconds;
            summary.events += outcome.events;
            if !outcome.wrong.is_empty() && failed.fetch_min(seed, Ordering::SeqCst) > seed {
                summary.failed = Some(outcome);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(work);
        }
    });
    summary.into_inner().expect("no thread panics with it")
}

/// Runs a seed on a thread of its own, so that nothing of another is left over.
pub(crate) fn one(seed: u64, bug: Option<Bug>, trace: bool, twice: bool) -> Outcome {
    let run = || {
        let thread = std::thread::spawn(move || world::run(seed, bug, trace));
        thread.join().unwrap_or_else(|panic| Outcome {
            seed,
            wrong: vec![format!("it panicked: {}", message(&*panic))],
            hash: 0,
            events: 0,
            acknowledged: 0,
            seconds: 0,
            last_events: String::new(),
        })
    };
    let mut outcome = run();
    if twice {
        let again = run();
        if (again.hash, again.events) != (outcome.hash, outcome.events) {
            outcome.wrong.push(format!(
                "run again it went another way: {} events and {}",
                outcome.events, again.events
            ));
        }
    }
    outcome
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

fn report(outcome: &Outcome, bug: Option<&str>) -> String {
    let mut text = format!("seed {} failed", outcome.seed);
    for wrong in &outcome.wrong {
        text += &format!("\n  {wrong}");
    }
    text += &format!("\n\nits plan: {:#?}", Plan::new(outcome.seed));
    text += &format!("\n\nthe last events:\n{}", outcome.last_events);
    let bug = bug.map_or(String::new(), |bug| format!(" --bug {bug}"));
    text + &format!(
        "\nto run it again: sim/run --from {}{bug}, with --trace for every event\n\n{}",
        outcome.seed,
        outcome.wrong.first().map_or("", String::as_str)
    )
}

/// Plants every bug, and prints after how many seeds each is found.
fn table(options: &Options) -> ExitCode {
    println!("| bug | what is wrong | found after seeds | as |\n| --- | --- | --- | --- |");
    let mut all_found = true;
    for (bug, name, what) in Bug::ALL {
        if options.bug.is_some_and(|only| only != bug) {
            continue;
        }
        let summary = many(options, Some(bug));
        let (after, found) = match &summary.failed {
            Some(outcome) => {
                let first = outcome.wrong.first().map_or("", String::as_str);
                ((outcome.seed - options.from + 1).to_string(), first.replace('|', "/"))
            }
            None => {
                all_found = false;
                (format!("not in {}", options.seeds), String::new())
            }
        };
        println!("| {name} | {what} | {after} | {found} |");
    }
    if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
