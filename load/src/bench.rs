//! One run: prepare the contest, send, check, report.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use ballot::Slug;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep_until},
};

use crate::{
    address::{Address, Trust},
    api::{Api, bearer},
    ballots::{Delivery, Source, Votes},
    choices::{self, Draw, Replayed, WeightedChoice},
    comparison::Comparison,
    crowd::Crowd,
    failure::Failure,
    figures::LiveFigures,
    ledger::Ledger,
    offer::{Offer, Pace},
    options::{Options, Shape},
    profile::Profile,
    report::{Report, Verdict},
    retry::RetryPolicy,
    route::Route,
    row::CountsRow,
    viewers::Viewers,
};

/// How long to send where nothing else ends it.
const DURATION_DEFAULT: Duration = Duration::from_secs(10);
/// How long a profile takes where nothing is said.
const PROFILE_DURATION_DEFAULT: Duration = Duration::from_secs(30);
/// How long ballots under way are retried after Ctrl-C.
const INTERRUPT_GRACE: Duration = Duration::from_secs(5);
/// A close takes effect within 60 s, and the final row follows within another 60 s.
const FINAL_PATIENCE: Duration = Duration::from_secs(180);

/// Runs `landslide bench`. Prints what there is to say; the exit code is the verdict: 0 equal,
/// 1 different, 2 a mistake of the user, 3 could not check.
///
/// To be called within a tokio runtime, which only draws the figures; the crowd has its own.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    Ok(match run_and_report(&options).await {
        Ok(Verdict::Equal(_) | Verdict::Skipped) => ExitCode::SUCCESS,
        Ok(Verdict::Different(_)) => ExitCode::from(1),
        Ok(Verdict::NotChecked { .. }) => ExitCode::from(3),
        Err(failure) => {
            eprintln!("landslide: {failure}");
            ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 3 })
        }
    })
}

/// One run, reported.
pub(crate) async fn run_and_report(options: &Options) -> Result<Verdict, Failure> {
    let report = measure(options).await?;
    if options.json {
        let json = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::Server(format!("no report: {error}")))?;
        println!("{json}");
    } else {
        println!("{report}");
    }
    Ok(report.check)
}

/// One run.
pub(crate) async fn measure(options: &Options) -> Result<Report, Failure> {
    measure_at(options, addresses(options).map_err(Failure::usage)?).await
}

/// One run against these nodes.
pub(crate) async fn measure_at(
    options: &Options,
    addresses: Arc<[Address]>,
) -> Result<Report, Failure> {
    let material = Material::read(options).map_err(Failure::usage)?;
    let token = options.admin_token.as_deref();
    let api =
        Api::new(Arc::clone(&addresses), options.contest.clone(), token, options.give_up_after)?;
    if (options.close || options.gateway.is_some() && options.channel_key.is_none())
        && !api.is_admin()
    {
        return Err(Failure::usage("that takes the administrator's token: LANDSLIDE_ADMIN_TOKEN"));
    }
    let prepared = prepare(options, &api, &material).await?;
    let seed = options.seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
    eprintln!("contest {} at {}, seed {seed}", options.contest, options.url.join(", "));

    let source = source(options, &material, &prepared.choices, seed)?;
    let viewers = match options.watch {
        None => None,
        Some(count) => {
            let viewers = Viewers::open(Arc::clone(&addresses), options.contest.clone(), count);
            let failed = |error| Failure::Server(format!("the results' streams: {error:#}"));
            Some(viewers.await.map_err(failed)?)
        }
    };
    let crowd = Crowd::start(Offer {
        addresses,
        route: route(options, &api).await?,
        source,
        pace: pace(options),
        votes_max: options.votes,
        connections: options.connections,
        threads: options.threads,
        duplicates: options.duplicates,
        cut: options.cut,
        retry: RetryPolicy { give_up_after: options.give_up_after },
        timeout: options.timeout,
    })
    .map_err(|error| Failure::Server(format!("{error:#}")))?;

    let ledger = Arc::clone(crowd.ledger());
    let mut live = LiveFigures::new();
    // One listener for all, so that no Ctrl-C falls between two.
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Failure::Server(format!("no signals: {error}")))?;
    let elapsed = draw_until_over(crowd, &mut live, &mut interrupts).await?;
    let streams = viewers.map(Viewers::finish);
    live.say("waiting for the counts");
    let check = tokio::select! {
        check = compare(options, &api, &prepared, &ledger) => check,
        _ = interrupts.recv() => Verdict::NotChecked { why: "interrupted".to_owned() },
    };
    let latencies = live.finish(&ledger);
    let (urls, contest) = (options.url.clone(), options.contest.clone());
    let report = Report::new(urls, contest, seed, elapsed, &ledger, &latencies, check);
    Ok(Report { streams, ..report })
}

/// The files of a run.
struct Material {
    weights: Vec<WeightedChoice>,
    replay: Option<Vec<Replayed>>,
    title: &'static str,
}

impl Material {
    fn read(options: &Options) -> anyhow::Result<Self> {
        let replay = options.replay.as_deref().map(choices::replay_of_file).transpose()?;
        let (weights, title) = match (&replay, &options.weights) {
            (Some(ballots), _) => (choices::weights_of_replay(ballots), "Ballots replayed"),
            (None, Some(path)) => (choices::weights_of_file(path)?, "Your favourite"),
            (None, None) => (choices::tv_series()?, "Your favourite TV series"),
        };
        Ok(Self { weights, replay, title })
    }
}

fn addresses(options: &Options) -> anyhow::Result<Arc<[Address]>> {
    let trust = match (&options.ca, options.insecure) {
        (_, true) => Trust::Anything,
        (Some(path), _) => Trust::File(path),
        (None, _) => Trust::System,
    };
    options.url.iter().map(|url| Address::parse(url, trust)).collect()
}

/// The contest, ready for votes.
struct Prepared {
    choices: Arc<[Slug]>,
    /// The row before the run; none where nothing was counted yet, or where older votes are part
    /// of what is compared.
    before: Option<CountsRow>,
}

async fn prepare(options: &Options, api: &Api, material: &Material) -> Result<Prepared, Failure> {
    let contest = &options.contest;
    let found = api.definition().await?;
    let (definition, may_have_votes) = match found {
        Some(definition) => {
            let is_draft = definition.opens_at.is_none();
            if is_draft && options.create && api.is_admin() {
                api.open().await?;
            } else if is_draft {
                return Err(Failure::Usage(format!(
                    "the contest {contest} is a draft: --create opens it"
                )));
            }
            (definition, !is_draft)
        }
        None if api.is_admin() => {
            let definition = api.create(material.title, "live", &material.weights).await?;
            api.open().await?;
            (definition, false)
        }
        None => {
            return Err(Failure::Usage(format!(
                "there is no contest {contest}; with LANDSLIDE_ADMIN_TOKEN it is created"
            )));
        }
    };
    if definition.admission.as_deref().is_some_and(|admission| admission != "open") {
        return Err(Failure::Usage(format!(
            "the contest {contest} does not admit just any device"
        )));
    }
    // Replayed voters are always the same, so what they cast in an earlier run is theirs again.
    let needs_before = may_have_votes && !options.no_check && options.replay.is_none();
    let before = match needs_before {
        true => Some(api.row_of_now(false, options.give_up_after).await?),
        false => None,
    };
    let choices = definition.choices.into_iter().map(|choice| choice.choice).collect();
    Ok(Prepared { choices, before })
}

fn source(
    options: &Options,
    material: &Material,
    choices: &Arc<[Slug]>,
    seed: u64,
) -> Result<Source, Failure> {
    let votes = match &material.replay {
        None => Votes::Drawn(
            Draw::new(&options.choices, &material.weights, choices).map_err(Failure::usage)?,
        ),
        Some(ballots) => {
            let numbered = ballots.iter().map(|ballot| {
                let number = choices.iter().position(|choice| *choice == ballot.choice);
                let number = number.with_context(|| {
                    format!("the contest {} has no choice {}", options.contest, ballot.choice)
                })?;
                anyhow::Ok((ballot.voter.clone(), number as u16))
            });
            Votes::Replayed(numbered.collect::<Result<_, _>>().map_err(Failure::usage)?)
        }
    };
    let delivery = match &options.gateway {
        None => Delivery::Devices,
        Some(channel) => {
            Delivery::Gateway { channel: channel.clone(), batch: u64::from(options.batch) }
        }
    };
    Ok(Source { choices: Arc::clone(choices), votes, delivery, seed })
}

async fn route(options: &Options, api: &Api) -> Result<Route, Failure> {
    let Some(channel) = &options.gateway else {
        return Ok(Route::of_devices(&options.contest));
    };
    let key = match &options.channel_key {
        Some(key) => key.clone(),
        None => api.channel_key(channel).await?,
    };
    Ok(Route::of_gateway(&options.contest, bearer(&key)?))
}

fn pace(options: &Options) -> Pace {
    let ends_otherwise = options.votes.is_some() || options.replay.is_some();
    let duration = options.duration.or((!ends_otherwise).then_some(DURATION_DEFAULT));
    match (options.rate, options.profile) {
        (None, _) => Pace::Closed(duration),
        (Some(rate), None) => Pace::Open(Profile::constant(rate, duration)),
        (Some(rate), Some(Shape::Finale)) => {
            let duration = options.duration.unwrap_or(PROFILE_DURATION_DEFAULT);
            Pace::Open(Profile::finale(rate, duration))
        }
    }
}

/// Draws the figures until every ballot's end is known; Ctrl-C stops sending, a second one stops
/// waiting for replies. Returns how long it took.
async fn draw_until_over(
    mut crowd: Crowd,
    live: &mut LiveFigures,
    interrupts: &mut Signal,
) -> Result<Duration, Failure> {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    seconds.tick().await;
    let mut grace_end: Option<Instant> = None;
    let ledger = Arc::clone(crowd.ledger());
    loop {
        let at_grace_end = async {
            match grace_end {
                Some(end) => sleep_until(end.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = crowd.over() => break,
            _ = seconds.tick() => live.draw(&ledger),
            _ = interrupts.recv() => match grace_end {
                None => {
                    crowd.finish();
                    grace_end = Some(Instant::now() + INTERRUPT_GRACE);
                }
                Some(_) => crowd.abandon(),
            },
            () = at_grace_end => {
                crowd.abandon();
                grace_end = None;
            }
        }
    }
    let elapsed = crowd.started().elapsed();
    crowd.join().map_err(|error| Failure::Server(format!("{error:#}")))?;
    Ok(elapsed)
}

async fn compare(options: &Options, api: &Api, prepared: &Prepared, ledger: &Ledger) -> Verdict {
    let row = async {
        if options.close {
            api.close().await?;
        }
        if options.no_check {
            return Ok(None);
        }
        let patience = if options.wait_final { FINAL_PATIENCE } else { options.give_up_after };
        api.row_of_now(options.wait_final, patience).await.map(Some)
    };
    match row.await {
        Ok(None) => Verdict::Skipped,
        Ok(Some(_)) if ledger.acknowledged() == 0 => {
            Verdict::NotChecked { why: "no ballot was acknowledged".to_owned() }
        }
        Ok(Some(row)) => {
            let sent = ledger.by_choice();
            let comparison =
                Comparison::new(&prepared.choices, &sent, prepared.before.as_ref(), &row);
            Verdict::of(comparison, &row)
        }
        Err(failure) => Verdict::NotChecked { why: failure.to_string() },
    }
}
