//! The name in a request's path.

use axum::extract::{FromRequestParts, Path};
use hyper::http::request::Parts;

use super::problem::Problem;

/// The name in a path; any text, for the look-up to find or not.
pub(crate) struct InPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Only bytes that are not UTF-8 are refused, and no contest is named so.
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| Problem::no_such_contest())
    }
}
