//! What was acknowledged, noted outside the store: the demo's own memory over a `kill -9`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use ballot::Slug;

/// The note's file in the demo's folder.
const FILE: &str = "acknowledged.json";

/// Acknowledged votes by choice, of all runs on this folder.
pub(super) struct Note {
    path: PathBuf,
    contest: Vec<Slug>,
    /// Of the runs before.
    before: Vec<u64>,
    votes: Vec<u64>,
}

impl Note {
    /// Reads the note, or starts one.
    pub(super) fn read(folder: &Path, contest: &[Slug]) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let noted: BTreeMap<String, u64> = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged: remove it", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let of = |choice: &Slug| noted.get(choice.as_str()).copied().unwrap_or(0);
        let before: Vec<u64> = contest.iter().map(of).collect();
        Ok(Self { path, contest: contest.to_vec(), votes: before.clone(), before })
    }

    /// Takes over what this run has had acknowledged, in the contest's order.
    pub(super) fn update(&mut self, acknowledged: impl IntoIterator<Item = u64>) {
        let sums = self.before.iter().zip(acknowledged).map(|(before, now)| before + now);
        self.votes = sums.collect();
    }

    /// Acknowledged votes by choice, in the contest's order.
    pub(super) fn votes(&self) -> &[u64] {
        &self.votes
    }

    /// Acknowledged votes.
    pub(super) fn acknowledged(&self) -> u64 {
        self.votes.iter().sum()
    }

    /// Writes the note whole or not at all. Not fsynced: it need only survive the process.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let noted: BTreeMap<&str, u64> =
            self.contest.iter().map(Slug::as_str).zip(self.votes.iter().copied()).collect();
        let half = self.path.with_extension("json.new");
        std::fs::write(&half, serde_json::to_vec(&noted)?)
            .and_then(|()| std::fs::rename(&half, &self.path))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_adds_up_over_runs() {
        let folder = tempfile::tempdir().unwrap();
        let contest: Vec<Slug> = ["a", "b"].map(|slug| slug.parse().unwrap()).to_vec();
        let mut first = Note::read(folder.path(), &contest).unwrap();
        assert_eq!(first.votes(), [0, 0]);
        first.update([3, 1]);
        first.update([5, 1]);
        first.write().unwrap();
        let mut second = Note::read(folder.path(), &contest).unwrap();
        assert_eq!((second.votes(), second.acknowledged()), ([5, 1].as_slice(), 6));
        second.update([0, 2]);
        assert_eq!(second.votes(), [5, 3]);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(Note::read(folder.path(), &contest).is_err());
    }
}
