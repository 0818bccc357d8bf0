//! Where what lies in a packed batch: header, directory, columns, checksum. And the checks that
//! make every row that is read afterwards a valid one.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    format::{CHANNEL_NUMBERS, CHOICE_NUMBERS, CorruptBatch, RECORDED_AT_MAX},
    integers::Integers,
};
use crate::{BatchId, Slug, limits};

/// First bytes of every packed batch: two letters and the format's version.
pub(super) const MAGIC: [u8; 2] = *b"LB";
/// The version that this file reads and writes.
pub(super) const VERSION: u8 = 1;
/// Header before the slug: magic, version, flags, slug bytes, columns, rows, batch id.
pub(super) const HEADER_BYTES: usize = 24;
/// One entry of the directory: tag, encoding, length of the column.
pub(super) const ENTRY_BYTES: usize = 6;
/// The checksum at the end; also what lets a load of 8 bytes pass the end of any column.
pub(super) const CHECKSUM_BYTES: usize = 8;
/// Bits of a ballot id's random part that stand in a packed column; 64 more stand whole.
pub(super) const RANDOM_HIGH_BITS: u32 = 10;

/// What a column holds. With [`Tag::SKIPPABLE`] set, a reader that does not know it skips it.
pub(super) struct Tag;

impl Tag {
    pub(super) const ID_TIME: u8 = 1;
    pub(super) const ID_RANDOM: u8 = 2;
    pub(super) const RECORDED_AT: u8 = 3;
    pub(super) const CHOICE: u8 = 4;
    pub(super) const CHANNEL: u8 = 5;
    pub(super) const VOTER: u8 = 6;
    pub(super) const SKIPPABLE: u8 = 0x80;
}

/// The columns of a batch, found and checked, each at its first row.
pub(super) struct Columns<'a> {
    pub(super) rows: usize,
    /// Milliseconds since the Unix epoch, less the batch id's; only 48 bits of the sum are meant.
    pub(super) id_time: Integers<'a>,
    /// The low 64 of a ballot id's 74 random bits, least significant byte first.
    pub(super) random_low: &'a [[u8; 8]],
    /// The whole batch from the first of the high [`RANDOM_HIGH_BITS`].
    pub(super) random_high: &'a [u8],
    /// Microseconds, less the batch id's time.
    pub(super) recorded_at: Integers<'a>,
    pub(super) choice: Integers<'a>,
    pub(super) channel: Integers<'a>,
    /// `None` where the voters derive from the ballot ids.
    pub(super) voters: Option<&'a [[u8; 16]]>,
    /// The batch id's time, from which the times count.
    pub(super) created_ms: i64,
}

impl<'a> Columns<'a> {
    /// Checks everything: size, checksum, version, key, directory, and each column's form and
    /// values. One pass over the bytes and one over `recorded_at`; allocates nothing.
    pub(super) fn parse(
        whole: &'a [u8],
        contest: &Slug,
        id: BatchId,
    ) -> Result<Self, CorruptBatch> {
        let body = checksummed(whole)?;
        let header = Header::parse(body, contest, id)?;
        let rows = header.rows;
        let [mut id_time, mut recorded_at, mut choice, mut channel] = [const { None }; 4];
        let (mut random, mut voters) = (None, None);
        let mut from = header.columns_from();
        let mut last_tag = 0;
        for entry in header.directory {
            let [tag, encoding, length @ ..] = *entry;
            let length = u32::from_le_bytes(length) as usize;
            let column = body.get(from..).and_then(|columns| columns.get(..length));
            let column = column.ok_or(CorruptBatch("a column passes the end"))?;
            if tag <= last_tag {
                return Err(CorruptBatch("columns out of order"));
            }
            let integers = || Integers::parse(whole, from, length, encoding, rows);
            match tag {
                Tag::ID_TIME => id_time = Some(integers()?),
                Tag::ID_RANDOM => random = Some(parse_random(whole, from, column, encoding, rows)?),
                Tag::RECORDED_AT => recorded_at = Some(integers()?),
                Tag::CHOICE => choice = Some(integers()?),
                Tag::CHANNEL => channel = Some(integers()?),
                Tag::VOTER => voters = Some(parse_voters(column, encoding, rows)?),
                tag if tag >= Tag::SKIPPABLE => {}
                _ => return Err(CorruptBatch("a column of a newer format")),
            }
            last_tag = tag;
            from += length;
        }
        if from != body.len() {
            return Err(CorruptBatch("bytes that are no column's"));
        }
        const MISSING: CorruptBatch = CorruptBatch("a column is missing");
        let (random_low, random_high) = random.ok_or(MISSING)?;
        let columns = Self {
            rows,
            id_time: id_time.ok_or(MISSING)?,
            random_low,
            random_high,
            recorded_at: recorded_at.ok_or(MISSING)?,
            choice: choice.ok_or(MISSING)?,
            channel: channel.ok_or(MISSING)?,
            voters,
            created_ms: id.created_at().as_millis(),
        };
        columns.check_values()?;
        Ok(columns)
    }

    fn check_values(&self) -> Result<(), CorruptBatch> {
        if !self.choice.is_below(CHOICE_NUMBERS) {
            return Err(CorruptBatch("a choice number is too large"));
        }
        if !self.channel.is_below(CHANNEL_NUMBERS) {
            return Err(CorruptBatch("a channel number is too large"));
        }
        let created_us = self.created_ms * 1_000;
        let mut recorded_at = self.recorded_at.clone();
        let inside = 0..=RECORDED_AT_MAX.as_micros();
        // No early return: a sum of comparisons keeps the loop short.
        let outside = (0..self.rows)
            .filter(|_| !inside.contains(&created_us.wrapping_add(recorded_at.next())))
            .count();
        if outside > 0 {
            return Err(CorruptBatch("a ballot was recorded before 1970 or after 9999"));
        }
        Ok(())
    }
}

/// The batch without its checksum, if that is right.
fn checksummed(whole: &[u8]) -> Result<&[u8], CorruptBatch> {
    if whole.len() > limits::BATCH_BYTES_MAX {
        return Err(CorruptBatch("too many bytes"));
    }
    let Some((body, checksum)) = whole.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(CorruptBatch("too few bytes"));
    };
    if xxh3_64(body) != u64::from_le_bytes(*checksum) {
        return Err(CorruptBatch("the checksum is wrong"));
    }
    Ok(body)
}

/// What stands before the columns.
struct Header<'a> {
    rows: usize,
    slug_bytes: usize,
    directory: &'a [[u8; ENTRY_BYTES]],
}

impl<'a> Header<'a> {
    fn parse(body: &'a [u8], contest: &Slug, batch: BatchId) -> Result<Self, CorruptBatch> {
        const CUT: CorruptBatch = CorruptBatch("the header is cut off");
        let (fixed, rest) = body.split_first_chunk::<HEADER_BYTES>().ok_or(CUT)?;
        let [m, n, version, flags, slug_bytes, columns, rows_low, rows_high, id @ ..] = *fixed;
        if [m, n] != MAGIC {
            return Err(CorruptBatch("not a packed batch"));
        }
        if version != VERSION || flags != 0 {
            return Err(CorruptBatch("a newer format"));
        }
        if id != *batch.as_bytes() {
            return Err(CorruptBatch("another batch's ballots"));
        }
        let (slug_bytes, columns) = (usize::from(slug_bytes), usize::from(columns));
        let (slug, rest) = rest.split_at_checked(slug_bytes).ok_or(CUT)?;
        if slug != contest.as_str().as_bytes() {
            return Err(CorruptBatch("another contest's ballots"));
        }
        let rows = usize::from(u16::from_le_bytes([rows_low, rows_high]));
        if !(1..=limits::BATCH_BALLOTS_MAX).contains(&rows) {
            return Err(CorruptBatch("no ballots, or too many"));
        }
        let (directory, _) = rest.as_chunks();
        let directory = directory.get(..columns).ok_or(CUT)?;
        Ok(Self { rows, slug_bytes, directory })
    }

    fn columns_from(&self) -> usize {
        HEADER_BYTES + self.slug_bytes + ENTRY_BYTES * self.directory.len()
    }
}

type Random<'a> = (&'a [[u8; 8]], &'a [u8]);

/// The low parts of the column, and the whole batch from its high parts on.
fn parse_random<'a>(
    whole: &'a [u8],
    from: usize,
    column: &'a [u8],
    encoding: u8,
    rows: usize,
) -> Result<Random<'a>, CorruptBatch> {
    let low_bytes = 8 * rows;
    if encoding != 0 || column.len() != low_bytes + (rows * RANDOM_HIGH_BITS as usize).div_ceil(8) {
        return Err(CorruptBatch("random parts of the wrong length"));
    }
    Ok((column[..low_bytes].as_chunks().0, &whole[from + low_bytes..]))
}

fn parse_voters(column: &[u8], encoding: u8, rows: usize) -> Result<&[[u8; 16]], CorruptBatch> {
    let (voters, rest) = column.as_chunks();
    if encoding != 0 || voters.len() != rows || !rest.is_empty() {
        return Err(CorruptBatch("voters of the wrong length"));
    }
    Ok(voters)
}
