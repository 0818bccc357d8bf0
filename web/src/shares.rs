//! Shares of votes, as every page and file shows them: one rule. The pages' script has the same in
//! `shares.js`, and both are held against `pages/test/shares.json`.

use std::cmp::Reverse;

/// So many choices with next to no votes get a tenth at the cost of the largest; of more we say "<0.1",
/// because with a thousand of them nothing would be left of the largest.
const TINY_MAX: usize = 10;
/// All of it.
const WHOLE: u16 = 1_000;

/// A share in tenths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    tenths: u16,
    is: Written,
}

/// How what is written stands to what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Rounded,
    Less,
    More,
}

/// The share of each. They add up to 100.0 by the largest remainder, and nobody has 0.0 or 100.0 who has
/// not nothing or all.
pub(crate) fn shares(votes: impl IntoIterator<Item = u64>) -> Vec<Share> {
    // Wide, because votes times a thousand may not fit 64 bits.
    let votes: Vec<u128> = votes.into_iter().map(u128::from).collect();
    let total: u128 = votes.iter().sum();
    if total == 0 {
        return vec![Share { tenths: 0, is: Written::Rounded }; votes.len()];
    }
    let whole = u128::from(WHOLE);
    let floor = |votes: &u128| u16::try_from(votes * whole / total).unwrap_or(WHOLE);
    let mut tenths: Vec<u16> = votes.iter().map(floor).collect();
    let left = usize::from(WHOLE - tenths.iter().sum::<u16>());
    let mut by_remainder: Vec<usize> = (0..votes.len()).collect();
    by_remainder.sort_by_key(|n| Reverse(votes[*n] * whole % total));
    for n in by_remainder.into_iter().take(left) {
        tenths[n] += 1;
    }
    let is_tiny = |n: &usize| tenths[*n] == 0 && votes[*n] > 0;
    let tiny: Vec<usize> = (0..votes.len()).filter(is_tiny).collect();
    let is_less = tiny.len() > TINY_MAX;
    for n in &tiny {
        tenths[*n] = 1;
        if !is_less && let Some(most) = tenths.iter_mut().rev().max() {
            *most -= 1;
        }
    }
    let share = |(n, tenths): (usize, u16)| {
        if is_less && tiny.contains(&n) {
            Share { tenths, is: Written::Less }
        } else if tenths == WHOLE && votes[n] < total {
            Share { tenths: WHOLE - 1, is: Written::More }
        } else {
            Share { tenths, is: Written::Rounded }
        }
    };
    tenths.into_iter().enumerate().map(share).collect()
}

impl Share {
    /// In digits, with this between the whole and its tenths.
    pub(crate) fn digits(self, decimal: &str) -> String {
        format!("{}{decimal}{}", self.tenths / 10, self.tenths % 10)
    }

    /// What stands before the digits where they cannot say it: `<` or `>`.
    pub(crate) fn sign(self) -> &'static str {
        match self.is {
            Written::Rounded => "",
            Written::Less => "<",
            Written::More => ">",
        }
    }
}

/// As in files: `33.3`, without a percent sign.
impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.sign(), self.digits("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_as_the_script_has_them() {
        let known: serde_json::Value =
            serde_json::from_str(include_str!("../pages/test/shares.json")).unwrap();
        let cases = known["shares"].as_array().unwrap();
        assert!(cases.len() > 10);
        for case in cases {
            let votes: Vec<u64> = serde_json::from_value(case["votes"].clone()).unwrap();
            let wanted: Vec<String> = serde_json::from_value(case["shown"].clone()).unwrap();
            let shown: Vec<String> =
                shares(votes.iter().copied()).iter().map(ToString::to_string).collect();
            assert_eq!(shown, wanted, "{votes:?}");
        }
    }

    #[test]
    fn no_number_is_too_large() {
        let text =
            |votes: [u64; 2]| shares(votes).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(text([u64::MAX, u64::MAX]), ["50.0", "50.0"]);
        assert_eq!(text([u64::MAX, 1]), ["99.9", "0.1"]);
        assert_eq!(text([u64::MAX, 0]), ["100.0", "0.0"]);
    }
}
