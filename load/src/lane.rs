//! One thread's queue: the ballots that are due next, and those that wait for a retry.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    collections::BinaryHeap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use fastrand::Rng;
use tokio::{
    sync::{Mutex, Notify, watch},
    time::sleep_until,
};

use crate::{ballots::Envelope, offer::Common};

/// A copy is sent up to this much after the ballot itself.
const COPY_DELAY_MAX: Duration = Duration::from_secs(1);

/// What a load is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Sending.
    Sending,
    /// No new ballots; those begun get their replies and retries.
    Finishing,
    /// No retries either.
    Abandoned,
}

/// What the connections of one thread share. Every connection asks for its next work here.
pub(crate) struct Lane {
    pub(crate) common: Arc<Common>,
    pub(crate) number: u32,
    pub(crate) phase: watch::Receiver<Phase>,
    /// Drawn from the seed: cuts, copies, pauses.
    pub(crate) rng: RefCell<Rng>,
    /// New with every run: devices and ballot ids.
    identities: RefCell<Rng>,
    /// The next new request; this thread's are every `threads`-th.
    next: Cell<u64>,
    /// Requests begun whose end is not known.
    open: Cell<u64>,
    /// How many of them are copies, which wait on top of `open_max`.
    copies: Cell<u64>,
    open_max: u64,
    /// Requests that wait for their next attempt.
    outbox: RefCell<BinaryHeap<Waiting>>,
    /// Held by the one connection that waits for work; the others queue behind it, so that a due
    /// ballot wakes one of them and not all.
    turn: Mutex<()>,
    /// What the connection that waits looked at has changed.
    changed: Notify,
}

/// A request that waits for its next attempt; the earliest is the greatest.
struct Waiting {
    until: Instant,
    envelope: Envelope,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        other.until.cmp(&self.until)
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

/// What there is to do.
enum Next {
    Send(Envelope),
    /// Nothing before then; without a time, before a change.
    Wait(Option<Instant>),
    Over,
}

impl Lane {
    pub(crate) fn new(
        common: Arc<Common>,
        number: u32,
        open_max: u64,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let seed = common.plan.source.seed.wrapping_add(1 + u64::from(number));
        Self {
            common,
            number,
            phase,
            rng: RefCell::new(Rng::with_seed(seed)),
            identities: RefCell::new(Rng::new()),
            next: Cell::new(u64::from(number)),
            open: Cell::new(0),
            copies: Cell::new(0),
            open_max: open_max.max(1),
            outbox: RefCell::default(),
            turn: Mutex::new(()),
            changed: Notify::new(),
        }
    }

    /// The next request to send, as soon as one is due; `None` when all is over.
    pub(crate) async fn next(&self) -> Option<Envelope> {
        let _turn = self.turn.lock().await;
        let mut phase = self.phase.clone();
        loop {
            phase.borrow_and_update();
            let until = match self.look(Instant::now()) {
                Next::Send(envelope) => return Some(envelope),
                Next::Over => return None,
                Next::Wait(until) => until,
            };
            let due = async {
                match until {
                    Some(until) => sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.changed.notified() => {}
                // An error means that the load itself was dropped.
                changed = phase.changed() => if changed.is_err() { return None },
            }
        }
    }

    fn look(&self, now: Instant) -> Next {
        let phase = *self.phase.borrow();
        if phase == Phase::Abandoned {
            let abandoned = std::mem::take(&mut *self.outbox.borrow_mut());
            for waiting in abandoned {
                self.give_up(&waiting.envelope);
            }
        }
        let mut outbox = self.outbox.borrow_mut();
        if outbox.peek().is_some_and(|waiting| waiting.until <= now)
            && let Some(waiting) = outbox.pop()
        {
            return Next::Send(waiting.envelope);
        }
        let retry = outbox.peek().map(|waiting| waiting.until);
        drop(outbox);

        let due = match phase {
            Phase::Sending => self.common.due(self.next.get(), now),
            Phase::Finishing | Phase::Abandoned => None,
        };
        match due {
            Some(due) if self.open.get() - self.copies.get() < self.open_max => {
                if due <= now
                    && let Some(envelope) = self.begin(due)
                {
                    return Next::Send(envelope);
                }
                Next::Wait(Some(retry.map_or(due, |retry| retry.min(due))))
            }
            None if self.open.get() == 0 => Next::Over,
            _ => Next::Wait(retry),
        }
    }

    /// Makes the next new request.
    fn begin(&self, due: Instant) -> Option<Envelope> {
        let number = self.next.get();
        let (first, end) = self.common.ballots_of(number)?;
        self.next.set(number + u64::from(self.common.plan.threads));
        let mut identities = self.identities.borrow_mut();
        let mut envelope = self.common.plan.source.make(first, end, due, &mut identities);
        self.common.note_begun(envelope.choices.len());
        self.open.set(self.open.get() + 1);

        let mut rng = self.rng.borrow_mut();
        if rng.f64() < self.common.plan.duplicates {
            let copy = Envelope { is_copy: true, ..envelope.clone() };
            // Whatever becomes of the ballot itself, its copy may have been recorded.
            envelope.maybe_recorded = true;
            // Half of them at once, so that the two race, maybe into the same batch.
            let delay = if rng.bool() { 0.0 } else { rng.f64() };
            drop(rng);
            self.common.ledger.copies.fetch_add(copy.choices.len() as u64, Relaxed);
            self.open.set(self.open.get() + 1);
            self.copies.set(self.copies.get() + 1);
            self.send_again(copy, Instant::now() + COPY_DELAY_MAX.mul_f64(delay));
        }
        Some(envelope)
    }

    /// Puts a request back, to be sent again then.
    pub(crate) fn send_again(&self, envelope: Envelope, until: Instant) {
        self.outbox.borrow_mut().push(Waiting { until, envelope });
        self.changed.notify_one();
    }

    /// Notes that a request's end is known.
    pub(crate) fn end(&self, envelope: &Envelope) {
        if envelope.is_copy {
            self.copies.set(self.copies.get() - 1);
        } else {
            self.common.ledger.ended.fetch_add(envelope.choices.len() as u64, Relaxed);
        }
        self.open.set(self.open.get() - 1);
        self.changed.notify_one();
    }

    /// Ends a request without knowing more.
    pub(crate) fn give_up(&self, envelope: &Envelope) {
        if !envelope.is_copy {
            for choice in &envelope.choices {
                self.common.ledger.give_up(*choice, envelope.maybe_recorded);
            }
        }
        self.end(envelope);
    }
}
