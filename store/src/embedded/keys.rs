//! Where a batch lies: contest, NUL, bucket (u64 big-endian), shard (u16 big-endian), batch id.
//!
//! A contest's keys grow with time. A slug has no NUL, so no contest lies within another.

use ballot::{BatchId, Bucket, Shard, Slug};

const BUCKET_BYTES: usize = 8;
const SHARD_BYTES: usize = 2;
const ID_BYTES: usize = 16;
const SUFFIX_BYTES: usize = BUCKET_BYTES + SHARD_BYTES + ID_BYTES;

/// The key of a batch.
pub(super) fn batch_key(contest: &Slug, shard: Shard, id: BatchId) -> Vec<u8> {
    key(contest, id.bucket(), shard, *id.as_bytes())
}

/// At or before every key of the shard in the bucket, after every key of an earlier shard.
pub(super) fn first_key(contest: &Slug, bucket: Bucket, shard: Shard) -> Vec<u8> {
    key(contest, bucket, shard, [0; ID_BYTES])
}

/// At or after every key of the shard in the bucket, before every key of a later shard.
pub(super) fn last_key(contest: &Slug, bucket: Bucket, shard: Shard) -> Vec<u8> {
    key(contest, bucket, shard, [0xff; ID_BYTES])
}

fn key(contest: &Slug, bucket: Bucket, shard: Shard, id: [u8; ID_BYTES]) -> Vec<u8> {
    let contest = contest.as_str().as_bytes();
    let mut key = Vec::with_capacity(contest.len() + 1 + SUFFIX_BYTES);
    key.extend_from_slice(contest);
    key.push(0);
    key.extend_from_slice(&bucket.0.to_be_bytes());
    key.extend_from_slice(&shard.0.to_be_bytes());
    key.extend_from_slice(&id);
    key
}

/// The place of a batch within its contest, read from its key; `None` if it is no batch's key.
pub(super) fn place(key: &[u8]) -> Option<(Bucket, Shard, BatchId)> {
    let (_, suffix) = key.split_last_chunk::<SUFFIX_BYTES>()?;
    let (bucket, suffix) = suffix.split_first_chunk::<BUCKET_BYTES>()?;
    let (shard, id) = suffix.split_first_chunk::<SHARD_BYTES>()?;
    let id = BatchId::from_bytes(*id.first_chunk()?);
    Some((Bucket(u64::from_be_bytes(*bucket)), Shard(u16::from_be_bytes(*shard)), id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_never_changes() {
        // Golden: a change would hide every batch stored before it.
        let contest: Slug = "tv-series".parse().unwrap();
        let id = BatchId::from_bytes(
            *b"\x01\x7f\x22\xe2\x79\xb0\x7c\xc3\x98\xc4\xdc\x0c\x0c\x07\x39\x8f",
        );
        let key = batch_key(&contest, Shard(0x0102), id);
        let expected: &[u8] = b"tv-series\0\0\0\0\0\x09\xce\xeb\xfe\x01\x02\
            \x01\x7f\x22\xe2\x79\xb0\x7c\xc3\x98\xc4\xdc\x0c\x0c\x07\x39\x8f";
        assert_eq!(key, expected, "{}", key.escape_ascii());
        assert_eq!(place(&key), Some((id.bucket(), Shard(0x0102), id)));
        assert_eq!(place(b"too short"), None);
    }

    #[test]
    fn the_order_is_contest_bucket_shard_id() {
        let (a, a1): (Slug, Slug) = ("a".parse().unwrap(), "a-1".parse().unwrap());
        let keys = [
            first_key(&a, Bucket(1), Shard(0)),
            last_key(&a, Bucket(1), Shard(0)),
            first_key(&a, Bucket(1), Shard(1)),
            last_key(&a, Bucket(1), Shard(u16::MAX)),
            first_key(&a, Bucket(2), Shard(0)),
            last_key(&a, Bucket(u64::MAX), Shard(u16::MAX)),
            first_key(&a1, Bucket(0), Shard(0)),
        ];
        assert!(keys.is_sorted_by(|before, after| before < after), "{keys:?}");
    }
}
