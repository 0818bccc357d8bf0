//! Time as the domain sees it: microseconds handed in by whoever has a clock.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::timing;

/// A moment, in microseconds since 1970-01-01T00:00:00Z (Unix time, no leap seconds).
///
/// Reads RFC 3339 and writes it in UTC; digits past the microsecond are cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The same moment, rounded down to a whole millisecond.
    #[must_use]
    pub const fn floor_to_millis(self) -> Self {
        Self(self.as_millis() * 1_000)
    }

    /// This moment and `duration` later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// This moment less `duration`.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// How long ago `earlier` was; zero if it was not.
    pub const fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(if micros < 0 { 0 } else { micros as u64 })
    }

    /// The bucket this moment lies in.
    pub const fn bucket(self) -> Bucket {
        let bucket = self.0.div_euclid(timing::BUCKET.as_micros() as i64);
        Bucket(if bucket < 0 { 0 } else { bucket as u64 })
    }
}

const fn micros(duration: Duration) -> i64 {
    let micros = duration.as_micros();
    if micros > i64::MAX as u128 { i64::MAX } else { micros as i64 }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            // Beyond the year 9999: cannot be written as RFC 3339; only reached by hostile bytes.
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        // jiff reads more than RFC 3339 (times without seconds, a zone in brackets), and no more
        // than nine digits of a second.
        let (seconds, fraction, zone) = rfc_3339(text).ok_or(InvalidTimestamp)?;
        let fraction = &fraction[..fraction.len().min(".123456".len())];
        let text = [seconds, fraction, zone].concat();
        let time: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        Ok(Self(time.as_microsecond()))
    }
}

/// The parts of a time, if it has the form of RFC 3339 section 5.6: to the second, the fraction with
/// its point (or nothing), the zone. Whether there is such a day and such an hour is not looked at.
fn rfc_3339(text: &str) -> Option<(&str, &str, &str)> {
    let (seconds, rest) = text.split_at_checked("2026-11-23T20:00:00".len())?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (fraction, zone) = rest.split_at(zone_at);
    let digits = fraction.strip_prefix('.').unwrap_or("0");
    let has_form = has_form(seconds, "0000-00-00T00:00:00")
        && (fraction.is_empty() || fraction.starts_with('.'))
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (zone.eq_ignore_ascii_case("z")
            || (has_form(&zone[1..], "00:00") && &zone[1..] < "24:00"));
    has_form.then_some((seconds, fraction, zone))
}

/// Whether it has a digit where `form` has one, and `form`'s letter in either case elsewhere.
fn has_form(text: &str, form: &str) -> bool {
    let same = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        other => byte.eq_ignore_ascii_case(&other),
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
}

/// Not a time of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time of RFC 3339 such as 2026-11-23T20:00:00Z")]
pub struct InvalidTimestamp;

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A fixed stretch of recording time ([`timing::BUCKET`]), numbered from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(pub u64);

impl Bucket {
    /// The last one that a batch id, with its 48 bits of milliseconds, can be of.
    pub const LAST: Self = Self((1 << 48) / timing::BUCKET.as_millis() as u64);

    /// The first moment of the bucket.
    pub const fn start(self) -> Timestamp {
        Timestamp((self.0 as i64).saturating_mul(timing::BUCKET.as_micros() as i64))
    }

    /// The first moment after the bucket.
    pub const fn end(self) -> Timestamp {
        Self(self.0 + 1).start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        for (text, written) in [
            ("2026-11-23T20:00:00Z", "2026-11-23T20:00:00Z"),
            ("2026-11-23T21:00:00+01:00", "2026-11-23T20:00:00Z"),
            ("2026-11-23t14:30:00.50-05:30", "2026-11-23T20:00:00.5Z"),
            ("2026-11-23T20:00:00z", "2026-11-23T20:00:00Z"),
            ("2026-11-23T20:00:00-00:00", "2026-11-23T20:00:00Z"),
            ("2026-11-23T20:00:00.123456789Z", "2026-11-23T20:00:00.123456Z"),
            ("2026-11-23T20:00:00.1234569999999999Z", "2026-11-23T20:00:00.123456Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(time.to_string(), written);
            assert_eq!(written.parse(), Ok(time));
        }
    }

    #[test]
    fn refuses_what_is_not_rfc_3339() {
        for text in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23 20:00:00Z",
            "2026-11-23T20:00:00",
            "2026-11-23T20:00:00+01:00[Europe/Berlin]",
            "2026-13-23T20:00:00Z",
            "2026-11-23T20:60:00Z",
            "2026-11-23T20:00:00,5Z",
            "2026-11-23T20:00:00.Z",
            "2026-11-23T20:00:00+01",
            "2026-11-23T20:00:00+0100",
            "2026-11-23T20:00:00+24:00",
            "2026-11-23T20:00:00+01:60",
            "2026-11-23T20:00:00+01:00:00",
            "2026-11-23T20:00+01:00:00",
            "2026-11-23T200000+00:00",
            "2026-11-23T20:00:00Z ",
            "2026-11-23T20:00:00Zz",
            "+002026-11-23T20:00:00Z",
            "2026-11-23T20:00:0é",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn a_bucket_holds_its_start_and_not_its_end() {
        let time: Timestamp = "2026-11-23T20:00:09.999999Z".parse().unwrap();
        let bucket = time.bucket();
        assert_eq!(bucket.start().to_string(), "2026-11-23T20:00:00Z");
        assert_eq!(bucket.end().to_string(), "2026-11-23T20:00:10Z");
        assert_eq!(bucket.start().bucket(), bucket);
        assert_ne!(bucket.end().bucket(), bucket);
    }
}
