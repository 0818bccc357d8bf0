//! The true time, which no node knows, and the trace of all that happens.
//!
//! A seed has a thread of its own, so both are the thread's.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    fmt,
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

use ballot::Timestamp;
use tokio::time::Instant;

/// The true time at which every simulation begins.
const BEGINNING: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// Events that are kept of each actor, for a seed that fails.
const EVENTS_KEPT: usize = 60;

thread_local! {
    /// The true microseconds at which the present window began, and that moment by the clock of the
    /// runtime that runs in it, if one does.
    static WINDOW: Cell<(u64, Option<Instant>)> = const { Cell::new((0, None)) };
    static TRACE: RefCell<Trace> = RefCell::new(Trace::default());
}

/// Microseconds since the beginning.
pub(crate) fn micros() -> u64 {
    match WINDOW.get() {
        (start, None) => start,
        (start, Some(at)) => start + at.elapsed().as_micros() as u64,
    }
}

/// The true time as a timestamp.
pub(crate) fn now() -> Timestamp {
    at(micros())
}

/// So many microseconds after the beginning, as a timestamp.
pub(crate) fn at(micros: u64) -> Timestamp {
    BEGINNING.plus(Duration::from_micros(micros))
}

/// Says when the window begins that is about to run. `at` is the present moment by the clock of the
/// runtime that runs in it; none between windows.
pub(crate) fn begin_window(start_micros: u64, at: Option<Instant>) {
    WINDOW.set((start_micros, at));
}

/// All that has happened: a hash of every event, and each actor's last ones.
#[derive(Default)]
struct Trace {
    hasher: DefaultHasher,
    events: u64,
    /// Bytes of the last event, used again.
    line: String,
    kept: BTreeMap<String, VecDeque<String>>,
    prints: bool,
}

/// Forgets what was there before; prints each event if asked to.
pub(crate) fn begin_trace(prints: bool) {
    begin_window(0, None);
    TRACE.set(Trace { prints, ..Trace::default() });
}

/// Notes an event of somebody.
pub(crate) fn add_event(actor: &str, event: fmt::Arguments<'_>) {
    TRACE.with_borrow_mut(|trace| {
        trace.add(actor, event);
        if !trace.kept.contains_key(actor) {
            trace.kept.insert(actor.to_owned(), VecDeque::new());
        }
        let line = trace.line.clone();
        if let Some(kept) = trace.kept.get_mut(actor) {
            if kept.len() == EVENTS_KEPT {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    });
}

/// Notes an event that is too common to be kept: it only counts for the hash.
pub(crate) fn add_common_event(actor: &str, event: fmt::Arguments<'_>) {
    TRACE.with_borrow_mut(|trace| trace.add(actor, event));
}

/// The hash of all events, and how many there were.
pub(crate) fn hash() -> (u64, u64) {
    TRACE.with_borrow(|trace| (trace.hasher.finish(), trace.events))
}

/// The last events of every actor.
pub(crate) fn last_events() -> String {
    TRACE.with_borrow(|trace| {
        let mut text = String::new();
        for (actor, events) in &trace.kept {
            text += &format!("  {actor}:\n");
            for event in events {
                text += &format!("    {event}\n");
            }
        }
        text
    })
}

impl Trace {
    fn add(&mut self, actor: &str, event: fmt::Arguments<'_>) {
        use fmt::Write;
        let micros = micros();
        self.line.clear();
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        let _ = write!(self.line, "{seconds:3}.{rest:06} {actor}: {event}");
        self.hasher.write(self.line.as_bytes());
        self.events += 1;
        if self.prints {
            println!("{}", self.line);
        }
    }
}

/// Notes an event: `note!("node-a", "crashes")`.
macro_rules! note {
    ($actor:expr, $($event:tt)*) => { $crate::truth::add_event(&$actor, format_args!($($event)*)) };
}
pub(crate) use note;

/// Notes an event that only counts for the hash.
macro_rules! note_common {
    ($actor:expr, $($event:tt)*) => { $crate::truth::add_common_event(&$actor, format_args!($($event)*)) };
}
pub(crate) use note_common;
