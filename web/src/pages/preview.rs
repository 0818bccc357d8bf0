//! What the head of a page tells other sites of it.

use ballot::Slug;

use super::page::Page;
use crate::public_url::PublicUrl;

/// What a link preview needs: absolute addresses, which only the settings can know.
pub(super) struct Preview {
    pub(super) url: String,
    /// Where cards are drawn.
    pub(super) image: Option<String>,
}

impl Preview {
    pub(super) fn new(site: &PublicUrl, contest: &Slug, page: Page) -> Self {
        let tag = page.language.tag;
        Self {
            url: format!("{site}/c/{contest}{}", page.query()),
            image: cfg!(feature = "card")
                .then(|| format!("{site}/c/{contest}/card.png?lang={tag}")),
        }
    }
}
