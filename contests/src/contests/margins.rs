//! What is decided with a margin must still have it when it is written.

use ballot::{Contest, Hours};

use super::{
    tests::{Slow, definition, node_on, slow},
    *,
};
use crate::{changes::ContestError, test_clock::START};

/// Seconds made tenths, so that the tests do not wait.
const QUICK: Pace = Pace {
    close_margin: Duration::from_millis(1_200),
    close_written: Duration::from_millis(300),
    cancel_margin: Duration::from_millis(600),
    definition_age_max: Some(Duration::from_millis(600)),
};

/// How long the refresh takes that a change waits for.
const REFRESH_TAKES: Duration = Duration::from_millis(500);

fn opens(at: Timestamp) -> Contest {
    Contest { hours: Hours { opens_at: Some(at), closes_at: None }, ..definition("") }
}

/// Starts a refresh that holds everybody up, and returns while it does.
async fn held_up(node: &Arc<Contests>, store: &Slow) {
    *store.takes.lock() = REFRESH_TAKES;
    let refreshing = Arc::clone(node);
    tokio::spawn(async move { refreshing.refresh().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    // It takes both of its lists so long; those after it are quick.
    *store.takes.lock() = Duration::ZERO;
}

#[tokio::test]
async fn a_close_has_its_margin_however_long_it_has_waited() {
    let (_folder, store) = slow();
    let node = node_on(Arc::clone(&store) as _, QUICK).await;
    let tv = "tv".parse().unwrap();
    node.put(&tv, &opens(START.minus(Duration::from_secs(60))), |_| true).await.unwrap();
    held_up(&node, &store).await;
    let closed = node.close(&tv, Duration::ZERO).await.unwrap();
    let left = closed.live.contest.hours.closes_at.unwrap().since(node.clock.now());
    // Every node has had the time to read it that it may take, and the clocks their difference.
    let needed = QUICK.close_margin - QUICK.close_written;
    assert!(left >= needed, "{left:?} of {needed:?}");
}

#[tokio::test]
async fn a_change_of_a_draft_does_not_go_through_after_it_has_opened() {
    let (_folder, store) = slow();
    let node = node_on(Arc::clone(&store) as _, QUICK).await;
    let tv = "tv".parse().unwrap();
    let opening = node.clock.now().plus(QUICK.close_margin + Duration::from_millis(200));
    node.put(&tv, &opens(opening), |_| true).await.unwrap();
    held_up(&node, &store).await;
    let mut choices = opens(opening);
    choices.choices[1].choice = "another".parse().unwrap();
    // Asked in time, and frozen when its turn comes.
    let refused = node.put(&tv, &choices, |_| true).await.unwrap_err();
    assert!(matches!(refused, ContestError::NotNow { field: Some("choices"), .. }), "{refused}");
    assert_eq!(node.get("tv").unwrap().contest.choices[1].choice.as_str(), "b");
}
