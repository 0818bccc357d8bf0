//! Where ballots are sent, and how they become requests.

use std::sync::Arc;

use ballot::Slug;
use http::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};

use crate::{
    ballots::Envelope,
    connection::{Call, HeaderLines},
};

/// How ballots become requests.
#[derive(Clone, Debug)]
pub struct Route {
    path: Arc<str>,
    headers: HeaderLines,
}

impl Route {
    /// Voters' own ballots.
    pub fn of_devices(contest: &Slug) -> Self {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let path = format!("/v1/contests/{contest}/ballots").into();
        Self { path, headers: headers.into_iter().collect() }
    }

    /// A gateway's batches; `bearer` is `Bearer` and the channel's key.
    pub(crate) fn of_gateway(contest: &Slug, bearer: HeaderValue) -> Self {
        let ndjson = HeaderValue::from_static("application/x-ndjson");
        let headers = [(CONTENT_TYPE, ndjson), (AUTHORIZATION, bearer)];
        let path = format!("/v1/contests/{contest}/batches").into();
        Self { path, headers: headers.into_iter().collect() }
    }

    /// The request for these ballots, the same every time.
    pub(crate) fn call(&self, envelope: &Envelope) -> Call {
        Call {
            method: Method::POST,
            path: Arc::clone(&self.path),
            headers: self.headers.clone(),
            ballot_id: envelope.ballot_id,
            body: envelope.body.clone(),
        }
    }
}
