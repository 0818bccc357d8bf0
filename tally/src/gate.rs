//! Whose turn it is to count: contests count by turns, a chunk of rows each.
//!
//! A chunk takes all the memory that rows may have, and all cores. So there is one at a time, over
//! all contests, and it ends soon: a count that takes long is one of many turns, and whoever has
//! little to do comes in between.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ballot::{Moment, NodeClock};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};

use crate::lease::Pulse;

/// A turn is over after this, between two batches. Absorbing what was read in it takes as long again,
/// at most.
const TURN: Duration = Duration::from_millis(500);

/// How often who waits for its turn shows that it lives.
const WAIT: Duration = Duration::from_millis(500);

/// Gives turns, each to who has waited longest, but of the long counts only one waits with the others:
/// however many there are, a short one waits for one turn of theirs.
pub(crate) struct Gate {
    clock: Arc<NodeClock>,
    turn: Arc<Mutex<()>>,
    long: Arc<Mutex<()>>,
    waiting: AtomicUsize,
}

/// Given back when it is dropped.
pub(crate) struct Turn {
    gate: Arc<Gate>,
    ends_at: Moment,
    _turn: OwnedMutexGuard<()>,
    _long: Option<OwnedMutexGuard<()>>,
}

impl Gate {
    pub(crate) fn new(clock: Arc<NodeClock>) -> Arc<Self> {
        let (turn, long) = Default::default();
        Arc::new(Self { clock, turn, long, waiting: AtomicUsize::new(0) })
    }

    /// Waits for a turn.
    pub(crate) async fn turn(self: &Arc<Self>, is_long: bool, pulse: &Pulse) -> Turn {
        let _waiting = Waiting::new(&self.waiting);
        let long = match is_long {
            true => Some(wait(Arc::clone(&self.long).lock_owned(), pulse).await),
            false => None,
        };
        let turn = wait(Arc::clone(&self.turn).lock_owned(), pulse).await;
        let mut turn =
            Turn { gate: Arc::clone(self), ends_at: Moment::default(), _turn: turn, _long: long };
        turn.extend();
        turn
    }

    /// Waits until it is nobody's turn.
    pub(crate) async fn idle(&self) {
        drop(self.turn.lock().await);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.turn.try_lock().is_ok()
    }
}

impl Turn {
    /// Another turn, where nobody else wants one.
    pub(crate) fn extend(&mut self) {
        self.ends_at = self.gate.clock.moment().plus(TURN);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.gate.clock.moment() >= self.ends_at
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.gate.waiting.load(Ordering::Relaxed) > 0
    }
}

async fn wait<T>(guard: impl Future<Output = T>, pulse: &Pulse) -> T {
    let mut guard = std::pin::pin!(guard);
    loop {
        if let Ok(guard) = timeout(WAIT, &mut guard).await {
            return guard;
        }
        pulse.beat();
    }
}

/// Counts one who waits, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
