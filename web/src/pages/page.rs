//! What every voters' page has around it.

use super::{assets::VOTER_STYLE, language::Language};

/// What every voters' page has around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// In which language.
    pub(crate) language: &'static Language,
    /// Whether the address asked for it, so that the next page is in it too.
    pub(crate) by_address: bool,
    /// Whether it stands in another site's frame: without our head and foot.
    pub(crate) embedded: bool,
}

impl Page {
    /// A message.
    pub(super) fn say(&self, key: &str) -> &'static str {
        self.language.say(key)
    }

    /// The rules that stand in the page.
    pub(super) fn style(&self) -> &'static str {
        &VOTER_STYLE.text
    }

    /// What keeps the language in a link of ours.
    pub(super) fn query(&self) -> String {
        if self.by_address { format!("?lang={}", self.language.tag) } else { String::new() }
    }

    /// The address of a contest's page.
    pub(super) fn contest(&self, contest: &str) -> String {
        let embed = if self.embedded { "/embed" } else { "" };
        format!("/c/{contest}{embed}{}", self.query())
    }
}
