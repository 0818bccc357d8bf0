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

use crate::{ballots::Envelope, offer::Run};

/// A copy is sent up to this much after the ballot itself.
const COPY_DELAY_MAX: Duration = Duration::from_secs(1);

/// How far a crowd is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Sending.
    Sending,
    /// No new ballots; those begun get their replies and retries.
    Finishing,
    /// No retries either.
    Abandoned,
}

/// What the connections of one thread share. Every connection asks for its next work here.
pub(crate) struct Lane {
    pub(crate) run: Arc<Run>,
    pub(crate) number: u32,
    pub(crate) stage: watch::Receiver<Stage>,
    /// Drawn from the seed: cuts, copies, pauses.
    pub(crate) rng: RefCell<Rng>,
    /// New with every run: devices and ballot ids.
    identities: RefCell<Rng>,
    /// The next new request; this thread's are every `threads`-th.
    next_request: Cell<u64>,
    /// Requests begun whose end is not known.
    open: Cell<u64>,
    /// How many of them are copies, which wait on top of `open_max`.
    copies: Cell<u64>,
    open_max: u64,
    /// Requests that wait for their next attempt.
    outbox: RefCell<BinaryHeap<Waiting>>,
    /// Held by the one connection that waits for work; the others queue behind it, so that a due
    /// ballot wakes one of them and not all.
    first_in_line: Mutex<()>,
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
enum Work {
    Send(Envelope),
    /// Nothing before then; without a time, before a change.
    Wait(Option<Instant>),
    Over,
}

impl Lane {
    pub(crate) fn new(
        run: Arc<Run>,
        number: u32,
        open_max: u64,
        stage: watch::Receiver<Stage>,
    ) -> Self {
        let seed = run.offer.source.seed.wrapping_add(1 + u64::from(number));
        Self {
            run,
            number,
            stage,
            rng: RefCell::new(Rng::with_seed(seed)),
            identities: RefCell::new(Rng::new()),
            next_request: Cell::new(u64::from(number)),
            open: Cell::new(0),
            copies: Cell::new(0),
            open_max: open_max.max(1),
            outbox: RefCell::default(),
            first_in_line: Mutex::new(()),
            changed: Notify::new(),
        }
    }

    /// The next request to send, as soon as one is due; `None` when all is over.
    pub(crate) async fn next(&self) -> Option<Envelope> {
        let _place = self.first_in_line.lock().await;
        let mut stage = self.stage.clone();
        loop {
            stage.borrow_and_update();
            let until = match self.find_work(Instant::now()) {
                Work::Send(envelope) => return Some(envelope),
                Work::Over => return None,
                Work::Wait(until) => until,
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
                // An error means that the crowd itself was dropped.
                changed = stage.changed() => if changed.is_err() { return None },
            }
        }
    }

    fn find_work(&self, now: Instant) -> Work {
        let stage = *self.stage.borrow();
        if stage == Stage::Abandoned {
            let abandoned = std::mem::take(&mut *self.outbox.borrow_mut());
            for waiting in abandoned {
                self.give_up(&waiting.envelope);
            }
        }
        let mut outbox = self.outbox.borrow_mut();
        if outbox.peek().is_some_and(|waiting| waiting.until <= now)
            && let Some(waiting) = outbox.pop()
        {
            return Work::Send(waiting.envelope);
        }
        let retry = outbox.peek().map(|waiting| waiting.until);
        drop(outbox);

        let due = match stage {
            Stage::Sending => self.run.due(self.next_request.get(), now),
            Stage::Finishing | Stage::Abandoned => None,
        };
        match due {
            Some(due) if self.open.get() - self.copies.get() < self.open_max => {
                if due <= now
                    && let Some(envelope) = self.begin(due)
                {
                    return Work::Send(envelope);
                }
                Work::Wait(Some(retry.map_or(due, |retry| retry.min(due))))
            }
            None if self.open.get() == 0 => Work::Over,
            _ => Work::Wait(retry),
        }
    }

    /// Makes the next new request.
    fn begin(&self, due: Instant) -> Option<Envelope> {
        let number = self.next_request.get();
        let (first, end) = self.run.ballots_of(number)?;
        self.next_request.set(number + u64::from(self.run.offer.threads));
        let mut identities = self.identities.borrow_mut();
        let mut envelope = self.run.offer.source.make(first, end, due, &mut identities);
        self.run.note_begun(envelope.choices.len());
        self.open.set(self.open.get() + 1);

        let mut rng = self.rng.borrow_mut();
        if rng.f64() < self.run.offer.duplicates {
            let copy = Envelope { is_copy: true, ..envelope.clone() };
            // Whatever becomes of the ballot itself, its copy may have been recorded.
            envelope.maybe_recorded = true;
            // Half of them at once, so that the two race, maybe into the same batch.
            let delay = if rng.bool() { 0.0 } else { rng.f64() };
            drop(rng);
            self.run.ledger.copies.fetch_add(copy.choices.len() as u64, Relaxed);
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
            self.run.ledger.ended.fetch_add(envelope.choices.len() as u64, Relaxed);
        }
        self.open.set(self.open.get() - 1);
        self.changed.notify_one();
    }

    /// Ends a request without knowing more.
    pub(crate) fn give_up(&self, envelope: &Envelope) {
        if !envelope.is_copy {
            for choice in &envelope.choices {
                self.run.ledger.give_up(*choice, envelope.maybe_recorded);
            }
        }
        self.end(envelope);
    }
}
