//! A refusal's body.

use serde::Serialize;
use utoipa::ToSchema;

/// A refusal (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Which problem; a stable URI, such as urn:landslide:problem:unknown-choice.
    #[schema(pattern = "^urn:landslide:problem:[a-z-]+$")]
    r#type: String,
    /// The problem's name for people.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong here, a sentence for people.
    detail: String,
    /// The member at fault; with 400 and 422.
    field: Option<String>,
    /// The contest's opening; with 409.
    #[schema(format = DateTime)]
    opens_at: Option<String>,
    /// The contest's close; with 409.
    #[schema(format = DateTime)]
    closes_at: Option<String>,
    /// The server's time; with a ballot id out of time.
    #[schema(format = DateTime)]
    server_time: Option<String>,
}
