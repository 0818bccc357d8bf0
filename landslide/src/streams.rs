//! Results for many viewers: one look at the counts and one encoding an update, however many watch.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ballot::Slug;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{http, node::Node};

/// How often a watched contest's counts are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The contests that are being watched.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    watched: Mutex<HashMap<Slug, watch::Sender<Update>>>,
}

/// The latest results as an event's text; `None` before the first.
type Update = Option<Arc<str>>;

/// One viewer's end of a stream.
#[derive(Debug)]
pub(crate) struct Receiver(watch::Receiver<Update>);

impl Receiver {
    /// The next results; `None` when they are no longer shown or the node is ending.
    pub(crate) async fn next(&mut self) -> Option<Arc<str>> {
        loop {
            if let Some(text) = &*self.0.borrow_and_update() {
                return Some(Arc::clone(text));
            }
            self.0.changed().await.ok()?;
        }
    }
}

/// Marks what has been sent, so that the same results are not sent twice.
impl Receiver {
    fn new(mut receiver: watch::Receiver<Update>) -> Self {
        receiver.mark_changed();
        Self(receiver)
    }
}

impl Streams {
    /// Watches a contest. The first viewer starts a task on their runtime, the last one ends it.
    pub(crate) fn subscribe(&self, node: &Arc<Node>, slug: &Slug) -> Receiver {
        let mut watched = self.watched.lock();
        if let Some(sender) = watched.get(slug) {
            return Receiver::new(sender.subscribe());
        }
        let (sender, receiver) = watch::channel(None);
        watched.insert(slug.clone(), sender.clone());
        tokio::spawn(look(Arc::clone(node), slug.clone(), sender));
        Receiver::new(receiver)
    }

    /// Ends all streams: their viewers come back, perhaps to another node.
    pub(crate) fn end(&self) {
        self.watched.lock().clear();
    }
}

async fn look(node: Arc<Node>, slug: Slug, sender: watch::Sender<Update>) {
    loop {
        let Some(live) = node.contests.get(slug.as_str()) else { break };
        if let Ok(counts) = node.counts(&slug).await {
            if !http::is_visible(&live, counts.as_deref()) {
                break;
            }
            if let Some(counts) = counts {
                let text: Arc<str> = http::event_text(&counts).into();
                sender.send_if_modified(|latest| {
                    let is_new = latest.as_deref() != Some(&*text);
                    *latest = Some(text);
                    is_new
                });
            }
        }
        tokio::time::sleep(LOOK).await;
        let mut watched = node.streams.watched.lock();
        // Under the lock that `subscribe` takes: nobody can come in between.
        let is_current = watched.get(&slug).is_some_and(|known| known.same_channel(&sender));
        if !is_current {
            return;
        }
        if sender.receiver_count() == 0 {
            watched.remove(&slug);
            return;
        }
    }
    node.streams.watched.lock().remove(&slug);
}
