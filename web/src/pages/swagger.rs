//! The page to try the API: Swagger UI, embedded, reading `/openapi.json`. It works under the same
//! content security policy as every page.

use std::{borrow::Cow, sync::Arc};

use askama::Template;
use utoipa_swagger_ui::Config;

use super::{assets::Asset, render::render};

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage;

/// The page at `/docs`.
pub(crate) fn page() -> String {
    render(&DocsPage)
}

/// The file at `/docs/{path}`: the two files of Swagger UI that the page loads.
pub(crate) fn file(path: &str) -> Option<Asset> {
    let content_type = match path {
        "swagger-ui.css" => "text/css; charset=utf-8",
        "swagger-ui-bundle.js" => "text/javascript; charset=utf-8",
        _ => return None,
    };
    let found = utoipa_swagger_ui::serve(path, Arc::new(Config::<'static>::default())).ok()??;
    let Cow::Borrowed(bytes) = found.bytes else {
        return None;
    };
    let content_encoding = found.gzpipped.then_some("gzip");
    Some(Asset { content_encoding, ..Asset::new(bytes, content_type) })
}
