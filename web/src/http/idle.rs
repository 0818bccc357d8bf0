//! Connections that do nothing are closed: HTTP/1.1 and h2, also while a reply waits for a client that
//! does not read it.
//!
//! What counts is a request, some more of its body, and a client that takes some more of a reply. A byte of a header, a PING
//! or a SETTINGS frame do not. Nothing here reads a clock: a tick looks whether anything has happened
//! since the last one.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// How often a connection is looked at. A new one that has asked nothing by then is closed.
pub(crate) const TICK: Duration = Duration::from_secs(15);
/// So many ticks in a row without anything, 45 to 60 s: longer than any answer takes, and than a stream of
/// results is silent.
const QUIET_TICKS_MAX: u32 = 3;
/// However busy, a connection ends after 45 to 60 minutes, not all at the same moment: clients make a
/// new one, streams of results too.
const TICKS_MAX: std::ops::RangeInclusive<u32> = 180..=240;
/// What a reply hands over at once. How fast the next is asked for shows that the client reads: slower
/// than this in [`QUIET_TICKS_MAX`] ticks is not at all.
const PIECE_BYTES: usize = 16 * 1_024;

/// What a connection may send that is no request and no body that is read. More than the bodies that may
/// wait to be read; 120,000 PINGs.
pub(crate) const UNASKED_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// Whether anything happens on a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Happenings>);

#[derive(Debug, Default)]
struct Happenings {
    is_any: AtomicBool,
    /// What was received since.
    received_bytes: AtomicUsize,
}

impl Activity {
    /// Something has happened.
    pub(crate) fn note(&self) {
        self.0.is_any.store(true, Ordering::Relaxed);
        self.0.received_bytes.store(0, Ordering::Relaxed);
    }

    /// Counts what is received until something happens; an error once that is too much.
    pub(crate) fn received(&self, bytes: usize) -> Result<(), ()> {
        let before = self.0.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > UNASKED_BYTES_MAX { Err(()) } else { Ok(()) }
    }

    fn take(&self) -> bool {
        self.0.is_any.swap(false, Ordering::Relaxed)
    }
}

/// A connection's age and silence, counted in ticks.
#[derive(Debug)]
pub(crate) struct Patience {
    activity: Activity,
    quiet: u32,
    left: u32,
    has_asked: bool,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// No request has come at all.
    Mute,
    /// Nothing happens on it.
    Idle,
    /// It has lasted long enough.
    Old,
}

impl Patience {
    pub(crate) fn with(activity: Activity) -> Self {
        Self { activity, quiet: 0, left: fastrand::u32(TICKS_MAX), has_asked: false }
    }

    /// After each [`TICK`]: whether to end it.
    pub(crate) fn tick(&mut self) -> Option<Over> {
        self.left = self.left.saturating_sub(1);
        if self.activity.take() {
            (self.quiet, self.has_asked) = (0, true);
        } else {
            self.quiet += 1;
        }
        if !self.has_asked {
            Some(Over::Mute)
        } else if self.quiet >= QUIET_TICKS_MAX {
            Some(Over::Idle)
        } else if self.left == 0 {
            Some(Over::Old)
        } else {
            None
        }
    }
}

/// A body that notes when there is more of it: when we read some of a request's, and when the client
/// takes some of a reply's.
#[derive(Debug)]
pub(crate) struct Followed<B> {
    body: B,
    activity: Activity,
    /// What the body has given and was not handed over yet.
    rest: Bytes,
}

impl<B> Followed<B> {
    pub(crate) fn new(body: B, activity: Activity) -> Self {
        Self { body, activity, rest: Bytes::new() }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Followed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
                return Poll::Ready(None);
            };
            self.activity.note();
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => self.rest = data,
                Ok(Err(other)) => return Poll::Ready(Some(Ok(other))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        } else {
            self.activity.note();
        }
        let bytes = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(bytes);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        // The upper bound first: the lower one may not pass it.
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[test]
    fn a_connection_ends_that_asks_nothing_or_goes_quiet_or_is_old() {
        assert_eq!(Patience::with(Activity::default()).tick(), Some(Over::Mute));

        let activity = Activity::default();
        let mut patience = Patience::with(activity.clone());
        activity.note();
        assert_eq!([(); 3].map(|()| patience.tick()), [None, None, None], "asked, quiet, quiet");
        activity.note();
        assert_eq!([(); 3].map(|()| patience.tick()), [None, None, None]);
        assert_eq!(patience.tick(), Some(Over::Idle));

        let mut patience = Patience::with(activity.clone());
        let ends = (1..).find_map(|n| {
            activity.note();
            patience.tick().map(|over| (n, over))
        });
        assert!(matches!(ends, Some((180..=240, Over::Old))), "{ends:?}");
    }

    #[tokio::test]
    async fn a_reply_is_handed_over_piece_by_piece() {
        let activity = Activity::default();
        let whole: Bytes = (0..=255).cycle().take(3 * PIECE_BYTES + 1).collect::<Vec<u8>>().into();
        let mut followed = Followed::new(Full::new(whole.clone()), activity.clone());
        let mut pieces = Vec::new();
        let mut taken = 0;
        while let Some(frame) = followed.frame().await {
            assert!(activity.take());
            let piece = frame.unwrap().into_data().unwrap();
            taken += piece.len();
            assert_eq!(followed.size_hint().exact(), Some((whole.len() - taken) as u64));
            pieces.push(piece);
        }
        assert!(!activity.take() && followed.is_end_stream());
        assert_eq!(pieces.concat(), whole);
        assert_eq!(pieces.len(), 4);
    }
}
