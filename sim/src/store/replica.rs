//! One replica of the cluster's store: what it has, and what it answers. Plain state, no time.

use std::collections::{BTreeMap, BTreeSet};

use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use bytes::Bytes;
use store::{Document, Version};

/// The number of a round of Paxos on one key. Later rounds have larger ones.
pub(crate) type Round = u64;

/// What a round proposes for a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Proposal {
    /// To leave the document as it is: so a read makes sure of what it has read.
    Nothing,
    /// What it is from now on.
    Write(Value),
}

/// A document, or that there is none any more: its version goes on when it is made again.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Value {
    pub(crate) version: u64,
    pub(crate) body: Option<Bytes>,
}

impl Value {
    pub(crate) fn document(&self) -> Option<Document> {
        let body = self.body.clone()?;
        Some(Document { version: Version(self.version), body })
    }
}

/// A document as it was committed last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Committed {
    pub(crate) round: Round,
    pub(crate) value: Value,
}

/// What one replica knows of one key.
#[derive(Clone, Debug, Default)]
struct Key {
    promised: Round,
    accepted: Option<(Round, Proposal)>,
    committed: Committed,
}

/// The answer to a prepare.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    /// Whether it promised; else it has promised a later round.
    pub(crate) given: bool,
    /// The last proposal that it accepted, if it has not seen that committed.
    pub(crate) accepted: Option<(Round, Proposal)>,
    pub(crate) committed: Committed,
}

/// A batch's place: the partition, then the id.
type BatchKey = (Slug, Shard, BatchId);

/// What one replica has on its disk. It survives a crash.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    batches: BTreeMap<BatchKey, Batch>,
    names: BTreeSet<String>,
    keys: BTreeMap<String, Key>,
}

impl Replica {
    pub(crate) fn put_batch(&mut self, batch: Batch) {
        let key = (batch.contest.clone(), batch.shard, batch.id);
        self.batches.entry(key).or_insert(batch);
    }

    pub(crate) fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: &std::ops::RangeInclusive<Bucket>,
    ) -> BTreeMap<BatchId, Batch> {
        let from = (contest.clone(), shard, BatchId::from_bytes([0; 16]));
        let to = (contest.clone(), shard, BatchId::from_bytes([0xff; 16]));
        let partition = self.batches.range(from..=to).map(|((.., id), batch)| (*id, batch));
        let wanted = partition.filter(|(id, _)| buckets.contains(&id.bucket()));
        wanted.map(|(id, batch)| (id, batch.clone())).collect()
    }

    /// Every batch, for the checker.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.batches.values()
    }

    /// Every document, for the checker.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (&String, &Committed)> {
        self.keys.iter().map(|(key, state)| (key, &state.committed))
    }

    pub(crate) fn put_name(&mut self, key: String) {
        self.names.insert(key);
    }

    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let from = self.names.range(prefix.to_owned()..);
        from.take_while(|name| name.starts_with(prefix)).cloned().collect()
    }

    pub(crate) fn committed(&self, key: &str) -> Committed {
        self.keys.get(key).map(|key| key.committed.clone()).unwrap_or_default()
    }

    pub(crate) fn prepare(&mut self, key: &str, round: Round) -> Promise {
        let state = self.keys.entry(key.to_owned()).or_default();
        let given = round > state.promised;
        if given {
            state.promised = round;
        }
        let open = |(round, _): &(Round, Proposal)| *round > state.committed.round;
        let accepted = state.accepted.clone().filter(open);
        Promise { given, accepted, committed: state.committed.clone() }
    }

    pub(crate) fn accept(&mut self, key: &str, round: Round, proposal: Proposal) -> bool {
        let state = self.keys.entry(key.to_owned()).or_default();
        let accepts = round >= state.promised;
        if accepts {
            state.promised = round;
            state.accepted = Some((round, proposal));
        }
        accepts
    }

    pub(crate) fn commit(&mut self, key: &str, committed: Committed) {
        let state = self.keys.entry(key.to_owned()).or_default();
        if committed.round > state.committed.round {
            state.committed = committed;
        }
    }
}
