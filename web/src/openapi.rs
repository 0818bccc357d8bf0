//! The OpenAPI 3.1 document, generated from the calls' handlers and the shapes of their bodies.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, Content, ObjectBuilder, OpenApi as Document, Ref, Required, ResponseBuilder,
        path::{ParameterBuilder, ParameterIn},
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::api::{ballots, contests, exports, gateway, operator, public, sessions, standing};

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
        standing::counts, standing::list_nodes, contests::new_channel,
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
            if path.contains("{contest}") {
                item.parameters.get_or_insert_default().push(contest.clone().into());
            }
            let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                operation.responses.responses.insert("default".into(), refused().into());
            }
        }
    }
}

/// What any call may be answered with: without admission, over a limit, while the store is away.
fn refused() -> openapi::Response {
    let content = Content::builder().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new()
        .description("Refused, with a problem that says why")
        .content("application/problem+json", content)
        .build()
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
