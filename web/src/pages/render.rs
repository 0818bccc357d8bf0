//! From a template to HTML.

use askama::Template;

/// A page's HTML. The templates only write domain values into a `String`.
pub(super) fn render(template: &impl Template) -> String {
    template.render().expect("neither a String nor the Display of our values fails to write")
}
