//! The files that pages load, and the API's own page.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG,
        HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};

use super::served::whole_page;
use crate::{
    http::{
        conditions::{accepts_gzip, matches},
        in_path::InPath,
        problem::{Problem, ProblemKind},
    },
    pages::{
        assets::{Asset, static_asset},
        swagger,
    },
};

/// `GET /docs`: the API, to read and to try.
pub(crate) async fn docs() -> Response {
    whole_page(StatusCode::OK, swagger::page())
}

/// `GET /docs/{path}`.
pub(crate) async fn docs_asset(InPath(path): InPath, headers: HeaderMap) -> Response {
    let asset = swagger::file(&path);
    asset.map_or_else(not_found, |asset| file(&asset, "public, max-age=300", &headers))
}

/// `GET /assets/{path}`.
pub(crate) async fn asset(InPath(path): InPath, headers: HeaderMap) -> Response {
    let asset = static_asset(&path);
    let mut response = asset.map_or_else(not_found, |(asset, kept)| file(asset, kept, &headers));
    // Other sites load the element as a module, which a browser does only where it is allowed.
    let any = HeaderValue::from_static("*");
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, any);
    response
}

fn not_found() -> Response {
    Problem::new(ProblemKind::NotFound, "There is no such file.").into_response()
}

fn file(asset: &Asset, kept: &'static str, headers: &HeaderMap) -> Response {
    let gzip = asset.gzip.as_deref().filter(|_| accepts_gzip(headers));
    let etag = match gzip {
        Some(_) => format!("{}-gz\"", asset.etag.trim_end_matches('"')),
        None => asset.etag.clone(),
    };
    let mut response = if matches(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = gzip.map_or_else(
            || asset.bytes.into_response(),
            |gzip| Bytes::copy_from_slice(gzip).into_response(),
        );
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        if let Some(encoding) = gzip.map(|_| "gzip").or(asset.content_encoding) {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    if asset.gzip.is_some() {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
