//! What one worker thread has: the node, and what is its own.

use std::sync::Arc;

use axum::extract::FromRef;
use intake::Gatherer;

use crate::{app::App, visits::page_cache::PageCache};

/// One worker's state, which handlers take from as much as they need.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) app: Arc<App>,
    pub(crate) gatherer: Arc<Gatherer>,
    pub(crate) pages: Arc<PageCache>,
}

impl Worker {
    /// A worker of a node.
    pub(crate) fn new(app: Arc<App>) -> Self {
        let gatherer = Gatherer::new(Arc::clone(&app.intake));
        Self { app, gatherer, pages: Arc::default() }
    }
}

impl FromRef<Worker> for Arc<App> {
    fn from_ref(worker: &Worker) -> Self {
        Self::clone(&worker.app)
    }
}
