//! Building a node from its settings: the one place where components meet.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use futures_core::future::BoxFuture;
use intake::{Intake, IntakeSettings};
use store::{BallotStore, ControlStore, EmbeddedSettings, EmbeddedStore, StoreError};
use tally::{
    Hooks, RunOutcome, RunReport, Schedule, Tally, TallyContest, TallyHandle, TallySettings,
};
use tokio::net::TcpListener;

use crate::{
    clock,
    contests::{self, Contests, LiveContest},
    http::{LimitSettings, Limits, Server, ServerSettings, Tls},
    metrics::{Metrics, Outcome},
    node::Node,
    settings::Settings,
    streams::Streams,
};

/// How far ahead a close by hand is set. One process is all there is, and it takes a change into
/// account before the change is written: this is the time for that.
pub(crate) const CLOSE_MARGIN: Duration = Duration::from_millis(250);
/// How often networks that are not seen any more are forgotten.
const FORGET: Duration = Duration::from_secs(60);
/// Connections that wait in the kernel until they are accepted.
const BACKLOG: u32 = 4_096;

/// A running node.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    node: Arc<Node>,
    server: Server,
    tally: Option<TallyHandle>,
    store: Arc<EmbeddedStore>,
    drain: Duration,
    is_secure: bool,
}

impl Running {
    /// Opens the store and starts everything; returns when votes are taken.
    pub async fn start(settings: &Settings) -> Result<Self> {
        raise_file_limit();
        let schedule: Schedule = settings.tally_schedule.parse().context("tally_schedule")?;
        // One process at a time has the folder: after a crash it goes on with its own lease.
        let holder = "the process on this folder".into();
        let tally_settings = TallySettings { schedule, holder, ..TallySettings::default() };
        // The address first: whoever starts a second node by mistake hears of it at once.
        let listener = listen(settings.listen)
            .with_context(|| format!("cannot listen on {}", settings.listen))?;
        let address = listener.local_addr()?;
        let tls = match &settings.tls {
            Some((certificate, key)) => Some(Tls::load(certificate.clone(), key.clone())?),
            None => None,
        };
        let data = settings.data.clone();
        let open = move || EmbeddedStore::open(&data, EmbeddedSettings::default());
        let store = tokio::task::spawn_blocking(open).await??;
        let ballots: Arc<dyn BallotStore> = Arc::clone(&store) as _;
        let control: Arc<dyn ControlStore> = Arc::clone(&store) as _;

        let metrics = Arc::new(Metrics::new());
        let contests = Contests::load(Arc::clone(&control), CLOSE_MARGIN).await?;
        let intake_settings = IntakeSettings {
            queue_ballots_max: settings.queue_ballots_max,
            ..IntakeSettings::default()
        };
        let token = settings.admin_token.as_ref();
        let node = Arc::new(Node {
            intake: Intake::new(Arc::clone(&ballots), intake_settings, Arc::clone(&metrics) as _),
            contests: Arc::clone(&contests),
            control: Arc::clone(&control),
            limits: Limits::new(LimitSettings {
                ballots_per_second: settings.ballots_per_second,
                ballots_burst: settings.ballots_burst,
                trusted_proxies: settings.trusted_proxies.clone(),
                limit_loopback: settings.limit_loopback,
            }),
            metrics,
            streams: Streams::default(),
            roles: settings.roles,
            admin_token_hash: token.map(|token| blake3::hash(token.as_bytes())),
            leaving: false.into(),
        });
        warn_of(settings, tls.is_some());
        let tally = if settings.roles.tally {
            Some(start_tally(&node, ballots, tally_settings)?)
        } else {
            None
        };
        let server_settings =
            ServerSettings { threads: settings.threads, connections_max: settings.connections_max };
        let is_secure = tls.is_some();
        if let Some(tls) = &tls {
            tokio::spawn(Arc::clone(tls).reload_on_change());
        }
        tokio::spawn(refresh(Arc::clone(&node)));
        let server = Server::start(&node, listener, tls, &server_settings)?;
        Ok(Self { address, node, server, tally, store, drain: settings.drain, is_secure })
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The contests, for those in the same process.
    pub fn contests(&self) -> &Arc<Contests> {
        &self.node.contests
    }

    /// Resolves with the reason when the store has failed: the process must end, for nothing more
    /// can be acknowledged.
    pub fn failed(&self) -> impl Future<Output = Arc<str>> + Send + 'static {
        self.store.poisoned()
    }

    /// Ends in order: takes no more ballots, commits and answers those accepted, then closes.
    pub async fn stop(self) -> Result<()> {
        self.node.leaving.store(true, Ordering::SeqCst);
        self.node.intake.start_draining();
        self.node.intake.drained().await;
        // Balancers see that it is not ready and go elsewhere; late comers are told to.
        tokio::time::sleep(self.drain).await;
        self.server.stop().await;
        if let Some(tally) = self.tally {
            tokio::task::spawn_blocking(move || tally.stop()).await?;
        }
        self.store.flush().await?;
        Ok(())
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        tokio::net::TcpSocket::new_v4()?
    } else {
        tokio::net::TcpSocket::new_v6()?
    };
    // A node that was killed and is started again finds its port in use otherwise.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// As many connections as the system allows; the usual soft limit is 1,024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If it may not be raised, fewer connections are accepted, and that is logged when it happens.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn warn_of(settings: &Settings, is_secure: bool) {
    if settings.admin_token.is_none() && settings.roles.admin {
        tracing::warn!("LANDSLIDE_ADMIN_TOKEN is not set: nobody is an administrator");
    }
    if !is_secure && !settings.listen.ip().is_loopback() && settings.trusted_proxies.is_empty() {
        tracing::warn!(
            "plain HTTP on an address that is not the loopback: set tls_certificate and tls_key, \
             or trusted_proxies if a balancer stands in front"
        );
    }
}

fn start_tally(
    node: &Arc<Node>,
    ballots: Arc<dyn BallotStore>,
    settings: TallySettings,
) -> Result<TallyHandle> {
    let metrics = Arc::clone(&node.metrics);
    let on_run = move |report: &RunReport| {
        let outcome = match &report.outcome {
            RunOutcome::Published(_) => "published",
            RunOutcome::NotHeld => "not_held",
            RunOutcome::Failed(_) => "failed",
        };
        metrics.tally_runs.get_or_create(&Outcome { outcome }).inc();
        metrics.tally_seconds.observe(report.took.as_secs_f64());
    };
    let hooks = Hooks { clock: Arc::new(clock::now), on_run: Arc::new(on_run), ..Hooks::default() };
    let contests = Arc::new(Counted(Arc::clone(&node.contests)));
    let tally = Tally::new(ballots, Arc::clone(&node.control), contests, settings, hooks)?;
    Ok(tally.spawn()?)
}

/// The contests, as the tally asks for them.
struct Counted(Arc<Contests>);

impl tally::Contests for Counted {
    fn list(&self) -> BoxFuture<'_, Result<Vec<TallyContest>, StoreError>> {
        Box::pin(async {
            // Read anew: what is counted is judged by the hours as they are.
            self.0.refresh().await?;
            let all = self.0.all().into_iter().map(|live| tally_contest(&live));
            Ok(all.collect())
        })
    }
}

/// A contest as the tally sees it.
pub(crate) fn tally_contest(live: &LiveContest) -> TallyContest {
    TallyContest {
        slug: live.slug.clone(),
        contest: Arc::new(live.contest.clone()),
        channels: live.channels.iter().map(|channel| channel.channel.clone()).collect(),
    }
}

/// Reads the contests again and again, and forgets what is no longer needed.
async fn refresh(node: Arc<Node>) {
    let mut until_forget = FORGET;
    loop {
        tokio::time::sleep(contests::REFRESH).await;
        if let Err(error) = node.contests.refresh().await {
            tracing::error!(%error, "the contests could not be read again");
        }
        until_forget = until_forget.saturating_sub(contests::REFRESH);
        if until_forget.is_zero() {
            node.limits.forget_idle();
            until_forget = FORGET;
        }
    }
}
