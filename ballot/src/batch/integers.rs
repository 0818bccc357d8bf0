//! A column of integers: offsets from a base in as few bits as most of them need, the outliers in
//! a list of their own.
//!
//! `bitpacking` and its like pack blocks of 128 or more numbers of 32 bits; batches may hold 16
//! ballots and times need more, and what is left to do for any length is below.

use super::format::CorruptBatch;

/// The widest offset that an unaligned load of 8 bytes holds at any bit position.
const WIDTH_MAX: u32 = 56;
/// Encoding byte: the numbers are differences, each from the one before.
const DELTAS: u8 = 0x40;
/// Encoding byte: a list of exceptions follows the offsets.
const EXCEPTIONS: u8 = 0x80;

/// Appends a column of any integers, differences between which must fit an `i64`; returns its
/// encoding byte.
pub(super) fn write(values: &[i64], out: &mut Vec<u8>) -> u8 {
    let plain = Plan::of(values);
    let deltas: Vec<i64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if deltas.is_empty() {
        return plain.write(values, None, out);
    }
    let differing = Plan::of(&deltas);
    if differing.bits >= plain.bits {
        return plain.write(values, None, out);
    }
    // The first number is the base after the start, so that its offset is 0 and never an exception.
    let start = values[0] - differing.base;
    let mut differences = deltas;
    differences.insert(0, differing.base);
    differing.write(&differences, Some(start), out)
}

/// Appends a column of small numbers, such that a reader sees from the width alone that none is
/// above its limit: one constant, or offsets from 0.
pub(super) fn write_small(values: &[i64], out: &mut Vec<u8>) -> u8 {
    let (first, max) = (values[0], values.iter().copied().max().unwrap_or(0));
    let constant = values.iter().all(|value| *value == first);
    let (base, width) = if constant { (first, 0) } else { (0, bits(max as u64)) };
    Plan { base, width, exceptions: 0, bits: 0 }.write(values, None, out)
}

/// How a column is written.
struct Plan {
    base: i64,
    width: u32,
    exceptions: usize,
    bits: usize,
}

impl Plan {
    /// The cheapest plan among those with 0, 1, 2, 4, .. exceptions: whichever stretch of the
    /// sorted numbers without so many of them is narrowest.
    fn of(values: &[i64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let (n, last) = (sorted.len(), sorted.len() - 1);
        let mut best: Option<Self> = None;
        let counts = std::iter::successors(Some(0), |count| Some((count * 2).max(1)));
        for exceptions in counts.take_while(|count| *count < last).chain([last]) {
            let windows = sorted.windows(n - exceptions).enumerate();
            let narrowest = windows.min_by_key(|(_, window)| window[window.len() - 1] - window[0]);
            let Some((at, window)) = narrowest else { break };
            let base = window[0];
            let width = bits((window[window.len() - 1] - base) as u64);
            let lowest = signed_bytes(sorted[0] - base);
            let highest = signed_bytes(sorted[last] - base);
            let each = 2 + match (at, exceptions - at) {
                (0, 0) => 0,
                (0, _) => highest,
                (_, 0) => lowest,
                _ => lowest.max(highest),
            };
            let bits =
                n * width as usize + 8 * (exceptions * each + 3 * usize::from(exceptions > 0));
            if width <= WIDTH_MAX && best.as_ref().is_none_or(|best| bits < best.bits) {
                best = Some(Self { base, width, exceptions, bits });
            }
            // More exceptions cost at least their own bytes.
            if best.as_ref().is_some_and(|best| best.bits <= 8 * 3 * exceptions) {
                break;
            }
        }
        best.unwrap_or(Self { base: sorted[0], width: 0, exceptions: last, bits: usize::MAX })
    }

    fn write(&self, values: &[i64], start: Option<i64>, out: &mut Vec<u8>) -> u8 {
        push_signed(self.base, out);
        if let Some(start) = start {
            push_signed(start, out);
        }
        let outside = |offset: i64| (offset as u64) >> self.width != 0;
        let offsets = || values.iter().map(|value| value - self.base);
        if self.exceptions == 0 {
            push_packed(offsets().map(|offset| offset as u64), self.width, out);
            return self.width as u8 | if start.is_some() { DELTAS } else { 0 };
        }
        let exceptions = || (0_u16..).zip(offsets()).filter(|(_, offset)| outside(*offset));
        let bytes = exceptions().map(|(_, offset)| signed_bytes(offset)).max().unwrap_or(0);
        out.extend_from_slice(&(exceptions().count() as u16).to_le_bytes());
        out.push(bytes as u8);
        let inside = offsets().map(|offset| if outside(offset) { 0 } else { offset as u64 });
        push_packed(inside, self.width, out);
        for (row, offset) in exceptions() {
            out.extend_from_slice(&row.to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes()[..bytes]);
        }
        self.width as u8 | EXCEPTIONS | if start.is_some() { DELTAS } else { 0 }
    }
}

/// Appends the low `width` bits (0 to 56) of each number, least significant first, without gaps.
pub(super) fn push_packed(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let (mut pending, mut filled) = (0_u64, 0);
    for value in values {
        pending |= value << filled;
        filled += width;
        while filled >= 8 {
            out.push(pending as u8);
            pending >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        out.push(pending as u8);
    }
}

fn push_signed(value: i64, out: &mut Vec<u8>) {
    let bytes = signed_bytes(value);
    out.push(bytes as u8);
    out.extend_from_slice(&value.to_le_bytes()[..bytes]);
}

fn bits(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// Bytes of the shortest two's complement that is `value`; none for 0.
fn signed_bytes(value: i64) -> usize {
    let magnitude = bits((value ^ (value >> 63)) as u64);
    if value == 0 { 0 } else { (magnitude as usize + 1).div_ceil(8) }
}

/// Bit-packed numbers, read in their order.
#[derive(Clone)]
pub(super) struct Packed<'a> {
    /// From the first number to the end of the whole batch, whose checksum of 8 bytes is at the
    /// end: so that a load at any number stays inside.
    bytes: &'a [u8],
    bit: usize,
    width: u32,
    mask: u64,
}

impl<'a> Packed<'a> {
    /// `bytes` as the field says; `width` from 0 to 56.
    pub(super) fn new(bytes: &'a [u8], width: u32) -> Self {
        Self { bytes, bit: 0, width, mask: (1 << width) - 1 }
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> u64 {
        let at = self.bit >> 3;
        let loaded = match self.bytes.get(at..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => 0, // Never: the layout was checked. And no panic in the loop over all votes.
        };
        let value = (loaded >> (self.bit & 7)) & self.mask;
        self.bit += self.width as usize;
        value
    }
}

/// A column of integers, read in their order.
#[derive(Clone)]
pub(super) struct Integers<'a> {
    offsets: Packed<'a>,
    base: i64,
    /// The number before; stays 0 unless the numbers are differences.
    previous: i64,
    /// All ones where the numbers are differences, else 0.
    previous_mask: i64,
    row: u32,
    /// The row of the next exception; past all rows when there is none.
    exception_row: u32,
    exceptions: &'a [u8],
    exception_bytes: usize,
}

impl<'a> Integers<'a> {
    /// Checks the column `batch[from..from + length]` of `rows` numbers and starts to read it.
    /// `batch` reaches 8 bytes or more past the column.
    pub(super) fn parse(
        batch: &'a [u8],
        from: usize,
        length: usize,
        encoding: u8,
        rows: usize,
    ) -> Result<Self, CorruptBatch> {
        const CUT: CorruptBatch = CorruptBatch("a column of integers is cut off");
        let width = u32::from(encoding & !(DELTAS | EXCEPTIONS));
        if width > WIDTH_MAX {
            return Err(CorruptBatch("a column of integers is too wide"));
        }
        let mut rest = batch.get(from..from + length).ok_or(CUT)?;
        let base = take_signed(&mut rest)?;
        let deltas = encoding & DELTAS != 0;
        let start = if deltas { take_signed(&mut rest)? } else { 0 };
        let (mut count, mut exception_bytes) = (0, 0);
        if encoding & EXCEPTIONS != 0 {
            let ([low, high, bytes], after) = rest.split_first_chunk().ok_or(CUT)?;
            count = usize::from(u16::from_le_bytes([*low, *high]));
            exception_bytes = usize::from(*bytes);
            rest = after;
        }
        if exception_bytes > 8 {
            return Err(CorruptBatch("an integer has more than 8 bytes"));
        }
        let packed_bytes = (rows * width as usize).div_ceil(8);
        if rest.len() != packed_bytes + count * (2 + exception_bytes) {
            return Err(CUT);
        }
        let packed_from = from + length - rest.len();
        let exceptions = &rest[packed_bytes..];
        let mut rows_of = exceptions.chunks_exact(2 + exception_bytes).map(exception_row);
        let ascending = rows_of.clone().zip(rows_of.clone().skip(1)).all(|(a, b)| a < b);
        if !ascending || rows_of.next_back().is_some_and(|row| row as usize >= rows) {
            return Err(CorruptBatch("exceptions out of order"));
        }
        let offsets = Packed::new(&batch[packed_from..], width);
        let mut column = Self {
            offsets,
            base,
            previous: start,
            previous_mask: if deltas { -1 } else { 0 },
            row: 0,
            exception_row: u32::MAX,
            exceptions,
            exception_bytes,
        };
        column.expect_exception();
        Ok(column)
    }

    /// Whether the column's form alone says that all its numbers are in `0..limit`.
    pub(super) fn is_below(&self, limit: u64) -> bool {
        let plain = self.previous_mask == 0 && self.exceptions.is_empty();
        let base = u64::try_from(self.base).unwrap_or(u64::MAX);
        plain && base.saturating_add(self.offsets.mask) < limit
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> i64 {
        let mut offset = self.offsets.next() as i64;
        if self.row == self.exception_row {
            offset = self.take_exception();
        }
        self.row += 1;
        let value = self.base.wrapping_add(offset);
        self.previous = (self.previous & self.previous_mask).wrapping_add(value);
        self.previous
    }

    #[cold]
    fn take_exception(&mut self) -> i64 {
        let (exception, rest) = self.exceptions.split_at(2 + self.exception_bytes);
        self.exceptions = rest;
        self.expect_exception();
        signed(&exception[2..])
    }

    fn expect_exception(&mut self) {
        let more = !self.exceptions.is_empty();
        self.exception_row = if more { exception_row(self.exceptions) } else { u32::MAX };
    }
}

fn exception_row(exception: &[u8]) -> u32 {
    u32::from(u16::from_le_bytes([exception[0], exception[1]]))
}

fn take_signed(rest: &mut &[u8]) -> Result<i64, CorruptBatch> {
    let (bytes, after) = rest.split_first().ok_or(CorruptBatch("an integer is missing"))?;
    let bytes = usize::from(*bytes);
    if bytes > 8 {
        return Err(CorruptBatch("an integer has more than 8 bytes"));
    }
    let (value, after) = after.split_at_checked(bytes).ok_or(CorruptBatch("an integer is cut"))?;
    *rest = after;
    Ok(signed(value))
}

/// Two's complement, least significant byte first, of 0 to 8 bytes.
fn signed(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut whole = [if negative { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(whole)
}
