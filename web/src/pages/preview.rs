//! What the head of a page tells other sites of it.

use super::{page::Page, subject::Subject};
use crate::public_url::PublicUrl;

/// What a link preview needs: absolute addresses, which only the settings can know.
pub(super) struct Preview {
    pub(super) url: String,
    /// Where cards are drawn.
    pub(super) image: Option<String>,
}

impl Preview {
    pub(super) fn new(site: &PublicUrl, of: Subject<'_>, page: Page) -> Self {
        let (contest, mark, tag) = (of.contest, of.mark, page.language.tag);
        Self {
            url: format!("{site}/c/{contest}{}", page.query()),
            image: cfg!(feature = "card")
                // Another address with each change: what other sites keep is never the title as it was.
                .then(|| format!("{site}/c/{contest}/card.png?lang={tag}&of={mark}")),
        }
    }
}
