//! A reply over HTTP/1.1, read from its bytes.

use std::{io, time::Duration};

use ballot::Timestamp;
use bytes::Bytes;
use http::{
    StatusCode,
    header::{self, HeaderName},
};

/// A reply's status line and headers may have so many bytes, and so many lines.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;
/// A reply's body may have so many bytes: a counts row of 1,000 choices is a tenth of it.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A whole reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// The status line and the headers, as they came.
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
}

impl Reply {
    /// How long the server asks to wait, where it says so in seconds.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.header(&header::RETRY_AFTER)?.parse().ok().map(Duration::from_secs)
    }

    /// The server's time, in whole seconds.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        let date = jiff::fmt::rfc2822::parse(&self.header(&header::DATE)?).ok()?;
        Some(Timestamp::from_micros(date.timestamp().as_microsecond()))
    }

    /// With one header.
    #[cfg(test)]
    pub(crate) fn of_test(status: u16, header: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\n{header}\r\n\r\n").into();
        let status = StatusCode::from_u16(status).expect("tests know their statuses");
        Self { status, head, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn header(&self, name: &HeaderName) -> Option<String> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        httparse::Response::new(&mut headers).parse(&self.head).ok()?;
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name.as_str()));
        header.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
    }
}

/// A reply's status line and what its headers say of the body.
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    /// Of the head itself.
    pub(crate) bytes: usize,
    pub(crate) length: Length,
    /// Whether the connection ends with this reply.
    pub(crate) closes: bool,
}

/// How long a body is.
pub(crate) enum Length {
    Known(usize),
    Chunked,
    UntilClosed,
}

impl Head {
    /// The head that `reply` begins with, if it is there whole.
    pub(crate) fn parse(reply: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        let bytes = match parsed.parse(reply).map_err(|error| not_http(&error.to_string()))? {
            httparse::Status::Complete(bytes) => bytes,
            httparse::Status::Partial => return Ok(None),
        };
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or_else(|| not_http("no status"))?;
        // HTTP/1.1 is version 1 to the parser; before it, connections were closed.
        let mut closes = parsed.version != Some(1);
        let mut length = Length::UntilClosed;
        for header in parsed.headers.iter() {
            let is = |name: HeaderName| header.name.eq_ignore_ascii_case(name.as_str());
            let text = || std::str::from_utf8(header.value).unwrap_or_default().trim();
            if is(header::TRANSFER_ENCODING) {
                length = Length::Chunked;
            } else if is(header::CONTENT_LENGTH) && !matches!(length, Length::Chunked) {
                let known = text().parse().ok().filter(|known| *known <= BODY_BYTES_MAX);
                length = Length::Known(known.ok_or_else(|| not_http("a length that is none"))?);
            } else if is(header::CONNECTION) {
                closes |= text().eq_ignore_ascii_case("close");
            }
        }
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            length = Length::Known(0);
        }
        Ok(Some(Self { status, bytes, length, closes }))
    }
}

pub(crate) fn not_http(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
