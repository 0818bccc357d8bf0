#![allow(clippy::unwrap_used)]

use ballot::Timestamp;
use uuid::Uuid;

use crate::{
    cast::{CHOICES, SHARDS, choice_number, choice_slug},
    cluster::Cluster,
    partitions::{Partitions, Writes},
    row_per_ballot::suffix,
};

#[test]
fn choices_have_names_and_nothing_else_does() {
    for number in 0..CHOICES {
        assert_eq!(choice_number(&choice_slug(number)), Some(number as u16));
    }
    for bad in ["series-10", "series-1", "series-+1", "series-", "series", "", "series-00 "] {
        assert_eq!(choice_number(bad), None, "{bad}");
    }
}

#[test]
fn reads_the_address_of_a_cluster() {
    assert!("cql://127.0.0.1:9042,127.0.0.2:9042/lab_1".parse::<Cluster>().is_ok());
    for bad in ["", "cql://", "cql://a", "cql:///lab", "cql://a,/lab", "cql://a/Lab;", "http://a/b"]
    {
        assert!(bad.parse::<Cluster>().is_err(), "{bad}");
    }
}

#[test]
fn a_retry_has_the_same_suffix_and_all_suffixes_are_used_alike() {
    let mut used = vec![0_u32; usize::from(SHARDS)];
    for _ in 0..16_000 {
        // Ids of one moment differ in their random end alone.
        let id = Uuid::from_u128(0x0198 << 112 | 7 << 76 | u128::from(fastrand::u64(..)));
        assert_eq!(suffix(id), suffix(id));
        used[usize::from(suffix(id))] += 1;
    }
    // 1,000 each; six standard deviations.
    assert!(used.iter().all(|used| used.abs_diff(1_000) < 190), "{used:?}");
}

#[test]
fn writes_are_counted_by_partition_and_stretch_and_old_ones_forgotten() {
    let partitions = Partitions::default();
    let at = |seconds: i64| Timestamp::from_micros(1_800_000_000_000_000 + seconds * 1_000_000);
    for (seconds, partition) in [(0, 1), (9, 1), (9, 2), (10, 1)] {
        partitions.note(at(seconds), partition);
    }
    let mut writes = partitions.writes();
    writes.sort_by_key(|one| (one.stretch, one.partition));
    let write =
        |after, partition, writes| Writes { stretch: at(0).bucket().0 + after, partition, writes };
    assert_eq!(writes, [write(0, 1, 2), write(0, 2, 1), write(1, 1, 1)]);
    partitions.note(at(600), 5);
    assert_eq!(partitions.writes().len(), 2, "the first stretch is 60 stretches ago");
}
