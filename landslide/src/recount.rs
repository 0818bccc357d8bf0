//! `landslide recount`: counts again from the ballots alone, and compares with the published row.

use std::{num::NonZero, process::ExitCode, sync::Arc};

use anyhow::{Context, Result, bail};
use ballot::{Clock, NodeClock, Slug};
use clap::Args;
use serde_json::json;
use tally::{Compared, Published, Recount, TallyContest};

use contests::Contests;

use crate::{
    counting,
    machine::{SystemClock, SystemEntropy},
    settings::StoreOptions,
    stores::{OpenStore, StoreAddress},
    wiring::Sharing,
};

/// The numbers differ.
const DIFFERENT: u8 = 1;
/// It could not be counted.
const NOT_COUNTED: u8 = 3;

/// What to count, and where.
#[derive(Args, Clone, Debug)]
pub struct RecountOptions {
    /// The contest's name
    contest: Slug,
    #[command(flatten)]
    store: StoreOptions,
    /// Write the result as JSON on standard output
    #[arg(long)]
    json: bool,
    /// Threads to count with [default: one a processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

/// Counts again. Exit code 0: the same numbers; 1: they differ; 3: it could not be counted.
pub async fn run(options: RecountOptions) -> Result<ExitCode> {
    match count(&options).await {
        Ok(code) => Ok(code),
        Err(error) => {
            eprintln!("landslide: {error:#}");
            Ok(ExitCode::from(NOT_COUNTED))
        }
    }
}

async fn count(options: &RecountOptions) -> Result<ExitCode> {
    let address = options.store.clone().address()?;
    if let StoreAddress::Embedded(folder) = &address
        && !folder.exists()
    {
        bail!("{}: there is no such folder", folder.display());
    }
    let OpenStore { ballots, control, .. } = &OpenStore::open(&address).await?;
    let clock = Arc::new(NodeClock::new(Arc::new(SystemClock)));
    let contests = Contests::load(
        Arc::clone(control),
        Sharing::of(&address).pace,
        Arc::clone(&clock),
        Arc::new(SystemEntropy),
    )
    .await?;
    let live = contests.get(options.contest.as_str());
    let live = live.with_context(|| format!("there is no contest {}", options.contest))?;
    let contest = counting::tally_contest(&live);
    let published = Published::load(&**control, &contest.slug).await?;
    let processors = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let threads = options.threads.unwrap_or(processors);
    let started = SystemClock.moment();
    let ballots = Arc::clone(ballots);
    let counting = tokio::task::spawn_blocking(move || {
        let progress = |ballots: u64| {
            let seconds = SystemClock.moment().since(started).as_secs_f64();
            eprintln!("{ballots} ballots, {:.1} million a second", ballots as f64 / seconds / 1e6);
        };
        let published = published.as_ref();
        tally::recount(ballots, &contest, published, clock.now(), threads, &progress)
            .map(|recount| (recount, contest))
    });
    let (recount, contest) = counting.await??;
    report(&recount, &contest, options.json)?;
    Ok(if recount.agrees() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}

fn report(recount: &Recount, contest: &TallyContest, as_json: bool) -> Result<()> {
    let compared = match recount.compared {
        Compared::SameBatches => "the same batches as the final row",
        Compared::AtLeast => "a provisional row: that nothing it counted is gone",
        Compared::Nothing => "nothing: there is no row yet",
    };
    let differences: Vec<_> = recount
        .differences
        .iter()
        .map(|d| json!({"what": d.what, "published": d.published, "recounted": d.recounted}))
        .collect();
    if as_json {
        let report = json!({
            "agrees": recount.agrees(),
            "compared": compared,
            "counts": recount.counts,
            "differences": differences,
            "missing_batches": recount.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "later_batches": recount.beyond.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!("{} ({})", contest.contest.title, contest.slug);
    for choice in &recount.counts.choices {
        println!("{:>12}  {}", choice.votes, choice.title);
    }
    let ballots = recount.counts.ballots;
    println!(
        "{:>12}  counted of {} recorded: {} duplicate, {} late, {} void",
        ballots.counted, ballots.recorded, ballots.duplicate, ballots.late, ballots.void
    );
    if let Some(set) = &recount.counts.batch_set {
        println!("{:>12}  batches, digest {}", set.batches, set.digest);
    }
    println!("compared with {compared}");
    for d in &recount.differences {
        println!("DIFFERENT: {}: {} published, {} recounted", d.what, d.published, d.recounted);
    }
    for id in &recount.missing {
        println!("MISSING: batch {id} was counted and is not in the store");
    }
    if !recount.beyond.is_empty() {
        let n = recount.beyond.len();
        println!("{n} batches came after the final count; none of their ballots was acknowledged");
    }
    println!("{}", if recount.agrees() { "the same" } else { "NOT the same" });
    Ok(())
}
