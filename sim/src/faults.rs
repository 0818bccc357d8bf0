//! Lets the plan's faults happen, and mends everything when they are over.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    plan::{FAULTS_END, Fault},
    store::{Health, REPLICAS, Store, Trouble},
    truth::{self, note},
    world::{Order, World},
};

/// Starts the machines, lets the faults happen, then mends everything.
pub(crate) async fn run(world: Arc<World>) {
    let starts = world.plan.nodes.iter().enumerate();
    for (n, node) in starts {
        let (world, at) = (Arc::clone(&world), node.starts_at);
        tokio::spawn(async move {
            sleep(at).await;
            world.order(Order::Start(n));
        });
    }
    for (at, fault) in world.plan.faults.clone() {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            sleep(at).await;
            note!("faults", "{fault:?}");
            happen(&world, fault).await;
        });
    }
    sleep(Duration::from_secs(FAULTS_END)).await;
    mend(&world);
}

fn mend(world: &World) {
    note!("faults", "everything is mended");
    match &world.store {
        Store::Cluster(cluster) => {
            for replica in 0..REPLICAS {
                if cluster.health(replica) != Health::Well {
                    cluster.set_health(replica, Health::Well);
                }
                cluster.set_cut(replica, (replica + 1) % REPLICAS, false);
            }
        }
        Store::Disk(disk) => disk.set_trouble(Trouble::None),
    }
    world.network.lose(0);
    for (n, machine) in world.machines.iter().enumerate() {
        world.network.set_cut(n, false);
        world.network.set_documents_cut(n, false);
        *machine.cut_from_voters.lock() = false;
        machine.clock.set(world.plan.nodes[n].ahead_us);
        world.order(Order::Continue { node: n, slept: false });
        world.order(Order::Start(n));
    }
}

async fn happen(world: &World, fault: Fault) {
    match fault {
        Fault::Crash { node, down } => {
            world.order(Order::Crash(node));
            sleep(down).await;
            world.order(Order::Start(node));
        }
        Fault::Restart { node, down } => {
            let door = world.machines[node].door.lock().clone();
            if let Some(door) = door {
                let (done, is_done) = tokio::sync::oneshot::channel();
                let _ = door.try_send(crate::node::Request::End(done));
                // Whoever supervises it does not wait for ever.
                let _ = tokio::time::timeout(Duration::from_secs(8), is_done).await;
            }
            world.order(Order::Crash(node));
            sleep(down).await;
            world.order(Order::Start(node));
        }
        Fault::Pause { node, lasts } => {
            world.order(Order::Stop(node));
            sleep(lasts).await;
            world.order(Order::Continue { node, slept: false });
        }
        Fault::Suspend { node, lasts } => {
            world.order(Order::Stop(node));
            sleep(lasts).await;
            world.order(Order::Continue { node, slept: true });
        }
        Fault::SetClock { node, ahead_us, lasts } => {
            let (machine, right) = (&world.machines[node], world.plan.nodes[node].ahead_us);
            note!(machine.name, "its clock is set {ahead_us} us ahead of the truth");
            machine.clock.set(ahead_us);
            sleep(lasts).await;
            note!(machine.name, "its clock is set right");
            machine.clock.set(right);
        }
        Fault::CutFromStore { node, lasts } => {
            world.network.set_cut(node, true);
            sleep(lasts).await;
            world.network.set_cut(node, false);
        }
        Fault::CutFromDocuments { node, lasts } => {
            world.network.set_documents_cut(node, true);
            sleep(lasts).await;
            world.network.set_documents_cut(node, false);
        }
        Fault::CutFromVoters { node, lasts } => {
            *world.machines[node].cut_from_voters.lock() = true;
            sleep(lasts).await;
            *world.machines[node].cut_from_voters.lock() = false;
        }
        Fault::LoseAnswers { permille, lasts } => {
            world.network.lose(permille);
            sleep(lasts).await;
            world.network.lose(0);
        }
        Fault::UnreadableDefinition => write_unreadable(world).await,
        Fault::SlowReplica { .. }
        | Fault::PauseReplica { .. }
        | Fault::CrashReplica { .. }
        | Fault::CutReplicas { .. }
        | Fault::StallDisk { .. }
        | Fault::FailDisk => in_store(world, fault).await,
    }
    note!("faults", "is over: {fault:?}, at {}", truth::now());
}

async fn in_store(world: &World, fault: Fault) {
    match (fault, &world.store) {
        (Fault::SlowReplica { replica, millis, lasts }, Store::Cluster(cluster)) => {
            cluster.set_health(replica, Health::Slow(millis));
            sleep(lasts).await;
            cluster.set_health(replica, Health::Well);
        }
        (Fault::PauseReplica { replica, lasts }, Store::Cluster(cluster)) => {
            cluster.set_health(replica, Health::Paused);
            sleep(lasts).await;
            cluster.set_health(replica, Health::Well);
        }
        (Fault::CrashReplica { replica, down }, Store::Cluster(cluster)) => {
            cluster.set_health(replica, Health::Down);
            sleep(down).await;
            cluster.set_health(replica, Health::Well);
        }
        (Fault::CutReplicas { a, b, lasts }, Store::Cluster(cluster)) => {
            cluster.set_cut(a, b, true);
            sleep(lasts).await;
            cluster.set_cut(a, b, false);
        }
        (Fault::StallDisk { millis, lasts }, Store::Disk(disk)) => {
            disk.set_trouble(Trouble::Stalls(millis));
            sleep(lasts).await;
            disk.set_trouble(Trouble::None);
        }
        (Fault::FailDisk, Store::Disk(disk)) => disk.set_trouble(Trouble::Fails),
        _ => {}
    }
}

/// As a newer version writes one, in a rolling upgrade.
async fn write_unreadable(world: &World) {
    let Store::Cluster(cluster) = &world.store else { return };
    let body = br#"{"definition":{"title":"of tomorrow","sort":"ranked"}}"#;
    let swap = async {
        let at = cluster.coordinator()?;
        let key = "contest/of-tomorrow".to_owned();
        cluster.swap(at, key, store::Version::NONE, Some(body.as_slice().into())).await
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), swap).await;
}
