//! Pages that are the same for everybody, rendered and compressed once: at the opening they are asked
//! for thousands of times a second, in a few languages.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use ballot::{Hours, Phase, Slug, Timestamp};
use bytes::Bytes;
use contests::LiveContest;
use hyper::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderValue, VARY},
};
use parking_lot::Mutex;

use crate::{
    http::conditions::{accepts_gzip, matches},
    pages::{assets::gzip, show::WallLook},
};

/// Pages kept by one worker; past this all are dropped and rendered again as they are asked for.
const PAGES_MAX: usize = 512;
/// How long a cache may serve a page without asking. Short: a close by hand must be seen soon.
const MAX_AGE_S: u64 = 5;
/// How long a cache may serve it while it asks for the next one: nobody waits for the origin.
const STALE_S: u64 = 30;

/// The rendered pages of one worker.
#[derive(Debug, Default)]
pub(crate) struct PageCache {
    pages: Mutex<HashMap<PageKey, Kept>>,
}

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    pub(crate) contest: Slug,
    pub(crate) language: &'static str,
    /// Whether the address names the language: then the page's links do, too.
    pub(crate) by_address: bool,
    pub(crate) view: View,
}

/// Which of a contest's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum View {
    Vote,
    VoteEmbedded,
    Results,
    Wall(WallLook),
}

/// What a page was made from; once that has changed the page is made again.
#[derive(Clone, Debug)]
pub(crate) struct MadeFrom {
    pub(crate) live: Arc<LiveContest>,
    pub(crate) phase: Phase,
    /// Of the counts that it shows.
    pub(crate) generation: Option<u64>,
}

#[derive(Debug)]
struct Kept {
    from: MadeFrom,
    page: Arc<Rendered>,
}

/// A page with what its headers need.
#[derive(Debug)]
pub(crate) struct Rendered {
    plain: Bytes,
    gzip: Bytes,
    etag: String,
    gzip_etag: String,
}

impl PageCache {
    /// The page, rendered if it is not there as it should be now.
    pub(crate) fn get(
        &self,
        key: &PageKey,
        from: MadeFrom,
        render: impl FnOnce() -> String,
    ) -> Arc<Rendered> {
        if let Some(kept) = self.pages.lock().get(key)
            && kept.from.is(&from)
        {
            return Arc::clone(&kept.page);
        }
        let page = Arc::new(Rendered::new(render()));
        let mut pages = self.pages.lock();
        if pages.len() >= PAGES_MAX && !pages.contains_key(key) {
            pages.clear();
        }
        pages.insert(key.clone(), Kept { from, page: Arc::clone(&page) });
        page
    }
}

impl MadeFrom {
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.live, &other.live)
            && (self.phase, self.generation) == (other.phase, other.generation)
    }
}

impl Rendered {
    pub(crate) fn new(html: String) -> Self {
        let gzip = gzip(html.as_bytes()).into();
        let hash = &blake3::hash(html.as_bytes()).to_hex()[..16];
        // Two encodings are two representations: each has its own tag.
        let (etag, gzip_etag) = (format!("\"{hash}\""), format!("\"{hash}-gz\""));
        Self { plain: html.into(), gzip, etag, gzip_etag }
    }

    /// The page as this client takes it, or that it has it already. The caller adds the headers
    /// that every page has.
    pub(crate) fn response(&self, headers: &HeaderMap, cache_control: &str) -> Response {
        let is_gzip = accepts_gzip(headers);
        let (body, etag) =
            if is_gzip { (&self.gzip, &self.gzip_etag) } else { (&self.plain, &self.etag) };
        let mut response = if matches(headers, etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Response::new(Body::from(body.clone()));
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            if is_gzip {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, HeaderValue::try_from(etag).expect("hexadecimal digits in quotes"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Language, Accept-Encoding"));
        let cache_control = HeaderValue::try_from(cache_control).expect("words and numbers");
        headers.insert(CACHE_CONTROL, cache_control);
        response
    }
}

/// How long caches may keep a page of a contest with these hours: never past an opening or a close
/// that is known, so that nobody is shown a closed door after it has opened.
pub(crate) fn cache_control(hours: Hours, now: Timestamp) -> String {
    let times = [hours.opens_at, hours.closes_at].into_iter().flatten();
    let next = times.filter(|time| *time > now).min();
    let left_s = next.map_or(u64::MAX, |next| next.since(now).as_secs());
    let age = left_s.min(MAX_AGE_S);
    let stale = (left_s - age).min(STALE_S);
    format!("public, max-age={age}, stale-while-revalidate={stale}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cache_keeps_a_page_past_an_opening_or_a_close() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let hours = Hours {
            opens_at: Some(time("2026-11-23T20:00:00Z")),
            closes_at: Some(time("2026-11-23T22:00:00Z")),
        };
        for (now, age, stale) in [
            ("2026-11-23T19:00:00Z", 5, 30),
            ("2026-11-23T19:59:40Z", 5, 15),
            ("2026-11-23T19:59:57.5Z", 2, 0),
            ("2026-11-23T20:00:00Z", 5, 30),
            ("2026-11-23T21:59:59.999Z", 0, 0),
            ("2026-11-23T22:00:00Z", 5, 30),
        ] {
            let expected = format!("public, max-age={age}, stale-while-revalidate={stale}");
            assert_eq!(cache_control(hours, time(now)), expected, "at {now}");
        }
    }
}
