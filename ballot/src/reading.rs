//! What people read: whether a title shows anything, and whether two look the same.
//!
//! The rules are for what is changed, not for what is read from a store: a definition of an earlier
//! version may break them and stays what it is.

use std::collections::HashMap;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use unicase::UniCase;

use crate::{Contest, InvalidDefinition};

/// Drawn as nothing, and not called ignorable by Unicode: the braille blank, blanks of musical
/// notation, hieroglyphs and Khitan, and the marks of interlinear annotations.
const BLANKS: [char; 8] = [
    '\u{2800}',
    '\u{1d159}',
    '\u{13441}',
    '\u{13442}',
    '\u{16fe4}',
    '\u{fff9}',
    '\u{fffa}',
    '\u{fffb}',
];

/// Joiners are not seen, and change how their neighbours are.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

impl Contest {
    /// Checks that its title and those of its choices, and their texts, show something, and that no
    /// two choices look the same.
    pub fn check_words(&self) -> Result<(), InvalidDefinition> {
        check_shows("title", &self.title)?;
        let mut known: HashMap<String, usize> = HashMap::with_capacity(self.choices.len());
        for (n, choice) in self.choices.iter().enumerate() {
            let field = format!("choices[{n}].title");
            check_shows(&field, &choice.title)?;
            if let Some(text) = &choice.text {
                check_shows(&format!("choices[{n}].text"), text)?;
            }
            if let Some(first) = known.insert(as_read(&choice.title), n) {
                let slug = &self.choices[first].choice;
                let detail = format!("reads as the title of choices[{first}] does, {slug}");
                return Err(InvalidDefinition::new(field, detail));
            }
        }
        Ok(())
    }

    /// Whether the other's titles and texts are the same.
    pub fn has_words_of(&self, other: &Self) -> bool {
        let words = |choice: &crate::Choice| (choice.title.clone(), choice.text.clone());
        self.title == other.title
            && self.choices.iter().map(words).eq(other.choices.iter().map(words))
    }
}

fn check_shows(field: &str, text: &str) -> Result<(), InvalidDefinition> {
    if text.chars().all(is_unseen) {
        let detail = "must show something: it has only white space and what nobody sees";
        return Err(InvalidDefinition::new(field, detail));
    }
    Ok(())
}

fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || BLANKS.contains(&c)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// A text as a reader takes it: composed (NFC), without case, its white space single, and without what
/// nobody sees. Two that are the same here cannot be told apart on a screen, or only just.
fn as_read(text: &str) -> String {
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    let seen = text.chars().filter_map(|c| match c {
        _ if c.is_whitespace() || BLANKS.contains(&c) => Some(' '),
        _ if JOINERS.contains(&c) => Some(c),
        _ => (!is_unseen(c)).then_some(c),
    });
    let folded = UniCase::unicode(nfc.normalize(&seen.collect::<String>())).to_folded_case();
    // Folding takes some letters apart.
    let words: Vec<_> = folded.split_whitespace().collect();
    nfc.normalize(&words.join(" ")).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nobody_sees_shows_nothing() {
        let unseen = "\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2060}\u{feff}\u{2800}\u{3164}\u{115f}\
                      \u{1160}\u{ffa0}\u{ad}\u{34f}\u{61c}\u{17b4}\u{180e}\u{2028}\u{3000}\u{fe0f}\
                      \u{e0020}\u{1d159}\u{a0}\u{85}\t\n\0";
        for c in unseen.chars() {
            assert!(check_shows("title", &format!(" {c}{c}")).is_err(), "{c:?}");
            assert!(check_shows("title", &format!("{c}x{c}")).is_ok(), "{c:?}");
        }
        assert!(check_shows("title", unseen).is_err());
        for seen in [".", "مسلسل", "🎬", "\u{600}", "\u{301}", "❤\u{fe0f}", "ㅤx"] {
            assert!(check_shows("title", seen).is_ok(), "{seen:?}");
        }
    }

    #[test]
    fn titles_that_read_the_same_are_the_same() {
        for (a, b) in [
            ("The Wire", " the  WIRE\u{a0}"),
            ("Café", "CAFE\u{301}"),
            ("Straße", "STRASSE"),
            ("Σίσυφος", "σίσυφοσ"),
            ("Wire", "Wi\u{ad}re\u{200b}"),
            ("❤", "❤\u{fe0f}"),
            ("A\u{2800}B", "a b"),
            ("\u{1f0}", "J\u{30c}"),
        ] {
            assert_eq!(as_read(a), as_read(b), "{a:?} and {b:?}");
        }
        for (a, b) in [("Cafe", "Café"), ("A B", "AB"), ("1", "l"), ("👩\u{200d}🚀", "👩🚀")]
        {
            assert_ne!(as_read(a), as_read(b), "{a:?} and {b:?}");
        }
    }

    proptest! {
        /// Reading twice is reading once, and neither composition nor case matters.
        #[test]
        fn reading_is_stable(text in "\\PC{0,12}") {
            let read = as_read(&text);
            prop_assert_eq!(&as_read(&read), &read);
            let nfc = ComposingNormalizerBorrowed::new_nfc().normalize(&text).into_owned();
            prop_assert_eq!(as_read(&nfc), read.clone());
            prop_assert_eq!(as_read(&format!("\u{feff}{text} ")), read);
        }
    }
}
