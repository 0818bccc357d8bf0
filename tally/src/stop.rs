//! Asking a tally to stop.

use tokio::sync::watch;

/// Whoever holds it can ask. Asks when it is dropped.
pub(crate) struct Stop(watch::Sender<bool>);

/// Whoever holds it hears of it.
#[derive(Clone)]
pub(crate) struct Stopped(watch::Receiver<bool>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn listen(&self) -> Stopped {
        Stopped(self.0.subscribe())
    }

    pub(crate) fn ask(&self) {
        self.0.send_replace(true);
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.ask();
    }
}

impl Stopped {
    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves once it was asked.
    pub(crate) async fn asked(&mut self) {
        // Without a sender it was asked, too: see the drop.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}
