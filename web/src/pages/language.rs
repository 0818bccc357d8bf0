//! The languages that voters read: one file of messages each, chosen by `Accept-Language`.

use std::{collections::HashMap, fmt::Write as _, sync::LazyLock};

use askama::filters::{Escaper, Html};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{moment::Moment, numbers::Numbers};

/// A language with all its messages.
#[derive(Debug)]
pub(crate) struct Language {
    /// As in `lang` and `Accept-Language`, such as `pt`.
    pub(crate) tag: &'static str,
    /// Its name in itself.
    pub(crate) name: String,
    /// `ltr` or `rtl`.
    pub(crate) dir: String,
    /// How it writes numbers.
    pub(super) numbers: Numbers,
    messages: HashMap<String, String>,
    /// What the script says, as JSON that may stand in a `<script>` element.
    script: String,
}

/// What takes the place of a `{name}` in a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Filled<'a> {
    /// A word of ours, or a number.
    Text(&'a str),
    /// A time, which the script rewrites for the visitor's place.
    Time(&'a Moment),
}

/// A file of messages.
#[derive(Deserialize)]
struct File {
    language: Described,
    page: HashMap<String, String>,
    script: Map<String, Value>,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    dir: String,
    numbers: Numbers,
}

macro_rules! languages {
    ($($tag:literal),+ $(,)?) => {
        [$(Language::read($tag, include_str!(concat!("../../pages/messages/", $tag, ".json")))),+]
    };
}

/// All languages; the first is for whoever asks for none of them.
static LANGUAGES: LazyLock<[Language; 6]> =
    LazyLock::new(|| languages!("en", "de", "fr", "es", "pt", "ar"));

impl Language {
    fn read(tag: &'static str, text: &str) -> Self {
        let file: File =
            serde_json::from_str(text).expect("the tests read every embedded file of messages");
        let mut messages = file.page;
        for (key, message) in &file.script {
            if let Value::String(message) = message {
                messages.insert(key.clone(), message.clone());
            }
        }
        // In a `<script>` only `<` could end the element or begin a comment.
        let script = Value::Object(file.script).to_string().replace('<', "\\u003c");
        let Described { name, dir, numbers } = file.language;
        Self { tag, name, dir, numbers, messages, script }
    }

    /// All of them.
    pub(crate) fn all() -> &'static [Self] {
        &*LANGUAGES
    }

    /// What files and the console are in.
    pub(super) fn english() -> &'static Self {
        &LANGUAGES[0]
    }

    /// The language of a tag, such as `pt` or `pt-BR`, if there is one.
    pub(crate) fn of_tag(tag: &str) -> Option<&'static Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(primary))
    }

    /// The one that an `Accept-Language` wants most (RFC 9110 section 12.5.4).
    pub(crate) fn accepted(accept_language: &str) -> &'static Self {
        let mut best = (&LANGUAGES[0], 0.0);
        for range in accept_language.split(',') {
            let (tag, parameter) = range.split_once(';').unwrap_or((range, ""));
            let quality = parameter.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse);
            let quality: f32 = quality.unwrap_or(0.0);
            if let Some(language) = Self::of_tag(tag.trim())
                && quality > best.1
            {
                best = (language, quality);
            }
        }
        best.0
    }

    /// A message. The templates' tests see to it that every key they name is there.
    pub(crate) fn say(&self, key: &str) -> &str {
        debug_assert!(self.messages.contains_key(key), "no message {key} in {}", self.tag);
        self.messages.get(key).map_or("", String::as_str)
    }

    /// A message with its places filled, as plain text.
    pub(super) fn fill_text(&self, key: &str, name: &str, text: &str) -> String {
        self.say(key).replace(&format!("{{{name}}}"), text)
    }

    /// A message with its places filled, as markup: everything is escaped, whoever wrote it.
    pub(super) fn fill(&self, key: &str, values: &[(&str, Filled<'_>)]) -> String {
        let mut markup = String::new();
        let mut rest = self.say(key);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            escape(&mut markup, before);
            if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
                value.write(&mut markup);
            }
            rest = after;
        }
        escape(&mut markup, rest);
        markup
    }

    /// What the script says, for a `<script type="application/json">`.
    pub(crate) fn script(&self) -> &str {
        &self.script
    }
}

impl Filled<'_> {
    fn write(self, markup: &mut String) {
        match self {
            Self::Text(text) => escape(markup, text),
            Self::Time(time) => {
                let _ = write!(markup, "<time datetime=\"{}\">", time.rfc3339);
                escape(markup, &time.words);
                markup.push_str("</time>");
            }
        }
    }
}

fn escape(markup: &mut String, text: &str) {
    Html.write_escaped_str(markup, text).expect("a String takes whatever is written");
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    fn folder(name: &str) -> Vec<(String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pages").join(name);
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: std::path::PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        };
        // Beside the pages' own scripts lie vendored ones, which say nothing.
        entries.filter(|path| path.is_file()).map(read).collect()
    }

    /// The places of a message, in order of their names.
    fn places(message: &str) -> BTreeSet<&str> {
        message.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect()
    }

    #[test]
    fn every_file_of_messages_is_a_language() {
        let files: BTreeSet<String> =
            folder("messages").into_iter().map(|(name, _)| name).collect();
        let known = Language::all().iter().map(|language| format!("{}.json", language.tag));
        assert_eq!(files, known.collect());
    }

    #[test]
    fn every_language_says_everything_with_the_same_places() {
        let read = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
        let files = folder("messages");
        let (_, english) = files.iter().find(|(name, _)| name == "en.json").unwrap();
        let english = read(english);
        for (name, text) in &files {
            let file = read(text);
            assert!(["ltr", "rtl"].contains(&file["language"]["dir"].as_str().unwrap()), "{name}");
            for section in ["page", "script"] {
                let (ours, theirs) =
                    (english[section].as_object().unwrap(), file[section].as_object().unwrap());
                let keys = |of: &Map<String, Value>| of.keys().cloned().collect::<BTreeSet<_>>();
                assert_eq!(keys(ours), keys(theirs), "{name}, {section}");
                for (key, message) in ours {
                    let other = theirs[key].as_str().or(theirs[key]["other"].as_str()).unwrap();
                    let ours = message.as_str().or(message["other"].as_str()).unwrap();
                    assert_eq!(places(ours), places(other), "{name}, {key}");
                    assert!(!other.trim().is_empty(), "{name}, {key}");
                }
            }
        }
    }

    #[test]
    fn what_templates_and_scripts_say_is_there() {
        let english = &Language::all()[0];
        let script: Value = serde_json::from_str(english.script()).unwrap();
        let mut said = 0;
        for (name, text) in folder("templates") {
            for rest in text.split(".say(\"").skip(1) {
                let key = rest.split('"').next().unwrap();
                assert!(english.messages.contains_key(key), "{name} says {key}");
                said += 1;
            }
        }
        for (name, text) in folder("assets") {
            let text = text.replace("sayText(", "say(");
            for rest in text.split("say(\"").skip(1) {
                let key = rest.split('"').next().unwrap();
                assert!(!script[key].is_null(), "{name} says {key}");
                said += 1;
            }
        }
        assert!(said > 30, "only {said} messages are said");
    }

    #[test]
    fn the_visitors_wish_decides() {
        for (wish, tag) in [
            ("", "en"),
            ("de", "de"),
            ("de-AT,de;q=0.9,en;q=0.5", "de"),
            ("nl, fr;q=0.5, en;q=0.4", "fr"),
            ("en;q=0.1,AR-eg", "ar"),
            ("en;q=0.8, pt-BR;q=0.9", "pt"),
            ("*", "en"),
            ("de;q=0", "en"),
            ("es;q=x", "en"),
            (";;,,q=1,\u{0}", "en"),
        ] {
            assert_eq!(Language::accepted(wish).tag, tag, "{wish:?}");
        }
        assert!(Language::of_tag("xx").is_none() && Language::of_tag("").is_none());
    }

    #[test]
    fn what_is_filled_in_is_escaped() {
        let english = &Language::all()[0];
        let filled = english.fill("sending", &[("choice", Filled::Text("<b>{choice}&"))]);
        assert_eq!(filled, "Sending your vote for &#60;b&#62;{choice}&#38; \u{2026}");
        let none = english.fill("sending", &[]);
        assert_eq!(none, "Sending your vote for  \u{2026}");
    }

    #[test]
    fn the_scripts_messages_cannot_end_their_element() {
        assert!(Language::all().iter().all(|language| !language.script().contains('<')));
    }
}
