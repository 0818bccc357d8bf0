//! A refusal's body.

use serde::Serialize;
use utoipa::ToSchema;

/// A refusal (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Which problem; a stable URI, such as urn:landslide:problem:unknown-choice.
    r#type: String,
    /// The problem's name for people.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong here, a sentence for people.
    detail: String,
    /// The member at fault; with 400 and 422.
    field: Option<String>,
    /// The contest's opening, RFC 3339; with 409.
    opens_at: Option<String>,
    /// The contest's close, RFC 3339; with 409.
    closes_at: Option<String>,
    /// The server's time, RFC 3339; with a ballot id out of time.
    server_time: Option<String>,
}
