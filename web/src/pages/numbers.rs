//! Numbers as a language writes them: what the script gets from `Intl`, for those without script.

use serde::Deserialize;

use crate::shares::Share;

/// How a language writes numbers; from its file of messages.
#[derive(Debug, Deserialize)]
pub(super) struct Numbers {
    /// Between groups of three digits.
    group: String,
    /// With fewer digits nothing is grouped.
    #[serde(default)]
    grouped_from: usize,
    /// Before the tenths.
    decimal: String,
    /// A percentage, its digits as `{n}`.
    percent: String,
}

impl Numbers {
    /// 1234567 as `1,234,567`.
    pub(super) fn grouped(&self, number: u64) -> String {
        let digits = number.to_string();
        if digits.len() < self.grouped_from {
            return digits;
        }
        let mut text = String::with_capacity(digits.len() * 2);
        for (n, digit) in digits.char_indices() {
            if n > 0 && (digits.len() - n).is_multiple_of(3) {
                text.push_str(&self.group);
            }
            text.push(digit);
        }
        text
    }

    /// A share with its percent sign.
    pub(super) fn percent(&self, share: Share) -> String {
        let number = self.percent.replace("{n}", &share.digits(&self.decimal));
        format!("{}{number}", share.sign())
    }
}

#[cfg(test)]
mod tests {
    use crate::{pages::language::Language, shares::shares};

    #[test]
    fn numbers_are_as_the_script_writes_them() {
        let known: serde_json::Value =
            serde_json::from_str(include_str!("../../pages/test/shares.json")).unwrap();
        for language in Language::all() {
            let wanted = known["languages"][language.tag].as_object().unwrap();
            for (number, written) in wanted {
                let shown = match number.as_str() {
                    "percent" => language.numbers.percent(shares([123, 877])[0]),
                    number => language.numbers.grouped(number.parse().unwrap()),
                };
                assert_eq!(shown, written.as_str().unwrap(), "{number} in {}", language.tag);
            }
        }
        let english = &Language::all()[0].numbers;
        assert_eq!(english.grouped(u64::MAX), "18,446,744,073,709,551,615");
        let tiny = shares([1_000_000].into_iter().chain([1; 11]));
        assert_eq!([english.percent(tiny[0]), english.percent(tiny[1])], [">99.9%", "<0.1%"]);
    }
}
