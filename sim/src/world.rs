//! One simulation: the machines, the loop that lets them run, and what lies between them.

use std::{sync::Arc, time::Duration};

use ballot::{Slug, Timestamp};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{
    admin,
    bugs::Bug,
    checker::Checker,
    client,
    clock::SimClock,
    faults,
    island::{Island, WINDOW},
    node::{self, Request},
    plan::{FAULTS_END, Plan},
    store::{Cluster, Disk, Network, Store},
    truth::{self, note},
    verdict,
};

/// After the last fault, and after a contest's end, everything must be done within this.
const DONE_WITHIN: Duration = ballot::timing::FINAL_WITHIN;

/// Nothing lasts longer.
const LONGEST: Duration = Duration::from_secs(FAULTS_END + 150);

/// What all machines share. None of them knows it: it is the world.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) bug: Option<Bug>,
    pub(crate) checker: Arc<Checker>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) network: Arc<Network>,
    pub(crate) store: Store,
    /// What is to be done with the machines between two windows.
    orders: Mutex<Vec<Order>>,
    /// Clients that have no answer yet.
    pub(crate) unanswered: Mutex<u64>,
    /// Contests that are certified.
    pub(crate) certified: Mutex<Vec<Slug>>,
}

/// One machine, whether anything runs on it or not.
pub(crate) struct Machine {
    pub(crate) name: Arc<str>,
    pub(crate) clock: Arc<SimClock>,
    /// Where requests go; `None` while nothing listens.
    pub(crate) door: Mutex<Option<mpsc::Sender<Request>>>,
    /// Whether voters reach it.
    pub(crate) cut_from_voters: Mutex<bool>,
    /// Whether its last word was that it takes voters.
    pub(crate) is_ready: Mutex<bool>,
}

/// What is done to a machine, by the world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    Start(usize),
    Crash(usize),
    /// Its processes stand still.
    Stop(usize),
    /// They go on. `slept`: the machine has slept, and its clocks with it.
    Continue {
        node: usize,
        slept: bool,
    },
}

/// What runs on a machine.
#[derive(Default)]
struct Running {
    island: Option<Island>,
    /// Since when it stands still.
    stopped_at: Option<u64>,
    lives: u32,
}

impl World {
    pub(crate) fn order(&self, order: Order) {
        self.orders.lock().push(order);
    }

    fn new(plan: Plan, bug: Option<Bug>) -> Arc<Self> {
        let checker = Checker::new(plan.alone);
        let committed = Arc::clone(&checker);
        let on_commit: crate::store::OnCommit =
            Box::new(move |key, version, body| committed.committed(key, version, body));
        let store = if plan.alone {
            Store::Disk(Disk::new(plan.seed ^ 1, on_commit))
        } else {
            Store::Cluster(Cluster::new(plan.seed ^ 1, on_commit))
        };
        let machines = plan.nodes.iter().enumerate().map(|(n, node)| Machine {
            name: format!("node-{n}").into(),
            clock: SimClock::new(node.ahead_us, node.drift_ppm, node.stands_still),
            door: Mutex::default(),
            cut_from_voters: Mutex::new(false),
            is_ready: Mutex::new(false),
        });
        let clients = plan.contests.iter().map(|contest| contest.voters.len() as u64).sum();
        Arc::new(Self {
            machines: machines.collect(),
            network: Network::new(plan.nodes.len(), plan.seed ^ 2),
            checker,
            store,
            orders: Mutex::default(),
            unanswered: Mutex::new(clients),
            certified: Mutex::default(),
            plan,
            bug,
        })
    }

    /// By when all must be done: some time after the faults, and after each contest's end.
    fn due(&self) -> Timestamp {
        let faults_end = truth::at(FAULTS_END * 1_000_000);
        let ends = self.plan.contests.iter().filter_map(|contest| {
            self.checker.definition(&contest.slug()).and_then(|now| now.hours.closes_at)
        });
        ends.chain([faults_end]).max().unwrap_or_default().plus(DONE_WITHIN)
    }

    fn is_done(&self) -> bool {
        *self.unanswered.lock() == 0 && self.certified.lock().len() == self.plan.contests.len()
    }
}

/// What came of a seed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    /// What is wrong; nothing, if all is well.
    pub(crate) wrong: Vec<String>,
    /// Of the trace.
    pub(crate) hash: u64,
    pub(crate) events: u64,
    pub(crate) acknowledged: usize,
    pub(crate) seconds: u64,
    /// The last events of everybody, where something is wrong.
    pub(crate) last_events: String,
}

/// Runs one seed, on this thread. The thread must be a new one, for the sake of its hash seeds.
pub(crate) fn run(seed: u64, bug: Option<Bug>, prints: bool) -> Outcome {
    truth::begin_trace(prints);
    fastrand::seed(seed);
    let world = World::new(Plan::new(seed), bug);
    let own = Island::new();
    own.spawn(faults::run(Arc::clone(&world)));
    for n in 0..world.plan.contests.len() {
        admin::spawn(&world, &own, n);
        client::spawn(&world, &own, n);
    }
    let mut running: Vec<Running> = world.machines.iter().map(|_| Running::default()).collect();
    let mut micros = 0;
    while !world.is_done() && micros < LONGEST.as_micros() as u64 {
        if truth::now() > world.due() {
            world.checker.wrong(late(&world));
            break;
        }
        for message in world.network.take_mail() {
            own.spawn(message);
        }
        own.run(micros);
        let orders = std::mem::take(&mut *world.orders.lock());
        for order in orders {
            carry_out(&world, &mut running, order, micros);
        }
        for machine in &running {
            if let (Some(island), None) = (&machine.island, machine.stopped_at) {
                island.run(micros);
            }
        }
        micros += WINDOW.as_micros() as u64;
        truth::begin_window(micros, None);
    }
    verdict::check(&world);
    // What still runs ends here, with no time to do anything.
    drop(running);
    let wrong = world.checker.all_wrong();
    let (hash, events) = truth::hash();
    Outcome {
        seed,
        last_events: if wrong.is_empty() { String::new() } else { truth::last_events() },
        wrong,
        hash,
        events,
        acknowledged: world.checker.acknowledged(),
        seconds: micros / 1_000_000,
    }
}

fn late(world: &World) -> String {
    let certified = world.certified.lock().clone();
    let open = world.plan.contests.iter().map(|contest| contest.slug());
    let open: Vec<_> = open.filter(|slug| !certified.contains(slug)).collect();
    let unanswered = *world.unanswered.lock();
    format!("too late: {unanswered} voters without an answer, and not certified: {open:?}")
}

fn carry_out(world: &Arc<World>, running: &mut [Running], order: Order, micros: u64) {
    let (Order::Start(node)
    | Order::Crash(node)
    | Order::Stop(node)
    | Order::Continue { node, .. }) = order;
    let (machine, now) = (&world.machines[node], &mut running[node]);
    match order {
        Order::Start(_) if now.island.is_none() => {
            note!(machine.name, "starts, its clock ahead by {} us", machine.clock.ahead_us());
            now.lives += 1;
            let island = Island::new();
            island.spawn(node::run(Arc::clone(world), node, now.lives));
            now.island = Some(island);
        }
        Order::Crash(_) if now.island.is_some() => {
            note!(machine.name, "is gone");
            *machine.door.lock() = None;
            *machine.is_ready.lock() = false;
            *now = Running { lives: now.lives, ..Running::default() };
            if let Store::Disk(disk) = &world.store {
                disk.crash();
            }
        }
        Order::Stop(_) if now.island.is_some() && now.stopped_at.is_none() => {
            note!(machine.name, "stands still");
            now.stopped_at = Some(micros);
        }
        Order::Continue { slept, .. } => {
            let (Some(island), Some(since)) = (&now.island, now.stopped_at.take()) else { return };
            let passed = Duration::from_micros(micros - since);
            note!(machine.name, "goes on{}", if slept { "; the machine had slept" } else { "" });
            if slept {
                machine.clock.sleep(passed);
            } else {
                island.pass_over(passed, micros);
            }
        }
        _ => {}
    }
}
