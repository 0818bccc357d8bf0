//! Building a node from its settings: the one place where components meet.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use ballot::{Clock, Entropy, NodeClock, timing};
use contests::{Contests, Identity, JoinError, Pace, Peers};
use intake::{Intake, IntakeSettings};
use store::StoreError;
use tally::{Schedule, TallyHandle, TallySettings};
use tokio::net::TcpListener;

use web::{
    App, AppSettings, Audience, Entrance, LimitSettings, Listening, Metrics, Planes, Server, Tls,
    supervised,
};

use crate::{
    counting::start_tally,
    listeners::{listen, operators_server_settings, server_settings},
    machine::{SystemClock, SystemEntropy},
    settings::{NODE_NAME_BYTES_MAX, Settings},
    stores::{OpenStore, StoreAddress},
};

/// How often a tally that waits for another's contest counts along.
const STANDBY: Duration = Duration::from_secs(10);
/// On a cluster, how old a counts row may be that is shown.
const COUNTS_AGE_MAX: Duration = Duration::from_millis(500);
/// How long a node that starts puts up with a store that does not answer. Who supervises it hears
/// of it then.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two tries to start, on average.
const START_PAUSE: Duration = Duration::from_millis(500);
/// How often networks that are not seen any more are forgotten.
const FORGET: Duration = Duration::from_secs(60);

/// A running node.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens to operators, if they have a listener of their own.
    pub operator_address: Option<SocketAddr>,
    app: Arc<App>,
    planes: Planes,
    server: Server,
    operators: Option<Server>,
    tally: Option<TallyHandle>,
    store: OpenStore,
    drain: Duration,
    is_secure: bool,
}

impl Running {
    /// Opens the store and starts everything; returns when votes are taken.
    pub async fn start(settings: &Settings) -> Result<Self> {
        raise_file_limit();
        let schedule: Schedule = settings.tally_schedule.parse().context("tally_schedule")?;
        // The address first: whoever starts a second node by mistake hears of it at once.
        let listener = listen(settings.listen)?;
        let address = listener.local_addr()?;
        let operators = settings.operator_listen.map(listen).transpose()?;
        let operator_address = operators.as_ref().map(TcpListener::local_addr).transpose()?;
        let tls = match &settings.tls {
            Some((certificate, key)) => Some(Tls::load(certificate.clone(), key.clone())?),
            None => None,
        };
        let is_secure = tls.is_some();
        let store = OpenStore::open(&settings.store).await?;
        let clock = Arc::new(NodeClock::new(Arc::new(SystemClock)));
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let identity = Identity {
            name: settings.node.clone().unwrap_or_else(|| node_name(address)),
            url: url(address, is_secure),
            roles: settings.roles.names(),
        };
        let sharing = Sharing::of(&settings.store);
        let peers = if sharing.is_shared {
            patiently(async || {
                let (control, clock) = (Arc::clone(&store.control), Arc::clone(&clock));
                Ok(Peers::join(control, clock, &*entropy, identity.clone()).await?)
            })
            .await?
        } else {
            Peers::alone(Arc::clone(&clock), &*entropy, identity)
        };
        let (ballots, control) = (Arc::clone(&store.ballots), Arc::clone(&store.control));
        let metrics = Arc::new(Metrics::new());
        let contests = patiently(async || {
            let (control, clock) = (Arc::clone(&control), Arc::clone(&clock));
            Ok(Contests::load(control, sharing.pace, clock, Arc::clone(&entropy)).await?)
        })
        .await?;
        if !peers.are_known() {
            // Nobody else can say what time it is, but for what has been recorded.
            contests.raise_floor(&*ballots).await?;
        }
        let intake_settings = IntakeSettings {
            queue_ballots_max: settings.queue_ballots_max,
            commits_in_flight_max: settings
                .commits_in_flight_max
                .unwrap_or(sharing.intake.commits_in_flight_max)
                .max(1),
            ..sharing.intake
        };
        let tally_settings = TallySettings { schedule, ..sharing.tally_settings(peers.name()) };
        let card_font = settings.card_font.as_ref().map(|path| {
            std::fs::read(path).with_context(|| format!("card_font: {}", path.display()))
        });
        let card_font = card_font.transpose()?;
        anyhow::ensure!(
            cfg!(feature = "card") || card_font.is_none(),
            "card_font: this program was built without the feature card, which draws them"
        );
        let intake = Intake::new(
            Arc::clone(&ballots),
            intake_settings,
            Arc::clone(&metrics) as _,
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let planes = Planes { contests, control, intake, peers, clock, entropy, metrics };
        let app = App::new(planes.clone(), app_settings(settings, &sharing, card_font));
        warn_of(settings, is_secure);
        let tally = if settings.roles.tally {
            Some(start_tally(&planes, ballots, tally_settings)?)
        } else {
            None
        };
        if let Some(tls) = &tls {
            tokio::spawn(Arc::clone(tls).reload_on_change());
        }
        let (refreshed, app_too) = (planes.clone(), Arc::clone(&app));
        tokio::spawn(async move {
            supervised("refresh", || refresh(&refreshed, &app_too)).await;
        });
        tokio::spawn(beat(Arc::clone(&planes.peers), Arc::clone(&app)));
        let audience = if operators.is_some() { Audience::Public } else { Audience::Everybody };
        let proxy_protocol = settings.proxy_protocol.clone();
        let entrance = Entrance { audience, tls: tls.clone(), proxy_protocol };
        let server =
            web::serve(&app, Listening { listener, entrance }, &server_settings(settings))?;
        let operators = operators.map(|listener| {
            let (audience, proxy_protocol) = (Audience::Operators, Vec::new());
            let entrance = Entrance { audience, tls, proxy_protocol };
            web::serve(&app, Listening { listener, entrance }, &operators_server_settings())
        });
        Ok(Self {
            address,
            operator_address,
            app,
            planes,
            server,
            operators: operators.transpose()?,
            tally,
            store,
            drain: settings.drain,
            is_secure,
        })
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        url(self.address, self.is_secure)
    }

    /// Where operators find it, if they have a listener of their own.
    pub fn operator_url(&self) -> Option<String> {
        self.operator_address.map(|address| url(address, self.is_secure))
    }

    /// The contests, for those in the same process.
    pub fn contests(&self) -> &Arc<Contests> {
        &self.planes.contests
    }

    /// Resolves with the reason when the store has failed: the process must end, for nothing more
    /// can be acknowledged.
    pub fn failed(&self) -> impl Future<Output = Arc<str>> + Send + 'static {
        self.store.failed()
    }

    /// Ends in order: takes no more ballots, commits and answers those accepted, then closes.
    pub async fn stop(self) -> Result<()> {
        self.app.leave();
        let leaving = Arc::clone(&self.planes.peers);
        let left = tokio::spawn(async move { leaving.leave().await });
        self.planes.intake.start_draining();
        self.planes.intake.drained().await;
        // Balancers see that it is not ready and go elsewhere; late comers are told to.
        tokio::time::sleep(self.drain).await;
        self.server.stop().await;
        if let Some(operators) = self.operators {
            operators.stop().await;
        }
        if let Some(tally) = self.tally {
            tokio::task::spawn_blocking(move || tally.stop()).await?;
        }
        self.store.flush().await?;
        // It ends within a second, whatever the store does.
        let _ = left.await;
        Ok(())
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What differs between a store of one's own and one that other processes use as well.
pub(crate) struct Sharing {
    is_shared: bool,
    pub(crate) pace: Pace,
    intake: IntakeSettings,
    counts_age_max: Duration,
}

impl Sharing {
    pub(crate) fn of(store: &StoreAddress) -> Self {
        if store.is_shared() {
            Self {
                is_shared: true,
                pace: Pace::SHARED,
                intake: IntakeSettings::for_cluster(),
                counts_age_max: COUNTS_AGE_MAX,
            }
        } else {
            Self {
                is_shared: false,
                pace: Pace::ALONE,
                intake: IntakeSettings::default(),
                counts_age_max: Duration::ZERO,
            }
        }
    }

    fn tally_settings(&self, node: &str) -> TallySettings {
        if self.is_shared {
            TallySettings {
                holder: node.to_owned(),
                clock_skew: timing::CLOCK_SKEW,
                standby: Some(STANDBY),
                ..TallySettings::default()
            }
        } else {
            // One process at a time has the folder: after a crash it goes on with its own lease.
            let holder = "the process on this folder".into();
            TallySettings { holder, ..TallySettings::default() }
        }
    }
}

/// What its handlers go by.
fn app_settings(settings: &Settings, sharing: &Sharing, card_font: Option<Vec<u8>>) -> AppSettings {
    AppSettings {
        limits: LimitSettings {
            ballots_per_second: settings.ballots_per_second,
            ballots_burst: settings.ballots_burst,
            trusted_proxies: settings.trusted_proxies.clone(),
            limit_loopback: settings.limit_loopback,
        },
        roles: settings.roles,
        admin_token: settings.admin_token.clone(),
        public_url: settings.public_url.clone(),
        vote_addresses: settings.vote_addresses.clone(),
        streams_max: settings.streams_max,
        counts_age_max: sharing.counts_age_max,
        card_font,
    }
}

/// Tries again while the store cannot be reached: where many nodes start at the same moment, their
/// first changes contend, and some are not answered in time.
async fn patiently<T>(start: impl AsyncFn() -> Result<T>) -> Result<T> {
    let began = SystemClock.moment();
    let is_over = || SystemClock.moment().since(began) >= START_PATIENCE;
    loop {
        match start().await {
            Err(error) if is_unavailable(&error) && !is_over() => {
                tracing::warn!(%error, "not started yet: trying again");
                tokio::time::sleep(START_PAUSE.mul_f64(0.5 + fastrand::f64())).await;
            }
            outcome => return outcome,
        }
    }
}

fn is_unavailable(error: &anyhow::Error) -> bool {
    let of_store = error.downcast_ref().or_else(|| match error.downcast_ref() {
        Some(JoinError::Store(error)) => Some(error),
        _ => None,
    });
    matches!(of_store, Some(StoreError::Unavailable(_)))
}

fn url(address: SocketAddr, is_secure: bool) -> String {
    let scheme = if is_secure { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// A name that two nodes have only if they listen on one address of one host.
fn node_name(address: SocketAddr) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let ip =
        if address.ip().is_unspecified() { String::new() } else { format!("-{}", address.ip()) };
    let mut name = format!("{host}{ip}-{}", address.port()).to_ascii_lowercase();
    name.retain(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == ':');
    let name = name.replace(':', "-");
    let from = name.len().saturating_sub(NODE_NAME_BYTES_MAX);
    name[from..].trim_start_matches(['.', '-']).to_owned()
}

/// As many connections as the system allows; the usual soft limit is 1,024.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If it may not be raised, fewer connections are accepted, and that is logged when it happens.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn warn_of(settings: &Settings, is_secure: bool) {
    if settings.admin_token.is_none() && settings.roles.admin {
        tracing::warn!("LANDSLIDE_ADMIN_TOKEN is not set: nobody is an administrator");
    }
    if settings.operator_listen.is_some_and(|address| !is_secure && !address.ip().is_loopback()) {
        tracing::warn!("plain HTTP on the operators' listener: tokens can be overheard");
    }
    if !is_secure && !settings.listen.ip().is_loopback() && settings.trusted_proxies.is_empty() {
        tracing::warn!(
            "plain HTTP on an address that is not the loopback: set tls_certificate and tls_key, \
             or trusted_proxies if a balancer stands in front"
        );
    }
}

/// Lets the others know that this node lives.
async fn beat(peers: Arc<Peers>, app: Arc<App>) {
    let beat = || {
        let asked = Arc::clone(&app);
        Arc::clone(&peers).beat(move || asked.not_ready().is_none())
    };
    supervised("heartbeat", beat).await;
}

/// Reads the contests again and again, and forgets what is no longer needed.
async fn refresh(planes: &Planes, app: &App) {
    let (mut until_forget, mut was_behind) = (FORGET, false);
    loop {
        tokio::time::sleep(timing::REFRESH).await;
        if let Err(error) = planes.contests.refresh().await {
            tracing::error!(%error, "the contests could not be read again");
        }
        let behind = planes.clock.behind();
        match (was_behind, behind) {
            (false, Some(behind)) => tracing::error!(
                behind_seconds = behind.as_secs_f64(),
                "this node's clock lies behind what it has stamped or what was counted: it takes no \
                 ballots until the clock has caught up"
            ),
            (true, None) => tracing::warn!("this node's clock has caught up"),
            _ => {}
        }
        was_behind = behind.is_some();
        until_forget = until_forget.saturating_sub(timing::REFRESH);
        if until_forget.is_zero() {
            app.forget_idle_networks();
            until_forget = FORGET;
        }
    }
}
