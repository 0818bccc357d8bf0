//! A value that others wait for to change. As tokio's `watch`, which wakes those who wait in an order
//! that no seed decides; here it is the order in which they came.

use parking_lot::Mutex;
use tokio::sync::Notify;

pub(crate) struct Signal<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Copy> Signal<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    pub(crate) fn get(&self) -> T {
        *self.value.lock()
    }

    pub(crate) fn set(&self, value: T) {
        *self.value.lock() = value;
        self.changed.notify_waiters();
    }

    /// Waits until it is as wanted, and gives it.
    pub(crate) async fn wait_for(&self, is_wanted: impl Fn(T) -> bool) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Before the look: what changes between the two is not missed.
            changed.as_mut().enable();
            let value = self.get();
            if is_wanted(value) {
                return value;
            }
            changed.await;
        }
    }
}
