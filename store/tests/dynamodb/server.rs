//! The server that the tests share, and the tables of this run.

use std::io::Write;

use store::dynamodb::{DynamoDbSettings, DynamoDbStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::OnceCell,
};

/// The server's URL, if there is one.
pub(crate) fn endpoint() -> Option<String> {
    let required =
        std::env::var("LANDSLIDE_TEST_ENGINES").is_ok_and(|engines| engines == "required");
    let Ok(endpoint) = std::env::var("LANDSLIDE_TEST_DYNAMODB") else {
        assert!(!required, "LANDSLIDE_TEST_DYNAMODB is not set, and the engines are required");
        // Past the test harness, which hides what a test prints that does not fail.
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "SKIPPED: LANDSLIDE_TEST_DYNAMODB is not set").unwrap();
        return None;
    };
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        assert!(std::env::var_os(name).is_some(), "{name} must be set, to anything");
    }
    Some(endpoint)
}

/// Tables that no other test and no other run has.
pub(crate) fn new_settings(endpoint: String) -> DynamoDbSettings {
    DynamoDbSettings {
        region: "eu-central-1".into(),
        prefix: format!("test-{:016x}", fastrand::u64(..)),
        endpoint: Some(endpoint),
    }
}

/// The tables that the tests of this run share; made by the first that asks.
pub(crate) async fn settings() -> Option<DynamoDbSettings> {
    static SETTINGS: OnceCell<DynamoDbSettings> = OnceCell::const_new();
    let endpoint = endpoint()?;
    let made = SETTINGS.get_or_init(async || {
        let settings = new_settings(endpoint);
        DynamoDbStore::apply_schema(&settings).await.unwrap();
        settings
    });
    Some(made.await.clone())
}

/// A name that no other test and no other run has.
pub(crate) fn name(test: &str) -> String {
    format!("{test}-{:016x}", fastrand::u64(..))
}

/// A request as the command line tool sends it, past the store. Returns the answer's body, or
/// the error's.
pub(crate) async fn request(operation: &str, body: &serde_json::Value) -> Result<String, String> {
    let endpoint = endpoint().unwrap();
    let address = endpoint.strip_prefix("http://").unwrap().trim_end_matches('/');
    let key = std::env::var("AWS_ACCESS_KEY_ID").unwrap();
    let body = body.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
        Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\
        X-Amz-Target: DynamoDB_20120810.{operation}\r\n\
        Authorization: AWS4-HMAC-SHA256 Credential={key}/20261123/eu-central-1/dynamodb/aws4_request, \
        SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len(),
    );
    let mut server = TcpStream::connect(address).await.unwrap();
    server.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let answered = if head.starts_with("HTTP/1.1 200") { Ok } else { Err };
    answered(body.to_owned())
}
