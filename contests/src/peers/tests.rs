use store::{EmbeddedSettings, EmbeddedStore};

use super::*;
use crate::test_clock::{TestClock, TestEntropy};

fn identity(name: &str) -> Identity {
    Identity { name: name.into(), url: format!("http://{name}"), roles: Vec::new() }
}

async fn join(control: Arc<dyn ControlStore>, identity: Identity) -> Result<Arc<Peers>, JoinError> {
    Peers::join(control, TestClock::new().node(), &TestEntropy, identity).await
}

fn states(nodes: &Peers) -> Vec<(String, &'static str)> {
    nodes.list().into_iter().map(|node| (node.node, node.state)).collect()
}

#[tokio::test]
async fn nodes_hear_of_each_other_and_a_name_is_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), EmbeddedSettings::default()).unwrap();
    let control: Arc<dyn ControlStore> = store;
    let a = join(Arc::clone(&control), identity("a")).await.unwrap();
    let beating = tokio::spawn(Arc::clone(&a).beat(|| true));
    let b = join(Arc::clone(&control), identity("b")).await.unwrap();
    let beating_b = tokio::spawn(Arc::clone(&b).beat(|| true));
    assert_eq!(states(&b), [("a".into(), "alive"), ("b".into(), "alive")]);

    let namesake = join(Arc::clone(&control), identity("a")).await;
    assert!(namesake.is_err(), "two nodes of one name");

    a.leave().await;
    beating.abort();
    tokio::time::sleep(BEAT * 3).await;
    assert_eq!(states(&b), [("a".into(), "left"), ("b".into(), "alive")]);
    // Its name is free at once.
    join(Arc::clone(&control), identity("a")).await.unwrap();
    beating_b.abort();
}

#[tokio::test]
async fn a_node_of_its_own_is_alive_and_right() {
    let alone = Peers::alone(TestClock::new().node(), &TestEntropy, identity("a"));
    assert_eq!(states(&alone), [("a".into(), "alive")]);
    assert!(!alone.clock_strays() && alone.list()[0].ready);
}
