//! Reading a request's body: of the right type, not too large, not too slow.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{HeaderMap, body::Body, header};

use super::problem::{Problem, ProblemKind};

/// A body that takes longer is given up: a phone on a bad network sends 4 KiB well within it.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// Which of the `accepted` content types it is; refuses any other, and none.
pub(crate) fn check_content_type<'a>(
    headers: &HeaderMap,
    accepted: &[&'a str],
) -> Result<&'a str, Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.map(|value| value.split(';').next().unwrap_or_default().trim());
    let is_it = |want: &&&str| media_type.is_some_and(|got| got.eq_ignore_ascii_case(want));
    accepted.iter().find(is_it).copied().ok_or_else(|| {
        let detail = format!("The content type must be {}.", accepted.join(" or "));
        Problem::new(ProblemKind::UnsupportedMediaType, detail)
    })
}

/// Reads a body of at most `bytes_max`.
pub(crate) async fn read<B>(body: B, bytes_max: usize) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    // Said by the client beforehand: nothing is read.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large(bytes_max));
    }
    match tokio::time::timeout(BODY_TIMEOUT, collect(body, bytes_max)).await {
        Ok(read) => read,
        Err(_) => Err(unreadable("The body did not arrive in time.")),
    }
}

async fn collect<B>(mut body: B, bytes_max: usize) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreadable(format!("The body broke off: {error}.")))?;
        let Ok(chunk) = frame.into_data() else { continue };
        if first.len() + rest.len() + chunk.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        // Nearly every body is one frame, and is not copied.
        if first.is_empty() {
            first = chunk;
        } else {
            rest.extend_from_slice(&chunk);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(ProblemKind::TooLarge, format!("The body may have at most {bytes_max} bytes."))
}

/// The body as a whole cannot be read.
pub(crate) fn unreadable(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Unreadable, detail).field("body")
}
