//! The connections to the service: one client for what must be tried once, one for the rest.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{SharedHttpClient, StalledStreamProtectionConfig},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use super::settings::DynamoDbSettings;

/// A new connection that takes longer is given up; in a region it takes a few milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// A put that takes longer is unknown; the intake then has time for several more before its
/// commit deadline.
const PUT_TIMEOUT: Duration = Duration::from_secs(1);
/// One try of a read, a page of 1 MB at most.
const READ_TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// All tries of a read.
const READ_TIMEOUT: Duration = Duration::from_secs(6);
/// Tries of a read that is throttled or fails, with back-off between them.
const READ_TRIES_MAX: u32 = 6;
/// The first pause between two of them, at most; doubled each time, with full jitter.
const READ_BACKOFF_MIN: Duration = Duration::from_millis(50);
/// Every later pause, at most.
const READ_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Two clients with connections of their own: a tally that reads at full speed on threads that it
/// keeps busy is not in the way of the ballots.
pub(super) struct Clients {
    /// Each request is sent once. For writes whose outcome the caller must know: a second try
    /// that finds the first one's document would call it a conflict.
    pub(super) single_try: Client,
    /// Throttled and failed requests are sent again. For reads, and for writes that nobody sees
    /// yet or any more.
    pub(super) retrying: Client,
}

impl Clients {
    pub(super) async fn new(settings: &DynamoDbSettings) -> Self {
        // Credentials are looked for with the retrying client's connections.
        let retrying_http = http_client();
        let shared = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(settings.region.clone()))
            .http_client(retrying_http.clone())
            .load()
            .await;
        let client = |http: SharedHttpClient, retries: RetryConfig, timeouts: TimeoutConfig| {
            let mut config = aws_sdk_dynamodb::config::Builder::from(&shared)
                .http_client(http)
                .retry_config(retries)
                .timeout_config(timeouts)
                // The time-outs see to it.
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
            if settings.endpoint.is_some() {
                config.set_endpoint_url(settings.endpoint.clone());
            }
            Client::from_conf(config.build())
        };
        let put_timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(PUT_TIMEOUT)
            .build();
        let read_timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(READ_TRY_TIMEOUT)
            .operation_timeout(READ_TIMEOUT)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(READ_TRIES_MAX)
            .with_initial_backoff(READ_BACKOFF_MIN)
            .with_max_backoff(READ_BACKOFF_MAX);
        Self {
            single_try: client(http_client(), RetryConfig::disabled(), put_timeouts),
            retrying: client(retrying_http, retries, read_timeouts),
        }
    }
}

fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::rustls(CryptoMode::Ring)).build_https()
}
