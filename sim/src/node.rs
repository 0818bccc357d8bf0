//! A node of the cluster: the real planes, put together as the binary does, without HTTP.

use std::{sync::Arc, time::Duration};

use ballot::{Ballot, BallotId, ChannelNumber, ChoiceNumber, Device, Entropy, Slug, timing};
use contests::{Contests, Identity, NotAdmitted, Peers};
use intake::{Gatherer, Intake, IntakeSettings, Observer};
use parking_lot::Mutex;
use store::{BallotStore, ControlStore, StoreError};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use crate::{
    admin::{self, Command},
    bugs::{self, Clocks},
    checker::{Checker, Life},
    counting,
    store::{Line, OpenDisk, Store, Watched},
    truth::note,
    world::{Order, World},
};

/// Requests that wait at a node's door.
const DOOR_REQUESTS: usize = 1_000;
/// How long a node waits before it tries again to start.
const START_PAUSE: Duration = Duration::from_millis(500);
/// A node that could not read its store for this long is not ready.
const STORE_AWAY: Duration = Duration::from_secs(5);

/// What comes to a node.
pub(crate) enum Request {
    Cast(Cast),
    Command(Command),
    /// End in order, and say when nothing is under way any more.
    End(oneshot::Sender<()>),
}

/// A voter's ballot.
pub(crate) struct Cast {
    pub(crate) contest: Slug,
    pub(crate) id: BallotId,
    pub(crate) device: String,
    pub(crate) choice: ChoiceNumber,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// What a node says to a voter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// 201.
    Recorded,
    /// 409, for good.
    Closed,
    /// 409, and it will open; or 404, and it will be made.
    NotOpenYet,
    /// 503: the same ballot id again, elsewhere.
    Retry(String),
}

/// A running node.
pub(crate) struct Node {
    pub(crate) life: Life,
    pub(crate) clocks: Clocks,
    pub(crate) contests: Arc<Contests>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) ballots: Arc<dyn BallotStore>,
    pub(crate) control: Arc<dyn ControlStore>,
    intake: Arc<Intake>,
    gatherers: Vec<Arc<Gatherer>>,
    checker: Arc<Checker>,
}

/// Random bytes that a seed gives.
struct Seeded(Mutex<fastrand::Rng>);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill(bytes);
    }
}

struct Nobody;

impl Observer for Nobody {
    fn committed(&self, _: usize, _: usize, _: Duration) {}
    fn put_failed(&self, _: &StoreError, _: bool) {}
}

/// Starts a node, and lets it run until its island ends.
pub(crate) async fn run(world: Arc<World>, number: usize, lives: u32) {
    let machine = &world.machines[number];
    let life = Life { node: number, name: Arc::clone(&machine.name), number: lives };
    let (ballots, control) = stores(&world, &life);
    let entropy = world.plan.seed ^ (number as u64) << 32 ^ u64::from(lives) << 40;
    let entropy: Arc<dyn Entropy> = Arc::new(Seeded(Mutex::new(fastrand::Rng::with_seed(entropy))));
    let clocks = bugs::clocks(world.bug, &machine.clock);
    let (peers, contests) = loop {
        match start(&world, &life, &clocks, &ballots, &control, &entropy).await {
            Ok(started) => break started,
            Err(error) => note!(life.name, "does not start yet: {error}"),
        }
        sleep(START_PAUSE).await;
    };
    let settings =
        if world.plan.alone { IntakeSettings::default() } else { IntakeSettings::for_cluster() };
    let intake = Intake::new(
        Arc::clone(&ballots),
        settings,
        Arc::new(Nobody),
        Arc::clone(&clocks.intake),
        Arc::clone(&entropy),
    );
    let workers = 0..world.plan.nodes[number].workers;
    let gatherers: Vec<_> = workers.map(|_| Gatherer::new(Arc::clone(&intake))).collect();
    for gatherer in &gatherers {
        tokio::spawn(Arc::clone(gatherer).run());
    }
    let checker = Arc::clone(&world.checker);
    let node = Arc::new(Node {
        life,
        clocks,
        contests,
        peers,
        ballots,
        control,
        intake,
        gatherers,
        checker,
    });
    tokio::spawn(refresh(Arc::clone(&node)));
    tokio::spawn(beat(Arc::clone(&node)));
    if world.plan.nodes[number].counts {
        counting::spawn(&world, &node);
    }
    tokio::spawn(say_whether_ready(Arc::clone(&world), Arc::clone(&node)));
    note!(node.life.name, "takes ballots");
    serve(&world, &node).await;
}

/// The node's way to its store, with whatever bug there is in it.
fn stores(world: &Arc<World>, life: &Life) -> (Arc<dyn BallotStore>, Arc<dyn ControlStore>) {
    let checker = Arc::clone(&world.checker);
    match &world.store {
        Store::Cluster(cluster) => {
            let line = Line {
                cluster: Arc::clone(cluster),
                network: Arc::clone(&world.network),
                node: life.node,
                name: Arc::clone(&life.name),
                scan_quorum: bugs::scan_quorum(world.bug),
                put_quorum: bugs::put_quorum(world.bug),
            };
            bugs::stores(world.bug, Watched::new(Arc::new(line), checker, life.clone()))
        }
        Store::Disk(disk) => {
            let open = OpenDisk::open(Arc::clone(disk));
            let (world_then, failing, node) = (Arc::clone(world), Arc::clone(&open), life.node);
            tokio::spawn(async move {
                failing.failed().await;
                // Its supervisor starts it again.
                world_then.order(Order::Crash(node));
                world_then.order(Order::Start(node));
            });
            bugs::stores(world.bug, Watched::new(open, checker, life.clone()))
        }
    }
}

async fn start(
    world: &World,
    life: &Life,
    clocks: &Clocks,
    ballots: &Arc<dyn BallotStore>,
    control: &Arc<dyn ControlStore>,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<(Arc<Peers>, Arc<Contests>)> {
    let name = life.name.to_string();
    let identity = Identity { name, url: String::new(), roles: Vec::new() };
    let clock = Arc::clone(&clocks.peers);
    let peers = if world.plan.alone {
        Peers::alone(clock, &**entropy, identity)
    } else {
        Peers::join(Arc::clone(control), clock, &**entropy, identity).await?
    };
    let pace = bugs::pace(world.bug, world.plan.alone);
    let clock = Arc::clone(&clocks.contests);
    let control = bugs::for_contests(world.bug, control);
    let contests = Contests::load(control, pace, clock, Arc::clone(entropy)).await?;
    if !peers.are_known() {
        // Nobody else can say what time it is, but for what has been recorded.
        contests.raise_floor(&**ballots).await?;
    }
    Ok((peers, contests))
}

async fn refresh(node: Arc<Node>) {
    loop {
        sleep(timing::REFRESH).await;
        if let Err(error) = node.contests.refresh().await {
            note!(node.life.name, "cannot read the contests: {error}");
        }
    }
}

async fn beat(node: Arc<Node>) {
    let asked = Arc::clone(&node);
    Arc::clone(&node.peers).beat(move || asked.is_ready()).await;
}

async fn say_whether_ready(world: Arc<World>, node: Arc<Node>) {
    let machine = &world.machines[node.life.node];
    loop {
        let is_ready = node.is_ready();
        if std::mem::replace(&mut *machine.is_ready.lock(), is_ready) != is_ready {
            note!(node.life.name, "is {}", if is_ready { "ready" } else { "not ready" });
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn serve(world: &World, node: &Arc<Node>) {
    let (door, mut requests) = mpsc::channel(DOOR_REQUESTS);
    *world.machines[node.life.node].door.lock() = Some(door);
    let mut worker = 0;
    while let Some(request) = requests.recv().await {
        let node = Arc::clone(node);
        match request {
            Request::Cast(cast) => {
                worker = (worker + 1) % node.gatherers.len();
                tokio::spawn(async move {
                    let answer = node.cast(worker, &cast).await;
                    let _ = cast.reply.send(answer);
                });
            }
            Request::Command(command) => drop(tokio::spawn(admin::carry_out(node, command))),
            Request::End(done) => drop(tokio::spawn(async move {
                note!(node.life.name, "is told to end");
                node.intake.start_draining();
                node.intake.drained().await;
                node.peers.leave().await;
                let _ = done.send(());
            })),
        }
    }
}

impl Node {
    fn is_ready(&self) -> bool {
        !self.intake.is_draining()
            && !self.peers.clock_strays()
            && self.contests.age().max(self.peers.age()) <= STORE_AWAY
    }

    /// What `POST /v1/contests/{contest}/ballots` does, without HTTP.
    async fn cast(&self, worker: usize, cast: &Cast) -> Answer {
        let retry = |why: &dyn std::fmt::Display| Answer::Retry(why.to_string());
        match self.contests.get_fresh(cast.contest.as_str()).await {
            Ok(Some(_)) => {}
            Ok(None) => return Answer::NotOpenYet,
            Err(away) => return retry(&away),
        }
        // The time first and the contest second: a close by hand relies on this order.
        let stamp = self.clocks.stamps.stamp();
        let Some(live) = self.contests.get(cast.contest.as_str()) else {
            return Answer::NotOpenYet;
        };
        match self.contests.admits(&live, &stamp, &self.peers) {
            Ok(()) => {}
            Err(NotAdmitted::NotOpen(hours)) => {
                return match hours.phase(stamp.recorded_at) {
                    ballot::Phase::Draft => Answer::NotOpenYet,
                    _ => {
                        let (life, at) = (&self.life, stamp.recorded_at);
                        self.checker.refuses(life, &cast.contest, cast.id, at);
                        Answer::Closed
                    }
                };
            }
            Err(refused) => return retry(&refused),
        }
        let device = Device::parse(&cast.device).expect("a client's device is a UUIDv4");
        let ballot = Ballot {
            id: cast.id,
            voter: live.key.voter_of_device(device),
            choice: cast.choice,
            channel: ChannelNumber::WEB,
            recorded_at: stamp.recorded_at,
        };
        let gatherer = &self.gatherers[worker];
        let ticket = match gatherer.submit(&live.destination, ballot, stamp.moment) {
            Ok(ticket) => ticket,
            Err(refused) => return retry(&refused),
        };
        self.checker.takes_in(&cast.contest, &ballot);
        match ticket.await {
            Ok(()) => {
                let at = self.clocks.stamps.now();
                self.checker.acknowledges(&self.life, &cast.contest, &ballot, at);
                Answer::Recorded
            }
            Err(unknown) => retry(&unknown),
        }
    }
}
