//! What must hold, whatever happens: looked at when it happens, and once more at the end.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ballot::{
    Ballot, BallotId, Batch, BatchId, ChoiceNumber, Contest, Counts, CountsStatus, Shard, Slug,
    Timestamp, Voter,
};
use bytes::Bytes;
use parking_lot::Mutex;
use tally::Recount;

use crate::{
    expected::{self, Numbers},
    truth::{self, note, note_common},
};

/// One life of a node, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Life {
    pub(crate) node: usize,
    pub(crate) name: Arc<str>,
    pub(crate) number: u32,
}

/// An acknowledgement, as the node gave it.
#[derive(Clone, Debug)]
struct Ack {
    id: BallotId,
    recorded_at: Timestamp,
    /// By the clock of the node that gave it.
    at: Timestamp,
    by: Life,
}

/// A counts row, as it was committed.
struct Row {
    version: u64,
    counts: Counts,
    by: usize,
}

/// What a node tries to publish: by whom, and what is wrong with it.
struct Attempt {
    life: Life,
    wrong: Vec<String>,
}

/// A ballot as its client sent it.
#[derive(Clone, Copy, PartialEq)]
struct Sent {
    choice: ChoiceNumber,
}

/// All that is known of one contest.
#[derive(Default)]
struct Course {
    /// Its definitions, by version.
    definitions: BTreeMap<u64, Contest>,
    sent: BTreeMap<BallotId, Sent>,
    /// How often nodes took a ballot in.
    taken: BTreeMap<BallotId, u64>,
    acks: Vec<Ack>,
    /// Ballots that a node refused for good, as recorded when the contest was not open: by whom.
    refused: Vec<(BallotId, Timestamp, Life)>,
    rows: Vec<Row>,
    /// Batches by the ballots that they hold, as they were put.
    put: HashMap<(BallotId, Timestamp), Vec<BatchId>>,
    is_final: bool,
}

/// What a tally was given to count, by shard.
type Given = BTreeMap<Shard, BTreeMap<BatchId, Vec<Ballot>>>;

#[derive(Default)]
struct Known {
    /// One process is all there is: its clock is right by definition, and decides what is open.
    alone: bool,
    contests: BTreeMap<Slug, Course>,
    given: HashMap<(Life, Slug), Given>,
    attempts: HashMap<(String, Bytes), Attempt>,
    wrong: Vec<String>,
}

/// Collects what happens, and what is wrong with it.
pub(crate) struct Checker {
    known: Mutex<Known>,
}

impl Checker {
    pub(crate) fn new(alone: bool) -> Arc<Self> {
        let known = Known { alone, ..Known::default() };
        Arc::new(Self { known: Mutex::new(known) })
    }

    /// A client is about to send a ballot for the first time.
    pub(crate) fn sends(&self, contest: &Slug, id: BallotId, choice: ChoiceNumber) {
        self.course(contest, |course| course.sent.insert(id, Sent { choice }));
    }

    /// A node took a ballot in.
    pub(crate) fn takes_in(&self, contest: &Slug, ballot: &Ballot) {
        self.course(contest, |course| *course.taken.entry(ballot.id).or_default() += 1);
    }

    /// A node acknowledges a ballot, at this time by its clock.
    pub(crate) fn acknowledges(&self, life: &Life, contest: &Slug, ballot: &Ballot, at: Timestamp) {
        let (id, recorded_at) = (ballot.id, ballot.recorded_at);
        note!(life.name, "acknowledges {id} of {contest}, recorded at {recorded_at}");
        let is_final = self.course(contest, |course| {
            course.acks.push(Ack { id, recorded_at, at, by: life.clone() });
            course.is_final
        });
        if is_final {
            self.wrong(format!("{} acknowledges {id} of {contest} after its final row", life.name));
        }
    }

    /// A node refuses a ballot for good: at that time by its clock, it says, the contest was closed.
    pub(crate) fn refuses(&self, life: &Life, contest: &Slug, id: BallotId, at: Timestamp) {
        note_common!(life.name, "refuses {id} of {contest} for good, at {at}");
        // One whose clock is wrong may be wrong in this, too.
        let (is, truly) = (at.as_micros(), truth::now().as_micros());
        if is.abs_diff(truly) < MUCH.as_micros() as u64 {
            self.course(contest, |course| course.refused.push((id, at, life.clone())));
        }
    }

    /// A batch is about to be put.
    pub(crate) fn puts(&self, batch: &Batch) {
        self.course(&batch.contest, |course| {
            for ballot in expected::ballots(batch) {
                course.put.entry((ballot.id, ballot.recorded_at)).or_default().push(batch.id);
            }
        });
    }

    /// A tally begins to count a shard from nothing.
    pub(crate) fn counts_from_nothing(&self, life: &Life, contest: &Slug, shard: Shard) {
        let mut known = self.known.lock();
        let given = known.given.entry((life.clone(), contest.clone())).or_default();
        given.insert(shard, BTreeMap::new());
    }

    /// A tally was given a batch.
    pub(crate) fn counts(&self, life: &Life, batch: &Batch) {
        let mut known = self.known.lock();
        let given = known.given.entry((life.clone(), batch.contest.clone())).or_default();
        given
            .entry(batch.shard)
            .or_default()
            .entry(batch.id)
            .or_insert_with(|| expected::ballots(batch));
    }

    /// A node tries to write a document.
    pub(crate) fn attempts(&self, life: &Life, key: &str, body: &Bytes) {
        let Some(contest) = key.strip_prefix("counts/") else { return };
        let (Ok(contest), Ok(counts)) = (contest.parse::<Slug>(), serde_json::from_slice(body))
        else {
            return self.wrong(format!("{} writes {key}, which cannot be read", life.name));
        };
        let mut known = self.known.lock();
        let wrong = known.judge(life, &contest, &counts);
        let attempt = Attempt { life: life.clone(), wrong };
        known.attempts.insert((key.to_owned(), body.clone()), attempt);
    }

    /// A document was changed for good.
    pub(crate) fn committed(&self, key: &str, version: u64, body: Option<&Bytes>) {
        let Some((kind, slug)) = key.split_once('/') else { return };
        let (Ok(contest), Some(body)) = (slug.parse::<Slug>(), body) else { return };
        match kind {
            "contest" => self.defined(&contest, version, body),
            "counts" => self.published(&contest, key, version, body),
            _ => {}
        }
    }

    fn defined(&self, contest: &Slug, version: u64, body: &Bytes) {
        let Some(definition) = definition(body) else { return };
        let hours = definition.hours;
        let is_new =
            self.course(contest, |course| course.definitions.insert(version, definition).is_none());
        if is_new {
            let time =
                |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
            let (opens, closes) = (time(hours.opens_at), time(hours.closes_at));
            note!("store", "contest {contest}, version {version}: opens {opens}, closes {closes}");
        }
    }

    fn published(&self, contest: &Slug, key: &str, version: u64, body: &Bytes) {
        let Ok(counts) = serde_json::from_slice::<Counts>(body) else { return };
        let mut known = self.known.lock();
        let Some(attempt) = known.attempts.get(&(key.to_owned(), body.clone())) else {
            let what = format!("version {version} of {key} was written by nobody");
            return known.wrong.push(what);
        };
        let (by, wrong) = (attempt.life.clone(), attempt.wrong.clone());
        let rows = &known.contests.entry(contest.clone()).or_default().rows;
        // Heard of twice, perhaps late, where a swap was finished by another.
        if let Some(known_row) = rows.iter().rev().find(|row| row.version == version) {
            if known_row.counts != counts {
                let what = format!("{contest}: two rows of version {version} differ");
                known.wrong.push(what);
            }
            return;
        }
        let (status, generation) = (counts.status, counts.generation);
        let (total, through) = (counts.total, counts.counted_through);
        note!(
            "store",
            "{contest}: {status:?} row {generation} by {}, {total} votes, through {through}",
            by.name
        );
        let mut all_wrong = wrong;
        if let Some(last) = rows.last() {
            all_wrong.extend(follows(&last.counts, last.by, &counts, by.node));
        } else if generation != 1 {
            all_wrong.push(format!("the first row is of generation {generation}"));
        }
        known.wrong.extend(
            all_wrong
                .into_iter()
                .map(|wrong| format!("{contest}, row {generation} by {}: {wrong}", by.name)),
        );
        let course = known.contests.entry(contest.clone()).or_default();
        course.is_final |= status >= CountsStatus::Final;
        course.rows.push(Row { version, counts, by: by.node });
    }

    /// The last row of a contest.
    pub(crate) fn last_row(&self, contest: &Slug) -> Option<Counts> {
        let known = self.known.lock();
        Some(known.contests.get(contest)?.rows.last()?.counts.clone())
    }

    /// The contest's definition as it is.
    pub(crate) fn definition(&self, contest: &Slug) -> Option<Contest> {
        let known = self.known.lock();
        known.contests.get(contest)?.definitions.values().next_back().cloned()
    }

    /// What is wrong so far.
    pub(crate) fn all_wrong(&self) -> Vec<String> {
        self.known.lock().wrong.clone()
    }

    pub(crate) fn wrong(&self, what: String) {
        note!("checker", "{what}");
        self.known.lock().wrong.push(what);
    }

    /// How many ballots were acknowledged, at least once.
    pub(crate) fn acknowledged(&self) -> usize {
        let known = self.known.lock();
        let ids = |course: &Course| course.acks.iter().map(|ack| ack.id).collect::<BTreeSet<_>>();
        known.contests.values().map(|course| ids(course).len()).sum()
    }

    /// Holds a final row against all that the store has, and against a recount.
    pub(crate) fn check_final(
        &self,
        contest: &Slug,
        counts: &Counts,
        counted: Option<&[BatchId]>,
        stored: &BTreeMap<BatchId, Batch>,
        recount: Result<Recount, String>,
    ) {
        let mut wrong = Vec::new();
        let batches: BTreeMap<BatchId, Vec<Ballot>> = stored
            .values()
            .filter(|batch| batch.contest == *contest)
            .map(|batch| (batch.id, expected::ballots(batch)))
            .collect();
        let known = self.known.lock();
        let Some(course) = known.contests.get(contest) else { return };
        let Some(definition) = course.definitions.values().next_back() else { return };
        let Some(counted) = counted else {
            drop(known);
            return self.wrong(format!("{contest}: a final row without its batches"));
        };
        let of_set: Vec<&[Ballot]> =
            counted.iter().filter_map(|id| batches.get(id)).map(Vec::as_slice).collect();
        if of_set.len() != counted.len() {
            wrong.push("the store has lost a batch that is counted".to_owned());
        }
        let expected = expected::count(definition, of_set.iter().copied());
        wrong.extend(differs(counts, &expected));
        let rows: BTreeSet<(BallotId, Timestamp)> = of_set
            .iter()
            .copied()
            .flatten()
            .map(|ballot| (ballot.id, ballot.recorded_at))
            .collect();
        for ack in &course.acks {
            if !rows.contains(&(ack.id, ack.recorded_at)) {
                let Ack { id, recorded_at, by, .. } = ack;
                wrong.push(format!(
                    "{id}, recorded at {recorded_at} and acknowledged by {}, is not in the final count",
                    by.name
                ));
            }
            if !definition.hours.contain(ack.recorded_at) {
                let (id, at) = (ack.id, ack.recorded_at);
                wrong.push(format!("{id} was acknowledged outside the hours, at {at}"));
            }
        }
        for (id, at, by) in &course.refused {
            if definition.hours.contain(*at) {
                wrong.push(format!(
                    "{} told {id} at {at} that it is closed, and it was open",
                    by.name
                ));
            }
        }
        wrong.extend(course.check_stored(batches.values()));
        match recount {
            Err(error) => wrong.push(format!("it cannot be recounted: {error}")),
            Ok(recount) if !recount.agrees() => wrong.push(format!(
                "a recount differs: {:?}, missing {:?}",
                recount.differences, recount.missing
            )),
            Ok(_) => {}
        }
        drop(known);
        wrong.into_iter().for_each(|wrong| self.wrong(format!("{contest}: {wrong}")));
    }

    fn course<T>(&self, contest: &Slug, look: impl FnOnce(&mut Course) -> T) -> T {
        let mut known = self.known.lock();
        if !known.contests.contains_key(contest) {
            known.contests.insert(contest.clone(), Course::default());
        }
        look(known.contests.get_mut(contest).expect("it was put in above"))
    }
}

impl Known {
    /// What is wrong with a row that a node tries to publish, by what its tally was given.
    fn judge(&self, life: &Life, contest: &Slug, counts: &Counts) -> Vec<String> {
        let Some(course) = self.contests.get(contest) else { return Vec::new() };
        if course.rows.last().is_some_and(|last| says_the_same(&last.counts, counts)) {
            // A claim, or a certificate: nothing new is said.
            return Vec::new();
        }
        let mut wrong = Vec::new();
        let nothing = Given::new();
        let given = self.given.get(&(life.clone(), contest.clone())).unwrap_or(&nothing);
        let batches = || given.values().flat_map(BTreeMap::values).map(Vec::as_slice);
        // A provisional row may be by a definition that has changed a moment ago.
        let definitions = course.definitions.values().rev();
        let tried = if counts.status == CountsStatus::Provisional { usize::MAX } else { 1 };
        let differences: Vec<_> = definitions
            .take(tried)
            .map(|definition| differs(counts, &expected::count(definition, batches())))
            .collect();
        if let Some(first) = differences.first()
            && !differences.iter().any(Vec::is_empty)
        {
            wrong.extend(first.clone());
        }
        let through = counts.counted_through;
        for ack in course.acks.iter().filter(|ack| ack.at < through) {
            let of = course.put.get(&(ack.id, ack.recorded_at));
            let is_in = |id: &BatchId| given.values().any(|batches| batches.contains_key(id));
            if !of.is_some_and(|of| of.iter().any(is_in)) {
                let Ack { id, at, by, .. } = ack;
                wrong.push(format!(
                    "it claims to be through {through}, but {id}, acknowledged at {at} by {}, is not in it",
                    by.name
                ));
            }
        }
        if counts.status == CountsStatus::Final
            && !self.alone
            && let Some(definition) = course.definitions.values().next_back()
            && definition.hours.closes_at.is_none_or(|end| end > truth::now().plus(MUCH))
        {
            wrong.push("it is final, and the contest is open".to_owned());
        }
        wrong
    }
}

/// How far a node's clock may be ahead of the truth.
const MUCH: std::time::Duration = std::time::Duration::from_secs(1);

impl Course {
    /// Holds what is stored against what was sent and taken in.
    fn check_stored<'a>(
        &self,
        batches: impl Iterator<Item = &'a Vec<Ballot>> + Clone,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut rows: BTreeMap<BallotId, u64> = BTreeMap::new();
        let mut voters: BTreeMap<BallotId, Voter> = BTreeMap::new();
        for ballot in batches.flatten() {
            *rows.entry(ballot.id).or_default() += 1;
            if self.sent.get(&ballot.id) != Some(&Sent { choice: ballot.choice }) {
                wrong.push(format!("nobody has sent {} as it is stored", ballot.id));
            }
            if *voters.entry(ballot.id).or_insert(ballot.voter) != ballot.voter {
                wrong.push(format!("{} is stored of two voters", ballot.id));
            }
        }
        for (id, rows) in rows {
            let taken = self.taken.get(&id).copied().unwrap_or(0);
            if rows > taken {
                wrong.push(format!("{id} was taken in {taken} times and is stored {rows} times"));
            }
        }
        wrong
    }
}

fn definition(body: &Bytes) -> Option<Contest> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    Contest::from_json(document.get("definition")?.to_string().as_bytes()).ok()
}

fn says_the_same(before: &Counts, after: &Counts) -> bool {
    let plain = |counts: &Counts| Counts {
        generation: 0,
        status: CountsStatus::Provisional,
        ..counts.clone()
    };
    let certifies = before.status == CountsStatus::Final && after.status == CountsStatus::Certified;
    plain(before) == plain(after) && (before.status == after.status || certifies)
}

/// What is wrong with a row that comes after another.
fn follows(last: &Counts, last_by: usize, next: &Counts, by: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    if next.generation != last.generation + 1 {
        wrong.push(format!("it follows generation {}", last.generation));
    }
    let is_same = says_the_same(last, next);
    if last.status >= CountsStatus::Final && !is_same {
        wrong.push("it changes a final row".to_owned());
    }
    if by != last_by && !is_same {
        wrong.push("it was not claimed from the other node first".to_owned());
    }
    if next.counted_through < last.counted_through {
        let (from, to) = (last.counted_through, next.counted_through);
        wrong.push(format!("it is counted through {to}, and the one before was through {from}"));
    }
    wrong
}

/// Where a row differs from what it must be.
fn differs(counts: &Counts, expected: &Numbers) -> Vec<String> {
    let choices: Vec<_> = counts.choices.iter().map(|choice| choice.votes).collect();
    let mut wrong = Vec::new();
    if choices != expected.choices {
        wrong.push(format!("it says {choices:?}, and {:?} is right", expected.choices));
    }
    let ballots = counts.ballots;
    let is = (ballots.recorded, ballots.counted, ballots.duplicate, ballots.late, ballots.void);
    let total = expected.total();
    let duplicate = expected.recorded - expected.late - total;
    let right = (expected.recorded, total, duplicate, expected.late, 0);
    if is != right {
        wrong.push(format!("of its ballots it says {is:?}, and {right:?} is right"));
    }
    wrong
}
