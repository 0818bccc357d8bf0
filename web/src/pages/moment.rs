//! A time in words.

use ballot::Timestamp;

/// A time for machines and for people. The script rewrites the words for the visitor's place.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) rfc3339: String,
    pub(super) words: String,
}

impl Moment {
    /// One that is not known yet, for the script to fill in.
    pub(super) fn unknown() -> Self {
        Self { rfc3339: String::new(), words: String::new() }
    }

    /// In the language of this tag.
    pub(super) fn new(time: Timestamp, language: &str) -> Self {
        let rfc3339 = time.to_string();
        // The name of a month would need a calendar of every language; a date in digits needs none.
        let date = if language == "en" { "%-d %B %Y, " } else { "%Y-%m-%d, " };
        let words = match jiff::Timestamp::from_microsecond(time.as_micros()) {
            Ok(time) => {
                let clock = if time.as_second() % 60 == 0 { "%H:%M UTC" } else { "%H:%M:%S UTC" };
                time.strftime(&format!("{date}{clock}")).to_string()
            }
            Err(_) => rfc3339.clone(),
        };
        Self { words, rfc3339 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_in_words_whatever_it_is() {
        let words = |micros| Moment::new(Timestamp::from_micros(micros), "en").words;
        assert_eq!(words(1_795_464_000_000_000), "23 November 2026, 20:00 UTC");
        assert_eq!(words(1_795_464_001_500_000), "23 November 2026, 20:00:01 UTC");
        let german = Moment::new(Timestamp::from_micros(1_795_464_000_000_000), "de");
        assert_eq!(german.words, "2026-11-23, 20:00 UTC");
        for hostile in [i64::MIN, -1, i64::MAX] {
            assert!(!words(hostile).is_empty());
        }
    }
}
