//! Sorting the rows of a region.

use super::{entry::Entry, rows::REGION_BITS};

/// Rows of one bucket of the sort, on average: what an insertion sort does well.
const BUCKET_ROWS: usize = 8;

/// Sorts the rows of a region into `sorted`. Voters are hashes, so their first bits say almost
/// where a row belongs; if they are not, the sort is slower and as right.
pub(super) fn sort_rows<'a>(
    chunks: impl Iterator<Item = &'a [Entry]> + Clone,
    sorted: &mut Vec<Entry>,
    starts: &mut Vec<u32>,
) {
    sorted.clear();
    let rows: usize = chunks.clone().map(<[Entry]>::len).sum();
    if rows <= 2 * BUCKET_ROWS || u32::try_from(rows).is_err() {
        chunks.for_each(|chunk| sorted.extend_from_slice(chunk));
        sorted.sort_unstable();
        return;
    }
    let bits = (rows / BUCKET_ROWS).ilog2();
    let bucket = |entry: &Entry| ((entry.prefix() << REGION_BITS) >> (64 - bits)) as usize;

    // After the counting, `starts[b]` is where bucket b begins; after the scattering, where it
    // ends.
    starts.clear();
    starts.resize(1 << bits, 0);
    for entry in chunks.clone().flatten() {
        starts[bucket(entry)] += 1;
    }
    let mut start = 0;
    for count in starts.iter_mut() {
        start += std::mem::replace(count, start);
    }
    sorted.resize(rows, Entry::ZERO);
    for entry in chunks.flatten() {
        let next = &mut starts[bucket(entry)];
        sorted[*next as usize] = *entry;
        *next += 1;
    }
    let mut start = 0;
    for &end in starts.iter() {
        sorted[start..end as usize].sort_unstable();
        start = end as usize;
    }
}
