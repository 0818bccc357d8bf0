//! The nodes that share a store: each writes a heartbeat, reads the others', and so knows who
//! lives and whether its own clock can be trusted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use ballot::{
    Entropy, Moment, NodeClock, Timestamp, random_bytes,
    timing::{BEAT, JOINING_MAX},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use store::{ControlStore, Document, Read, StoreError, Version};

use crate::{
    clocks::{Beat, Clocks},
    trust::{Trust, Written},
};

pub(crate) mod views;

/// A node that was not heard of for this long is not listed any more.
const FORGOTTEN: Duration = Duration::from_secs(3_600);
/// A heartbeat this old is of a node that has ended, when one joins.
const RECENT: Duration = Duration::from_secs(60);

/// This node among its peers.
pub struct Peers {
    /// `None` where one process is all there is.
    control: Option<Arc<dyn ControlStore>>,
    clock: Arc<NodeClock>,
    name: String,
    own: Mutex<Heartbeat>,
    seen: Mutex<Seen>,
    strays: AtomicBool,
    trust: Trust,
    /// When this node last wrote its heartbeat and read the others', in [`Moment::as_micros`].
    beat_at_us: AtomicU64,
}

/// What was read last.
#[derive(Default)]
struct Seen {
    clocks: Clocks,
    beats: BTreeMap<String, Heartbeat>,
    /// Of this node's own document; unknown after a write without an answer.
    version: Option<Version>,
}

/// The document `node/{name}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Heartbeat {
    /// Tells two processes of one name apart.
    instance: String,
    url: String,
    roles: Vec<String>,
    version: String,
    started_at: Timestamp,
    beat_at: Timestamp,
    ready: bool,
    /// It was told to end.
    leaving: bool,
    /// It stamped nothing later, and nothing later was counted as far as it knew.
    #[serde(default)]
    stamped_through: Timestamp,
    /// By node: how far its clock is ahead of this one's, at least.
    ahead_ms: BTreeMap<String, i64>,
    /// By node: which of its beats had been read. Absent from those of an earlier version.
    #[serde(default)]
    heard: Option<BTreeMap<String, u64>>,
}

/// Who this node is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Unique on its store; a restart keeps it.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// `intake`, `tally`, `admin`.
    pub roles: Vec<String>,
}

/// Why a node does not join the others.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// A living node has its name.
    #[error("another node runs under the name {0}: give each its own by --node")]
    Namesake(String),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Peers {
    /// A node that is all there is: its clock is right by definition.
    pub fn alone(clock: Arc<NodeClock>, entropy: &dyn Entropy, identity: Identity) -> Arc<Self> {
        Arc::new(Self::new(None, clock, entropy, identity))
    }

    /// A node among others. Returns when it has seen the others' clocks; fails where a living node
    /// has its name.
    pub async fn join(
        control: Arc<dyn ControlStore>,
        clock: Arc<NodeClock>,
        entropy: &dyn Entropy,
        identity: Identity,
    ) -> Result<Arc<Self>, JoinError> {
        let nodes = Arc::new(Self::new(Some(control), clock, entropy, identity));
        let clock = &nodes.clock;
        let before = nodes.read().await?;
        // What this node has stamped in a former life: it may have been stopped for its clock.
        let former = before.iter().find(|(name, ..)| *name == nodes.name);
        former.inspect(|(_, _, beat)| clock.raise_floor(beat.stamped_through));
        let recent = |beat: &Heartbeat| {
            let age = clock.wall().as_micros().abs_diff(beat.beat_at.as_micros());
            !beat.leaving && u128::from(age) < RECENT.as_micros()
        };
        let has_peers = before.iter().any(|(name, _, beat)| *name != nodes.name && recent(beat));
        let own = |all: &[(String, Version, Heartbeat)]| {
            all.iter().find(|(name, ..)| *name == nodes.name).map(|(_, version, _)| *version)
        };
        if before.iter().any(|(name, _, beat)| *name == nodes.name && recent(beat)) {
            // Left by a process that has crashed, or written by one that lives.
            tokio::time::sleep(BEAT * 5 / 2).await;
            if own(&nodes.read().await?) != own(&before) {
                return Err(JoinError::Namesake(nodes.name.clone()));
            }
        }
        nodes.beat_once(false).await?;
        // That this node is ahead it hears from the others only, once they have read its beat.
        {
            let mut seen = nodes.seen.lock();
            let own = seen.version.unwrap_or(Version::NONE);
            seen.clocks.ask(own);
        }
        let asked = clock.moment();
        while has_peers && clock.moment().since(asked) < JOINING_MAX && !nodes.peers_have_answered()
        {
            tokio::time::sleep(BEAT / 2).await;
            nodes.beat_once(false).await?;
        }
        Ok(nodes)
    }

    fn new(
        control: Option<Arc<dyn ControlStore>>,
        clock: Arc<NodeClock>,
        entropy: &dyn Entropy,
        identity: Identity,
    ) -> Self {
        let now = clock.wall();
        let own = Heartbeat {
            instance: format!("{:016x}", u64::from_be_bytes(random_bytes(entropy))),
            url: identity.url,
            roles: identity.roles,
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: now,
            beat_at: now,
            ready: false,
            leaving: false,
            stamped_through: Timestamp::default(),
            ahead_ms: BTreeMap::new(),
            heard: None,
        };
        Self {
            control,
            trust: Trust::new(now, clock.moment()),
            beat_at_us: AtomicU64::new(clock.moment().as_micros()),
            clock,
            name: identity.name,
            own: Mutex::new(own),
            seen: Mutex::default(),
            strays: AtomicBool::new(false),
        }
    }

    /// This node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this node does not know what time it is: its clock strays from its peers', was set and
    /// they have not said yet what they think of it, or lies behind what this node has stamped. Then it
    /// must neither acknowledge nor count.
    pub fn clock_strays(&self) -> bool {
        self.doubt(self.clock.wall(), self.clock.moment()) || self.clock.behind().is_some()
    }

    /// Whether there are other nodes that live, and so can say whose clock is right.
    pub fn are_known(&self) -> bool {
        let seen = self.seen.lock();
        seen.clocks.verdict(&self.name, Version::NONE, self.clock.moment()).alive > 0
    }

    /// Whether the clock that says `time` at that moment is wrong, or may be: the peers say so, or it was
    /// set and they could not say yet.
    pub fn doubt(&self, time: Timestamp, moment: Moment) -> bool {
        let was_set = self.control.is_some() && self.trust.is_lost(time, moment);
        was_set || self.strays.load(Ordering::Relaxed)
    }

    /// Whether this node must not count: its clock strays from those by which others take ballots.
    /// Where one process is all there is, what it stamps and counts by is the same floor.
    pub fn may_not_count(&self) -> bool {
        self.control.is_some() && self.clock_strays()
    }

    /// How long ago this node last wrote its heartbeat and read the others'; zero where one process is
    /// all there is.
    pub fn age(&self) -> Duration {
        if self.control.is_none() {
            return Duration::ZERO;
        }
        let beat_at = Moment::from_micros(self.beat_at_us.load(Ordering::Relaxed));
        self.clock.moment().since(beat_at)
    }

    /// Beats for ever. `is_ready` is asked each time.
    pub async fn beat(self: Arc<Self>, is_ready: impl Fn() -> bool + Send) {
        if self.control.is_none() {
            return;
        }
        let mut failing = false;
        loop {
            // Jittered: the moments of two nodes' beats drift past each other, so that now and
            // then one is read just after it was written.
            tokio::time::sleep(BEAT.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
            match self.beat_once(is_ready()).await {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    tracing::warn!(%error, "no heartbeat: the store is away");
                    failing = true;
                }
                Err(_) => {}
            }
        }
    }

    /// Tells the others that this node ends, so that nobody waits for it.
    pub async fn leave(&self) {
        self.own.lock().leaving = true;
        if let Some(control) = &self.control {
            // Best effort, and not for long: the others see it by themselves.
            let _ = tokio::time::timeout(BEAT, self.write(&**control, false)).await;
        }
    }

    fn peers_have_answered(&self) -> bool {
        self.seen.lock().clocks.have_answered(self.clock.moment())
    }

    async fn beat_once(&self, is_ready: bool) -> Result<(), StoreError> {
        let Some(control) = &self.control else { return Ok(()) };
        let written = self.write(&**control, is_ready).await;
        self.read().await?;
        self.judge();
        self.forget_silent(&**control).await;
        if let Some(written) = written? {
            let strays = self.strays.load(Ordering::Relaxed);
            self.trust.heed(&mut self.seen.lock().clocks, strays, written);
        }
        self.beat_at_us.store(self.clock.moment().as_micros(), Ordering::Relaxed);
        Ok(())
    }

    /// Writes this node's beat. `None`: somebody else has written it.
    async fn write(
        &self,
        control: &dyn ControlStore,
        is_ready: bool,
    ) -> Result<Option<Written>, StoreError> {
        let key = format!("node/{}", self.name);
        let known = self.seen.lock().version.take();
        let expected = match known {
            Some(version) => version,
            None => match control.get(&key, Read::Serial).await? {
                None => Version::NONE,
                Some(document) => {
                    self.warn_of_namesake(&document);
                    document.version
                }
            },
        };
        let (ahead_ms, heard) = {
            let clocks = &self.seen.lock().clocks;
            (clocks.ahead_ms(), clocks.heard())
        };
        let (moment, time) = (self.clock.moment(), self.clock.wall());
        let body = {
            let mut own = self.own.lock();
            (own.beat_at, own.ready) = (time, is_ready);
            (own.ahead_ms, own.heard) = (ahead_ms, Some(heard));
            own.stamped_through = self.clock.floor();
            serde_json::to_vec(&*own).expect("a heartbeat has only string keys")
        };
        match control.compare_and_swap(&key, expected, body.into()).await {
            Ok(version) => {
                self.seen.lock().version = Some(version);
                Ok(Some(Written { version, time, moment }))
            }
            // Read again at the next beat.
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn warn_of_namesake(&self, document: &Document) {
        let beat = serde_json::from_slice::<Heartbeat>(&document.body);
        let own = self.own.lock();
        if beat.is_ok_and(|beat| beat.instance != own.instance && beat.started_at > own.started_at)
        {
            tracing::error!(node = self.name, "another node runs under this name");
        }
    }

    /// Reads all heartbeats and notes what they say of the clocks.
    async fn read(&self) -> Result<Vec<(String, Version, Heartbeat)>, StoreError> {
        let Some(control) = &self.control else { return Ok(Vec::new()) };
        let documents = control.list("node/", Read::Quorum).await?;
        let (read_at, now) = (self.clock.wall(), self.clock.moment());
        let mut all = Vec::with_capacity(documents.len());
        for (key, document) in documents {
            let name = key.strip_prefix("node/").unwrap_or(&key).to_owned();
            // One that another version wrote otherwise says nothing to this one.
            let Ok(beat) = serde_json::from_slice::<Heartbeat>(&document.body) else { continue };
            all.push((name, document.version, beat));
        }
        let mut seen = self.seen.lock();
        for (name, version, beat) in all.iter().filter(|(name, ..)| *name != self.name) {
            let we_are_ahead_ms = beat.ahead_ms.get(&self.name).copied().unwrap_or(0);
            let (beat_at, leaving) = (beat.beat_at, beat.leaving);
            let of_ours =
                |heard: &BTreeMap<String, u64>| heard.get(&self.name).copied().unwrap_or(0);
            let heard = beat.heard.as_ref().map(of_ours).map(Version);
            let beat =
                Beat { node: name, version: *version, beat_at, we_are_ahead_ms, heard, leaving };
            seen.clocks.observe(&beat, read_at, now);
        }
        seen.beats = all.iter().map(|(name, _, beat)| (name.clone(), beat.clone())).collect();
        Ok(all)
    }

    /// Deletes the heartbeats of nodes that have not been heard of for so long that nobody lists them:
    /// else each node would read all that ever were, each second. Best effort; the next beat tries again.
    async fn forget_silent(&self, control: &dyn ControlStore) {
        let silent = self.seen.lock().clocks.silent_for(FORGOTTEN, self.clock.moment());
        for (node, version) in silent {
            match control.delete(&format!("node/{node}"), version).await {
                // Somebody else has deleted it, or it has beaten: the next read says.
                Ok(()) | Err(StoreError::Conflict) => self.seen.lock().clocks.forget(&node),
                Err(error) => tracing::debug!(%error, node, "an old heartbeat was not deleted"),
            }
        }
    }

    fn judge(&self) {
        let seen = self.seen.lock();
        let version = seen.version.unwrap_or(Version::NONE);
        let verdict = seen.clocks.verdict(&self.name, version, self.clock.moment());
        let strayed = self.strays.swap(verdict.strays, Ordering::Relaxed);
        let (alive, agreeing) = (verdict.alive, verdict.agreeing);
        match (strayed, verdict.strays) {
            (false, true) => tracing::error!(
                alive,
                agreeing,
                "this node's clock strays from its peers': it takes no ballots and counts none \
                 until the clock is right"
            ),
            (true, false) => tracing::warn!(alive, agreeing, "this node's clock agrees again"),
            _ => {}
        }
    }
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
