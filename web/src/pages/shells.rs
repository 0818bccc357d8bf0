//! The console's pages without data: their scripts ask the API, as whoever is signed in. In English.

use askama::Template;

use super::render::render;

/// `/admin`: signing in, the contests, the nodes.
pub(crate) fn contests() -> String {
    render(&ContestsTemplate)
}

/// `/admin/contests/{contest}`: one contest, live.
pub(crate) fn contest() -> String {
    render(&ContestTemplate)
}

/// `/admin/new` and `/admin/contests/{contest}/edit`.
pub(crate) fn edit() -> String {
    render(&EditTemplate)
}

#[derive(Template)]
#[template(path = "console-contests.html")]
struct ContestsTemplate;

#[derive(Template)]
#[template(path = "console-contest.html")]
struct ContestTemplate;

#[derive(Template)]
#[template(path = "console-edit.html")]
struct EditTemplate;
