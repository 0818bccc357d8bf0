//! `landslide health`: asks a node whether it is ready, for container images without a shell.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, ensure};
use ballot::Clock;
use bytes::Bytes;
use clap::Args;
use http_body_util::Empty;
use hyper::{Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use load::{Address, Trust};
use tokio::time::{sleep, timeout};

use crate::{machine::SystemClock, settings::Span};

/// One question and its answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two questions, with `--wait`.
const PAUSE: Duration = Duration::from_millis(200);

/// The options of `landslide health`.
#[derive(Args, Clone, Debug)]
pub struct HealthOptions {
    /// The node; any certificate will do
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Ask again for so long until it is ready, such as 30s
    #[arg(long, value_name = "TIME", default_value = "0s")]
    wait: Span,
}

/// Exit 0 where the node takes voters (`/readyz` answers 200), else 1 with the reason.
pub async fn run(options: HealthOptions) -> Result<ExitCode> {
    let address = Address::parse(&options.url, Trust::Anything)?;
    let asked_first = SystemClock.moment();
    loop {
        let answer = timeout(PATIENCE, ask(&address)).await.context("no answer in time");
        match answer.and_then(|ready| ready) {
            Ok(()) => return Ok(ExitCode::SUCCESS),
            Err(error) if SystemClock.moment().since(asked_first) >= options.wait.0 => {
                return Err(error.context(format!("{} is not ready", address.url)));
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn ask(address: &Address) -> Result<()> {
    let stream = address.connect(0).await?;
    let (mut sender, wire) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(format!("{}/readyz", address.prefix))
        .header(HOST, &address.authority)
        .body(Empty::<Bytes>::new())?;
    // Its end, also by an error, is the request's own.
    tokio::spawn(wire);
    let status = sender.send_request(request).await?.status();
    ensure!(status == StatusCode::OK, "it answers {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn options(url: &str, wait: &str) -> HealthOptions {
        HealthOptions { url: url.to_owned(), wait: wait.parse().unwrap() }
    }

    /// Answers with these statuses, one a connection, the last one again and again.
    async fn node(statuses: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/tv/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut statuses = statuses.to_vec();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1_024];
                let read = stream.read(&mut request).await.unwrap();
                assert!(
                    request[..read].starts_with(b"GET /tv/readyz HTTP/1.1\r\nhost: 127.0.0.1:")
                );
                let status = if statuses.len() > 1 { statuses.remove(0) } else { statuses[0] };
                let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        url
    }

    #[tokio::test]
    async fn only_a_node_that_is_ready_is_healthy() {
        let ready = node(&["200 OK"]).await;
        assert_eq!(run(options(&ready, "0s")).await.unwrap(), ExitCode::SUCCESS);
        let leaving = node(&["503 Service Unavailable"]).await;
        let error = run(options(&leaving, "0s")).await.unwrap_err();
        assert!(format!("{error:#}").contains("not ready: it answers 503"), "{error:#}");
        run(options("http://127.0.0.1:1", "0s")).await.unwrap_err();
        run(options("127.0.0.1", "30s")).await.unwrap_err();
    }

    #[tokio::test]
    async fn it_waits_for_a_node_that_starts() {
        let url = node(&["503 Service Unavailable", "503 Service Unavailable", "200 OK"]).await;
        assert_eq!(run(options(&url, "30s")).await.unwrap(), ExitCode::SUCCESS);
    }
}
