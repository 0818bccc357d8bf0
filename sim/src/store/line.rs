//! A node's line to the cluster's store: what it asks goes out as a message, and the answer may be lost.

use std::{collections::HashSet, ops::RangeInclusive, sync::Arc, time::Duration};

use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use store::{BallotStore, Document, Read, StoreError, Version};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{Cluster, Documents, Health, REPLICAS, signal::Signal};
use crate::{
    island::WINDOW,
    truth::{self, note_common},
};

/// The store's own timeouts, as on Cassandra.
const PUT_TIMEOUT: Duration = Duration::from_secs(1);
const PAGE_TIMEOUT: Duration = Duration::from_secs(4);
const CONTROL_TIMEOUT: Duration = Duration::from_secs(2);
/// For so long a replica is not asked that did not answer.
const PENALTY_US: u64 = 4_000_000;
/// A refused connection is noticed after this.
const CONNECTION_PAUSE: Duration = Duration::from_millis(20);

/// What lies between the nodes and the cluster's store.
pub(crate) struct Network {
    /// What nodes have sent and the world has not taken in yet.
    mail: Mutex<Vec<BoxFuture<'static, ()>>>,
    /// By node: whether it is cut off from the store.
    cut: Vec<Signal<bool>>,
    documents_cut: Vec<Signal<bool>>,
    /// By node: until when each replica is not asked, as it has not answered.
    shunned: Mutex<Vec<[u64; REPLICAS]>>,
    random: Mutex<fastrand::Rng>,
    /// Of a thousand answers, how many are lost.
    lost_permille: Mutex<u32>,
}

impl Network {
    pub(crate) fn new(nodes: usize, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            mail: Mutex::default(),
            cut: (0..nodes).map(|_| Signal::new(false)).collect(),
            documents_cut: (0..nodes).map(|_| Signal::new(false)).collect(),
            shunned: Mutex::new(vec![[0; REPLICAS]; nodes]),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            lost_permille: Mutex::new(0),
        })
    }

    pub(crate) fn set_cut(&self, node: usize, is_cut: bool) {
        self.cut[node].set(is_cut);
    }

    pub(crate) fn set_documents_cut(&self, node: usize, is_cut: bool) {
        self.documents_cut[node].set(is_cut);
    }

    /// The replica that a node asks: any that listens, but rather one that has answered.
    fn coordinator(&self, cluster: &Cluster, node: usize) -> Option<usize> {
        let shunned = self.shunned.lock()[node];
        let up = (0..REPLICAS).filter(|n| cluster.health(*n) != Health::Down);
        let (shunned, well): (Vec<_>, Vec<_>) =
            up.partition(|replica| shunned[*replica] > truth::micros());
        let asked = if well.is_empty() { shunned } else { well };
        self.random.lock().choice(asked)
    }

    fn shun(&self, node: usize, replica: usize) {
        self.shunned.lock()[node][replica] = truth::micros() + PENALTY_US;
    }

    pub(crate) fn lose(&self, permille: u32) {
        *self.lost_permille.lock() = permille;
    }

    /// What was sent since it was last asked.
    pub(crate) fn take_mail(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut *self.mail.lock())
    }

    /// Waits until the node is not cut off.
    async fn connected(&self, node: usize, asks_for_batches: bool) {
        self.cut[node].wait_for(|is_cut| !is_cut).await;
        if !asks_for_batches {
            self.documents_cut[node].wait_for(|is_cut| !is_cut).await;
        }
    }

    fn is_lost(&self) -> bool {
        let lost_permille = *self.lost_permille.lock();
        lost_permille > 0 && self.random.lock().u32(0..1_000) < lost_permille
    }

    fn way(&self) -> Duration {
        Duration::from_micros(self.random.lock().u64(300..3_000))
    }
}

/// One node's line.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) network: Arc<Network>,
    pub(crate) node: usize,
    /// The node's name, for the trace.
    pub(crate) name: Arc<str>,
    /// Replicas that a scan asks; two but for a bug.
    pub(crate) scan_quorum: usize,
    /// Replicas that must have a batch; two but for a bug.
    pub(crate) put_quorum: usize,
}

impl Line {
    /// Has an operation done at some replica.
    fn call<T, F>(
        &self,
        what: String,
        limit: Duration,
        operation: impl FnOnce(Arc<Cluster>, usize) -> F + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>>
    where
        T: Send + 'static,
        F: Future<Output = Option<Result<T, StoreError>>> + Send,
    {
        let Self { cluster, network, node, name, .. } = self.clone();
        let asks_for_batches = limit != CONTROL_TIMEOUT;
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let Some(at) = network.coordinator(&cluster, node) else {
                sleep(CONNECTION_PAUSE).await;
                return Err(StoreError::Unavailable("no replica listens".into()));
            };
            let sent = Arc::clone(&network);
            network.mail.lock().push(Box::pin(async move {
                let network = sent;
                sleep(network.way()).await;
                // A request that does not get through is sent again below us, for a while.
                if timeout(limit, network.connected(node, asks_for_batches)).await.is_err() {
                    return;
                }
                let Some(outcome) = operation(cluster, at).await else { return };
                sleep(network.way() + WINDOW).await;
                if network.is_lost() || network.cut[node].get() {
                    // The connection hangs: the other side finds out by its own timeout.
                    sleep(limit).await;
                    return;
                }
                let _ = reply.send(outcome);
            }));
            let outcome = match timeout(limit, answer).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(StoreError::Unavailable("the connection was lost".into())),
                Err(_) => Err(StoreError::Unavailable("no answer in time".into())),
            };
            if matches!(outcome, Err(StoreError::Unavailable(_))) {
                network.shun(node, at);
            }
            match &outcome {
                Ok(_) => note_common!(name, "{what}: done"),
                Err(error) => note_common!(name, "{what}: {error}"),
            }
            outcome
        })
    }

    fn read(
        &self,
        key: String,
        read: Read,
    ) -> BoxFuture<'static, Result<Option<Document>, StoreError>> {
        self.call(
            format!("{read:?} read of {key}"),
            CONTROL_TIMEOUT,
            move |cluster, at| async move {
                match read {
                    Read::Serial => cluster.read(at, key).await,
                    Read::Quorum => cluster.look(at, key).await,
                }
            },
        )
    }

    async fn all(&self, prefix: &str, read: Read) -> Result<Vec<(String, Document)>, StoreError> {
        let asked = prefix.to_owned();
        let names =
            self.call(format!("names of {prefix}"), CONTROL_TIMEOUT, |cluster, at| async move {
                cluster.names(at, asked).await
            });
        // All at once; the answers in the order of their names.
        let reads = stream::iter(names.await?).map(|key| async {
            let document = self.read(key.clone(), read).await?;
            Ok::<_, StoreError>(document.map(|document| (key, document)))
        });
        let read: Vec<_> = reads.buffered(16).collect().await;
        read.into_iter().filter_map(Result::transpose).collect()
    }
}

impl BallotStore for Line {
    fn put_batch(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        let what = format!("put of {}", batch.id);
        let quorum = self.put_quorum;
        self.call(what, PUT_TIMEOUT, move |cluster, at| async move {
            cluster.put_batch(at, batch, quorum).await
        })
    }

    fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let (contest, quorum) = (contest.clone(), self.scan_quorum);
        let what = format!("scan of {contest} {} from {}", shard.0, buckets.start().0);
        let page = self.call(what, PAGE_TIMEOUT, move |cluster, at| async move {
            cluster.scan(at, contest, shard, buckets, quorum).await
        });
        let batches = stream::once(page).flat_map(|page| {
            stream::iter(match page {
                Ok(batches) => batches.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        });
        batches.boxed()
    }

    fn scan_except(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
        known: &Arc<HashSet<BatchId>>,
    ) -> BoxStream<'static, Result<Batch, StoreError>> {
        let known = Arc::clone(known);
        let is_new = move |batch: &Result<Batch, StoreError>| {
            std::future::ready(batch.as_ref().map_or(true, |batch| !known.contains(&batch.id)))
        };
        self.scan(contest, shard, buckets).filter(is_new).boxed()
    }
}

impl Documents for Line {
    fn read(&self, key: &str, read: Read) -> BoxFuture<'_, Result<Option<Document>, StoreError>> {
        Self::read(self, key.to_owned(), read)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        read: Read,
    ) -> BoxFuture<'a, Result<Vec<(String, Document)>, StoreError>> {
        Box::pin(self.all(prefix, read))
    }

    fn swap(
        &self,
        key: &str,
        expected: Version,
        body: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Version, StoreError>> {
        let what = format!("swap of {key} {}", expected.0);
        let key = key.to_owned();
        self.call(what, CONTROL_TIMEOUT, move |cluster, at| async move {
            cluster.swap(at, key, expected, body).await
        })
    }
}
