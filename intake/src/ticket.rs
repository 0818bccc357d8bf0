//! Waiting for a batch: one lock and one list of wakers a batch, nothing a ballot.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// A promise to say whether a ballot became durable. Resolves once its batch is settled; dropping
/// it forgets the voter, not the ballot.
#[must_use = "a ballot may be acknowledged only after its ticket says so"]
#[derive(Debug)]
pub struct Ticket {
    batch: Arc<Settlement>,
    /// Where this ticket's waker stands in the batch's list, once it has been polled.
    waker: Option<usize>,
}

/// Why a ballot must not be acknowledged. Whether it is in the store is unknown: the client sends
/// the same ballot id again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// The batch was not durable within its commit deadline.
    #[error("the store did not answer in time")]
    DeadlinePassed,
    /// The store refused the batch for good.
    #[error("the store failed")]
    StoreFailed,
}

/// The outcome of one batch, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Settlement {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Result<(), NotRecorded>>,
    wakers: Vec<Waker>,
}

impl Settlement {
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket {
        Ticket { batch: Arc::clone(self), waker: None }
    }

    /// Settles every ticket of the batch.
    pub(crate) fn settle(&self, outcome: Result<(), NotRecorded>) {
        let wakers = {
            let mut state = self.state.lock();
            state.outcome = Some(outcome);
            std::mem::take(&mut state.wakers)
        };
        // Outside the lock: a woken ticket takes it at once.
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Future for Ticket {
    type Output = Result<(), NotRecorded>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let batch = Arc::clone(&self.batch);
        let mut state = batch.state.lock();
        if let Some(outcome) = state.outcome {
            return Poll::Ready(outcome);
        }
        match self.waker {
            Some(position) => state.wakers[position].clone_from(context.waker()),
            None => {
                self.waker = Some(state.wakers.len());
                state.wakers.push(context.waker().clone());
            }
        }
        Poll::Pending
    }
}
