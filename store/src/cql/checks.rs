//! Whether the cluster keeps what an acknowledgement promises. Asked once, at the start.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU8,
    sync::Arc,
    time::Duration,
};

use scylla::{
    client::session::Session,
    cluster::Node,
    errors::{DbError, ExecutionError, RequestAttemptError},
    policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy},
    statement::{Consistency, Statement},
};

use super::settings::{CqlSettings, Replication};
use crate::ConnectError;

/// How long one node has to say how it syncs; one that is slower counts as unreachable.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);

/// Copies of the keyspace: enough of them, on nodes that exist, written to the commit log.
pub(super) async fn replication(
    session: &Session,
    settings: &CqlSettings,
) -> Result<(), ConnectError> {
    let cql = "SELECT durable_writes, replication FROM system_schema.keyspaces \
               WHERE keyspace_name = ?";
    let unavailable = |error: String| ConnectError::Unavailable(error.into());
    let answer = session.query_unpaged(cql, (&settings.keyspace,)).await;
    let rows = answer.map_err(|error| unavailable(error.to_string()))?;
    let rows = rows.into_rows_result().map_err(|error| unavailable(error.to_string()))?;
    let row = rows.maybe_first_row::<(bool, HashMap<String, String>)>();
    let row = row.map_err(|error| unavailable(error.to_string()))?;
    let Some((durable_writes, options)) = row else {
        let keyspace = &settings.keyspace;
        let sentence =
            format!("there is no keyspace {keyspace}: run `landslide schema` once to make it");
        return Err(ConnectError::Schema(sentence.into()));
    };
    let mut nodes = BTreeMap::new();
    for node in session.get_cluster_state().get_nodes_info() {
        // A driver that could not read who the nodes are goes on with their addresses alone, and would
        // make a busy cluster look like one without datacenters.
        let unknown = || unavailable("the driver has not learned who the nodes are".to_owned());
        let datacenter = node.datacenter.clone().ok_or_else(unknown)?;
        *nodes.entry(datacenter).or_insert(0) += 1;
    }
    check_keyspace(settings, durable_writes, &options, &nodes)
        .map_err(|sentence| ConnectError::Unsafe(sentence.into()))
}

/// The same, of what was read. `nodes`: how many each datacenter has.
fn check_keyspace(
    settings: &CqlSettings,
    durable_writes: bool,
    options: &HashMap<String, String>,
    nodes: &BTreeMap<String, usize>,
) -> Result<(), String> {
    let keyspace = &settings.keyspace;
    if !durable_writes {
        return Err(format!(
            "the keyspace {keyspace} has durable_writes = false, so that ballots are not written \
             to the commit log: ALTER KEYSPACE {keyspace} WITH durable_writes = true"
        ));
    }
    let copies = copies(options).ok_or_else(|| {
        format!("how the keyspace {keyspace} is replicated says nothing to us: {options:?}")
    })?;
    let missing = |has: &str, wanted: NonZeroU8| {
        format!(
            "the keyspace {keyspace} has {has}, the store's address asks for {wanted}: ALTER the \
             keyspace and repair it, or put what is meant into the address, as in replication=1"
        )
    };
    match (&copies, &settings.replication) {
        (Copies::Simple(has), Replication::Everywhere(wanted)) => {
            if has < &u32::from(wanted.get()) {
                return Err(missing(&format!("{has} copies"), *wanted));
            }
        }
        (Copies::Simple(_), Replication::Datacenters(_)) => {
            return Err(format!(
                "the keyspace {keyspace} has SimpleStrategy, which knows no datacenters, and the \
                 store's address asks for copies in some: ALTER it to NetworkTopologyStrategy"
            ));
        }
        (Copies::Datacenters(has), Replication::Everywhere(wanted)) => {
            let short = has.iter().find(|(_, copies)| **copies < u32::from(wanted.get()));
            if let Some((name, copies)) = short {
                return Err(missing(&format!("{copies} copies in {name}"), *wanted));
            }
        }
        (Copies::Datacenters(has), Replication::Datacenters(wanted)) => {
            for (name, wanted) in wanted {
                let copies = has.get(name).copied().unwrap_or(0);
                if copies < u32::from(wanted.get()) {
                    return Err(missing(&format!("{copies} copies in {name}"), *wanted));
                }
            }
        }
    }
    let too_few = |place: &str, copies: u32, nodes: usize| {
        format!(
            "the keyspace {keyspace} asks for {copies} copies{place}, where there are {nodes} \
             nodes: add nodes, or ALTER the keyspace to fewer copies"
        )
    };
    match copies {
        Copies::Simple(copies) => {
            let nodes = nodes.values().sum();
            if (copies as usize) > nodes {
                return Err(too_few("", copies, nodes));
            }
        }
        Copies::Datacenters(datacenters) => {
            for (name, copies) in datacenters {
                let nodes = nodes.get(&name).copied().unwrap_or(0);
                if (copies as usize) > nodes {
                    return Err(too_few(&format!(" in {name}"), copies, nodes));
                }
            }
        }
    }
    Ok(())
}

/// Copies that a keyspace has.
enum Copies {
    Simple(u32),
    Datacenters(BTreeMap<String, u32>),
}

fn copies(options: &HashMap<String, String>) -> Option<Copies> {
    // `3/1` is three copies of which one is transient: it holds nothing for long.
    let number = |text: &str| match text.split_once('/') {
        Some((all, transient)) => {
            all.parse::<u32>().ok()?.checked_sub(transient.parse::<u32>().ok()?)
        }
        None => text.parse().ok(),
    };
    let class = options.get("class")?;
    if class.ends_with("SimpleStrategy") {
        return Some(Copies::Simple(number(options.get("replication_factor")?)?));
    }
    if !class.ends_with("NetworkTopologyStrategy") {
        return None;
    }
    let datacenters = options.iter().filter(|(name, _)| *name != "class");
    let datacenters: BTreeMap<_, _> = datacenters
        .map(|(name, copies)| Some((name.clone(), number(copies)?)))
        .collect::<Option<_>>()?;
    (!datacenters.is_empty()).then_some(Copies::Datacenters(datacenters))
}

/// How a node brings its commit log to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sync {
    /// It said so: `periodic`, `batch` or `group`.
    Says(String),
    /// It has no table that tells.
    Silent,
    /// It did not answer, for this reason.
    Unreachable(String),
}

/// No node acknowledges before its disk has it, unless the operator accepts that.
pub(super) async fn commit_log(
    session: &Session,
    settings: &CqlSettings,
) -> Result<(), ConnectError> {
    let cluster = session.get_cluster_state();
    let nodes = cluster.get_nodes_info();
    let answers = nodes.iter().map(async |node| {
        let answer = ask(session, node).await;
        // By its id too: behind a tunnel or a translated address the address says little.
        (format!("{} (host id {})", node.address, node.host_id), answer)
    });
    let answers = futures_util::future::join_all(answers).await;
    check_sync(settings.periodic_accepted, &answers)
        .map_err(|sentence| ConnectError::Unsafe(sentence.into()))
}

/// The same, of what the nodes said.
fn check_sync(periodic_accepted: bool, answers: &[(String, Sync)]) -> Result<(), String> {
    for (node, answer) in answers {
        match answer {
            Sync::Says(sync) if sync == "batch" || sync == "group" => {}
            Sync::Unreachable(reason) => {
                tracing::warn!(%node, reason, "cannot ask a node how it syncs its commit log");
            }
            Sync::Says(_) | Sync::Silent if periodic_accepted => {
                tracing::warn!(
                    %node,
                    ?answer,
                    "a node may acknowledge ballots before they are on its disk, as accepted"
                );
            }
            Sync::Says(sync) => {
                return Err(format!(
                    "the node {node} has commitlog_sync: {sync}, so that it acknowledges ballots \
                     up to 10 s before they are on its disk: set it to `group` (with \
                     commitlog_sync_group_window: 1ms) or to `batch` in its cassandra.yaml, or \
                     accept that with commitlog=periodic in the store's address"
                ));
            }
            Sync::Silent => {
                return Err(format!(
                    "the node {node} does not tell how it syncs its commit log: see that it has \
                     commitlog_sync: batch (or group), and say commitlog=periodic in the store's \
                     address"
                ));
            }
        }
    }
    Ok(())
}

/// Asks this node about itself: Cassandra in a table of settings, ScyllaDB in one of its own.
async fn ask(session: &Session, node: &Arc<Node>) -> Sync {
    let mut silent = Sync::Silent;
    for table in ["system_views.settings", "system.config"] {
        let cql = format!("SELECT value FROM {table} WHERE name = 'commitlog_sync'");
        let mut statement = Statement::new(cql);
        let target = NodeIdentifier::Node(Arc::clone(node));
        let only = SingleTargetLoadBalancingPolicy::new(target, None);
        statement.set_load_balancing_policy(Some(only));
        statement.set_consistency(Consistency::One);
        statement.set_request_timeout(Some(NODE_TIMEOUT));
        match session.query_unpaged(statement, ()).await {
            Ok(answer) => {
                let rows = answer.into_rows_result().ok();
                let value = rows.and_then(|rows| rows.maybe_first_row::<(String,)>().ok()?);
                if let Some((value,)) = value {
                    // ScyllaDB's values are quoted.
                    return Sync::Says(value.trim_matches('"').to_owned());
                }
            }
            // No such table; or none that we may read.
            Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
                DbError::Invalid | DbError::Unauthorized,
                _,
            ))) => {}
            Err(error) => silent = Sync::Unreachable(error.to_string()),
        }
    }
    silent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        address: &str,
        options: &[(&str, &str)],
        nodes: &[(&str, usize)],
    ) -> Result<(), String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let options = options.iter().map(own).collect();
        let nodes = nodes.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        check_keyspace(&address.parse().unwrap(), true, &options, &nodes)
    }

    const SIMPLE: (&str, &str) = ("class", "org.apache.cassandra.locator.SimpleStrategy");
    const TOPOLOGY: (&str, &str) =
        ("class", "org.apache.cassandra.locator.NetworkTopologyStrategy");

    #[test]
    fn enough_copies_on_enough_nodes_are_taken() {
        let three = [("dc1", 3)];
        check("cql://a/k", &[SIMPLE, ("replication_factor", "3")], &three).unwrap();
        check("cql://a/k", &[TOPOLOGY, ("dc1", "3")], &three).unwrap();
        check("cql://a/k?replication=1", &[TOPOLOGY, ("dc1", "3")], &three).unwrap();
        check(
            "cql://a/k?replication=dc1:3",
            &[TOPOLOGY, ("dc1", "3"), ("dc2", "1")],
            &[("dc1", 3), ("dc2", 1)],
        )
        .unwrap();
    }

    #[test]
    fn too_few_copies_or_nodes_are_refused() {
        let three = [("dc1", 3), ("dc2", 3)];
        for (address, options, says) in [
            ("cql://a/k", &[SIMPLE, ("replication_factor", "2")][..], "2 copies"),
            ("cql://a/k", &[TOPOLOGY, ("dc1", "3"), ("dc2", "2")], "2 copies in dc2"),
            ("cql://a/k", &[TOPOLOGY, ("dc1", "3/1")], "2 copies in dc1"),
            ("cql://a/k?replication=dc3:1", &[TOPOLOGY, ("dc1", "3")], "0 copies in dc3"),
            ("cql://a/k?replication=dc1:1", &[SIMPLE, ("replication_factor", "3")], "Simple"),
            ("cql://a/k", &[SIMPLE, ("replication_factor", "7")], "there are 6 nodes"),
            ("cql://a/k", &[TOPOLOGY, ("dc1", "5")], "there are 3 nodes"),
            ("cql://a/k", &[TOPOLOGY, ("dc9", "3")], "there are 0 nodes"),
            ("cql://a/k", &[TOPOLOGY], "says nothing"),
            ("cql://a/k", &[("class", "LocalStrategy")], "says nothing"),
        ] {
            let sentence = check(address, options, &three).expect_err(says);
            assert!(sentence.contains(says), "{sentence}");
        }
        let (settings, nodes) = ("cql://a/k".parse().unwrap(), BTreeMap::new());
        let sentence = check_keyspace(&settings, false, &HashMap::new(), &nodes).unwrap_err();
        assert!(sentence.contains("durable_writes"), "{sentence}");
    }

    #[test]
    fn a_node_that_acknowledges_before_its_disk_has_it_is_refused_unless_accepted() {
        let says = |sync: &str| ("n".to_owned(), Sync::Says(sync.to_owned()));
        let away = ("n".to_owned(), Sync::Unreachable("away".to_owned()));
        let silent = ("n".to_owned(), Sync::Silent);
        check_sync(false, &[says("group"), says("batch"), away.clone()]).unwrap();
        for unsafe_one in [says("periodic"), says("something new"), silent] {
            let answers = [says("group"), away.clone(), unsafe_one];
            let sentence = check_sync(false, &answers).unwrap_err();
            assert!(sentence.contains("commitlog=periodic"), "{sentence}");
            check_sync(true, &answers).unwrap();
        }
    }
}
