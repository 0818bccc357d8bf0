//! The OpenAPI 3.1 document, generated from the calls' handlers and the shapes of their bodies.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, Content, ObjectBuilder, OpenApi as Document, Ref, Required, ResponseBuilder,
        path::{Operation, ParameterBuilder, ParameterIn},
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::api::{
    ballots, channels, contests, exports, gateway, operator, public, sessions, standing,
};

/// The whole description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Landslide",
        description = "Live public voting for the moment everybody votes at once.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    paths(
        ballots::cast,
        public::time, public::contest, public::state, public::results, public::results_stream,
        gateway::record_batch,
        contests::list_contests, contests::put_contest, contests::get_contest,
        contests::delete_contest,
        contests::open_contest, contests::close_contest, contests::cancel_close,
        contests::certify_contest,
        standing::counts, standing::list_nodes, channels::new_channel,
        standing::overview, standing::live, standing::lease, standing::audit,
        exports::counts_json, exports::counts_csv,
        exports::series, exports::series_json, exports::series_csv,
        sessions::look, sessions::sign_in, sessions::sign_out,
        operator::healthz, operator::readyz, operator::metrics,
    ),
    modifiers(&Completed),
)]
struct Described;

/// What the annotations do not say: the path's parameter and the two kinds of bearer's token.
struct Completed;

impl Modify for Completed {
    fn modify(&self, document: &mut Document) {
        let bearer =
            || SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("admin_token", bearer());
        components.add_security_scheme("channel_key", bearer());
        // Both together: the cookie says who, the header that the console's script has asked.
        let key = |location: fn(ApiKeyValue) -> ApiKey, name: &str, what: &str| {
            SecurityScheme::ApiKey(location(ApiKeyValue::with_description(name, what)))
        };
        let cookie = "From POST /admin/session; over TLS its name begins with __Host-";
        components.add_security_scheme("session", key(ApiKey::Cookie, "landslide-session", cookie));
        let header = "From GET /admin/session; with what changes something";
        components.add_security_scheme("csrf", key(ApiKey::Header, "X-CSRF-Token", header));
        let contest = ParameterBuilder::new()
            .name("contest")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The contest's slug"))
            .schema(Some(
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some("^[a-z0-9][a-z0-9-]{0,63}$")),
            ))
            .build();
        for (path, item) in &mut document.paths.paths {
            let has_contest = path.contains("{contest}");
            if has_contest {
                item.parameters.get_or_insert_default().push(contest.clone().into());
            }
            // Where operators have a listener of their own, these are not on the public's.
            let is_operators = ["/v1/admin", "/admin", "/metrics"];
            let may_be_absent = has_contest || is_operators.iter().any(|at| path.starts_with(at));
            let changing = [&mut item.put, &mut item.post, &mut item.delete];
            let operations = changing.map(|operation| (operation, true));
            for (operation, changes) in operations.into_iter().chain([(&mut item.get, false)]) {
                let Some(operation) = operation else { continue };
                for (status, why) in refusals(operation, may_be_absent, changes) {
                    let responses = &mut operation.responses.responses;
                    responses.entry(status.into()).or_insert_with(|| refused(why).into());
                }
            }
        }
    }
}

/// What a call of this kind may be refused with, whatever it does; what is its own it says itself.
fn refusals(
    operation: &Operation,
    may_be_absent: bool,
    changes: bool,
) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let is_for_some = operation.security.as_ref().is_some_and(|kinds| !kinds.is_empty());
    let has_body = operation.request_body.is_some();
    // The path's own is with the path.
    let has_query = operation.parameters.iter().flatten().next().is_some();
    [
        (has_body, "400", "Not readable"),
        (is_for_some, "401", "Not admitted"),
        (is_for_some || changes, "403", "Not from there, or over plain HTTP"),
        (may_be_absent, "404", "No such contest, or not on this listener"),
        (has_body, "413", "Too large"),
        (has_body, "415", "Wrong content type"),
        (true, "421", "Not a host of this node"),
        (has_body || has_query, "422", "Readable, but wrong"),
        (true, "429", "Over a limit; Retry-After"),
        (true, "503", "Overloaded, or the store is away; Retry-After"),
    ]
    .into_iter()
    .filter_map(|(applies, status, why)| applies.then_some((status, why)))
}

/// A refusal: a problem that says why.
fn refused(why: &str) -> openapi::Response {
    let content = Content::builder().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(why).content("application/problem+json", content).build()
}

/// The description as JSON.
fn json() -> String {
    Described::openapi().to_json().expect("the description has only string keys")
}

/// `GET /openapi.json`.
pub(crate) async fn document() -> Response {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| json().into());
    ([(CONTENT_TYPE, "application/json")], JSON.clone()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it is handed to others; the tests of the binary hold every reply against it. After a change
    /// that is meant: `BLESS=1 cargo test -p web openapi`.
    #[test]
    fn the_document_is_as_it_was() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let document = Described::openapi().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &document).unwrap();
        }
        let golden = std::fs::read_to_string(path).unwrap_or_default();
        assert!(golden == document, "changed on purpose? BLESS=1 cargo test -p web openapi");
    }
}
