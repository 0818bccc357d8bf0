//! The table of the ballots.
//!
//! | item | partition key | sort key | `b` |
//! | --- | --- | --- | --- |
//! | a batch | `contest/bucket/shard` | batch id, 16 bytes | the packed ballots |
//! | an entry of the index | `contest/shard` | bucket, 8 bytes, big-endian | |
//!
//! The index says in which buckets a shard has batches. An entry is durable before any batch of
//! its bucket and shard is acknowledged, so a scan that reads the index first misses none.

use std::{collections::HashSet, ops::RangeInclusive};

use aws_sdk_dynamodb::Client;
use ballot::{Batch, BatchId, Bucket, Shard, Slug};
use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use parking_lot::Mutex;

use super::{
    clients::Clients,
    errors::{corrupt, store_error},
    item::{BODY, Item, PARTITION, SORT, bytes, pages, take_bytes, text},
    settings::DynamoDbSettings,
};
use crate::{StoreError, check_batch};

/// Entries of the index that are remembered as written. When there are more all are forgotten,
/// which costs one more write unit for each that is still in use.
const INDEXED_MAX: usize = 16_384;
/// Buckets that a scan reads at the same time; each holds a page of 1 MB at most.
const SCAN_BUCKETS_AT_ONCE: usize = 4;

const PUTTING: &str = "a batch was not put";
const SCANNING: &str = "the batches were not read";

/// The table of the ballots, as this process sees it.
pub(super) struct Ballots {
    single_try: Client,
    retrying: Client,
    table: String,
    /// Entries of the index that this process knows to be durable.
    indexed: Mutex<HashSet<Entry>>,
}

/// An entry of the index.
type Entry = (Slug, Shard, Bucket);

impl Ballots {
    pub(super) fn new(clients: &Clients, settings: &DynamoDbSettings) -> Self {
        Self {
            single_try: clients.single_try.clone(),
            retrying: clients.retrying.clone(),
            table: settings.ballots_table(),
            indexed: Mutex::default(),
        }
    }

    /// Puts the batch, and with the first one of a bucket and shard the index's entry.
    pub(super) async fn put(&self, batch: Batch) -> Result<(), StoreError> {
        check_batch(&batch)?;
        let entry = (batch.contest.clone(), batch.shard, batch.bucket());
        // Both at once: the entry costs no time, and neither is acknowledged without the other.
        let (batch, entry) =
            future::join(self.put_item(batch_item(batch)), self.index(entry)).await;
        batch.and(entry)
    }

    async fn index(&self, entry: Entry) -> Result<(), StoreError> {
        if self.indexed.lock().contains(&entry) {
            return Ok(());
        }
        self.put_item(entry_item(&entry)).await?;
        let mut indexed = self.indexed.lock();
        if indexed.len() >= INDEXED_MAX {
            indexed.clear();
        }
        indexed.insert(entry);
        Ok(())
    }

    async fn put_item(&self, item: Item) -> Result<(), StoreError> {
        let put = self.single_try.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(|error| store_error(PUTTING, error))
    }

    /// Reads the index's entries, and meanwhile the batches of those that it has found.
    pub(super) fn scan(
        &self,
        contest: &Slug,
        shard: Shard,
        buckets: RangeInclusive<Bucket>,
    ) -> impl Stream<Item = Result<Batch, StoreError>> + Send + use<> {
        let reader = Reader {
            client: self.retrying.clone(),
            table: self.table.clone(),
            contest: contest.clone(),
            shard,
        };
        // The service refuses a range that ends before it begins.
        let entries = (!buckets.is_empty()).then(|| reader.entries(buckets));
        let batches = stream::iter(entries)
            .flatten()
            .map(move |bucket| match bucket {
                Ok(bucket) => reader.batches(bucket).boxed(),
                Err(error) => stream::once(future::ready(Err(error))).boxed(),
            })
            .flatten_unordered(SCAN_BUCKETS_AT_ONCE);
        end_after_error(batches)
    }
}

/// One scan.
struct Reader {
    client: Client,
    table: String,
    contest: Slug,
    shard: Shard,
}

impl Reader {
    /// The buckets of the range that have batches of the shard.
    fn entries(
        &self,
        buckets: RangeInclusive<Bucket>,
    ) -> impl Stream<Item = Result<Bucket, StoreError>> + Send + use<> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("p = :p AND s BETWEEN :first AND :last")
            .expression_attribute_values(":p", text(index_key(&self.contest, self.shard)))
            .expression_attribute_values(":first", bytes(buckets.start().0.to_be_bytes()))
            .expression_attribute_values(":last", bytes(buckets.end().0.to_be_bytes()));
        pages(SCANNING, query)
            .map_ok(|items| stream::iter(items.into_iter().map(read_entry)))
            .try_flatten()
    }

    /// The batches of the shard in the bucket.
    fn batches(
        &self,
        bucket: Bucket,
    ) -> impl Stream<Item = Result<Batch, StoreError>> + Send + use<> {
        let (contest, shard) = (self.contest.clone(), self.shard);
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("p = :p")
            .expression_attribute_values(":p", text(batches_key(&contest, bucket, shard)));
        pages(SCANNING, query)
            .map_ok(move |items| {
                let contest = contest.clone();
                let read = move |item| read_batch(item, &contest, bucket, shard);
                stream::iter(items.into_iter().map(read))
            })
            .try_flatten()
    }
}

/// A scan ends with its first error, also where others are still being read.
fn end_after_error<T>(
    items: impl Stream<Item = Result<T, StoreError>>,
) -> impl Stream<Item = Result<T, StoreError>> {
    items.scan(false, |failed, item| {
        let ended = *failed;
        *failed = item.is_err();
        future::ready((!ended).then_some(item))
    })
}

/// The partition of a shard's batches in a bucket. A slug has no '/', so no two are alike, and
/// none is one of the index.
fn batches_key(contest: &Slug, bucket: Bucket, shard: Shard) -> String {
    format!("{contest}/{}/{}", bucket.0, shard.0)
}

/// The partition of the index for a shard.
fn index_key(contest: &Slug, shard: Shard) -> String {
    format!("{contest}/{}", shard.0)
}

fn batch_item(batch: Batch) -> Item {
    let key = batches_key(&batch.contest, batch.bucket(), batch.shard);
    Item::from([
        (PARTITION.to_owned(), text(key)),
        (SORT.to_owned(), bytes(*batch.id.as_bytes())),
        (BODY.to_owned(), bytes(batch.packed)),
    ])
}

fn entry_item((contest, shard, bucket): &Entry) -> Item {
    Item::from([
        (PARTITION.to_owned(), text(index_key(contest, *shard))),
        (SORT.to_owned(), bytes(bucket.0.to_be_bytes())),
    ])
}

fn read_entry(mut item: Item) -> Result<Bucket, StoreError> {
    let bucket = take_bytes(&mut item, SORT).and_then(|bytes| bytes.as_ref().try_into().ok());
    let bucket = bucket.ok_or_else(|| corrupt("an entry of the index is no bucket"))?;
    Ok(Bucket(u64::from_be_bytes(bucket)))
}

fn read_batch(
    mut item: Item,
    contest: &Slug,
    bucket: Bucket,
    shard: Shard,
) -> Result<Batch, StoreError> {
    let id = take_bytes(&mut item, SORT).and_then(|bytes| bytes.as_ref().try_into().ok());
    let id = id.map(BatchId::from_bytes);
    let (Some(id), Some(packed)) = (id, take_bytes(&mut item, BODY)) else {
        let key = batches_key(contest, bucket, shard);
        return Err(corrupt(format!("an item of the partition {key} is no batch")));
    };
    if id.bucket() != bucket {
        let key = batches_key(contest, bucket, shard);
        return Err(corrupt(format!("the batch {id} does not belong to the partition {key}")));
    }
    Ok(Batch { contest: contest.clone(), id, shard, packed })
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;
    use ballot::{
        Timestamp,
        limits::{BATCH_BYTES_MAX, SLUG_BYTES_MAX},
    };

    use super::*;

    /// Bytes of an item, as the service counts them: names and values.
    fn item_bytes(item: &Item) -> usize {
        let value_bytes = |value: &AttributeValue| match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::B(blob) => blob.as_ref().len(),
            other => panic!("{other:?}"),
        };
        item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
    }

    fn batch(packed: Vec<u8>) -> Batch {
        let contest = "a".repeat(SLUG_BYTES_MAX).parse().unwrap();
        let id = BatchId::new(Timestamp::from_micros(1_795_464_000_000_000), [7; 10]);
        Batch { contest, id, shard: Shard(u16::MAX), packed: packed.into() }
    }

    #[test]
    fn the_largest_batch_is_smaller_than_an_item_may_be() {
        let mut batch = batch(vec![7; BATCH_BYTES_MAX]);
        // The largest bucket that 48 bits of milliseconds give.
        let mut id = *batch.id.as_bytes();
        id[..6].fill(0xff);
        batch.id = BatchId::from_bytes(id);
        let item_bytes = item_bytes(&batch_item(batch));
        assert!((BATCH_BYTES_MAX..400 * 1_024).contains(&item_bytes), "{item_bytes}");
    }

    #[test]
    fn keys_stay_as_they_are() {
        let batch = Batch { contest: "tv-series".parse().unwrap(), ..batch(vec![1]) };
        let item = batch_item(batch.clone());
        assert_eq!(item["p"], text("tv-series/179546400/65535"));
        assert_eq!(item["s"], bytes(*batch.id.as_bytes()));
        assert_eq!(item["b"], bytes([1]));
        let entry = entry_item(&(batch.contest.clone(), batch.shard, batch.bucket()));
        assert_eq!(entry["p"], text("tv-series/65535"));
        assert_eq!(entry["s"], bytes([0, 0, 0, 0, 0x0a, 0xb3, 0xa9, 0x20]));
        assert_eq!(read_entry(entry).unwrap(), batch.bucket());
        let read = read_batch(item, &batch.contest, batch.bucket(), batch.shard).unwrap();
        assert_eq!(read, batch);
    }

    #[test]
    fn items_that_are_no_batch_are_corrupt() {
        let batch = batch(vec![1]);
        let read = |item, bucket| read_batch(item, &batch.contest, bucket, batch.shard);
        let good = batch_item(batch.clone());
        let (mut no_body, mut short_id, mut text_body) = (good.clone(), good.clone(), good.clone());
        no_body.remove("b");
        short_id.insert("s".into(), bytes([1; 8]));
        text_body.insert("b".into(), text("b"));
        for bad in [no_body, short_id, text_body] {
            assert!(matches!(read(bad, batch.bucket()), Err(StoreError::Corrupt(_))));
        }
        let other = Bucket(batch.bucket().0 + 1);
        assert!(matches!(read(good, other), Err(StoreError::Corrupt(_))));
        let entry = Item::from([("s".into(), bytes([1; 16]))]);
        assert!(matches!(read_entry(entry), Err(StoreError::Corrupt(_))));
    }

    #[tokio::test]
    async fn a_scan_ends_after_its_first_error() {
        let error = || Err(corrupt("damaged"));
        let items = stream::iter([Ok(1), Ok(2), error(), Ok(3), error()]);
        let seen: Vec<_> = end_after_error(items).collect().await;
        assert!(matches!(seen[..], [Ok(1), Ok(2), Err(_)]), "{seen:?}");
    }
}
