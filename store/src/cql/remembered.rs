//! A bounded memory of what needs no second write.

use std::{collections::HashSet, hash::Hash};

use parking_lot::Mutex;

/// Entries of one generation. A node takes part in few buckets at a time; 16,384 are those of
/// 1,000 contests of 16 shards.
const GENERATION_MAX: usize = 16_384;

/// Remembers at least the last [`GENERATION_MAX`] entries, and forgets older ones: what is
/// forgotten is written once more, and that is all.
pub(super) struct Remembered<T>(Mutex<Generations<T>>);

struct Generations<T> {
    new: HashSet<T>,
    old: HashSet<T>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::new(Generations { new: HashSet::new(), old: HashSet::new() }))
    }
}

impl<T: Eq + Hash> Remembered<T> {
    pub(super) fn has(&self, entry: &T) -> bool {
        let generations = self.0.lock();
        generations.new.contains(entry) || generations.old.contains(entry)
    }

    pub(super) fn add(&self, entry: T) {
        let mut generations = self.0.lock();
        if generations.new.len() >= GENERATION_MAX {
            generations.old = std::mem::take(&mut generations.new);
        }
        generations.new.insert(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_the_last_ones_and_stays_small() {
        let remembered = Remembered::default();
        for entry in 0..5 * GENERATION_MAX {
            assert!(!remembered.has(&entry));
            remembered.add(entry);
            assert!(
                remembered.has(&entry) && remembered.has(&entry.saturating_sub(GENERATION_MAX - 1))
            );
        }
        assert!(!remembered.has(&0));
        let generations = remembered.0.lock();
        assert!(generations.new.len() + generations.old.len() <= 2 * GENERATION_MAX);
    }
}
