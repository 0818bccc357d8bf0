//! What a user would write instead: the same HTTP call as Landslide's, one vote, one write.
//!
//! `peers null`, `peers redis redis://127.0.0.1:PORT`, `peers postgres host=.. port=.. user=..`.
//! Prints `ready http://127.0.0.1:PORT` when it takes votes, as Landslide does.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, Result, bail};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::Store;

mod store;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The choices of the benchmark's contest, as `bench/run` makes it.
const CHOICES: usize = 10;

#[derive(Deserialize)]
struct Cast {
    ballot_id: Uuid,
    choice: String,
    device: Uuid,
}

#[derive(Serialize)]
struct Acknowledged {
    ballot_id: Uuid,
    contest: String,
    recorded_at: Timestamp,
}

struct Server {
    choices: HashMap<String, i16>,
    store: Store,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_default();
    let address = arguments.next().unwrap_or_default();
    let store = match kind.as_str() {
        "null" => Store::Null,
        "redis" => Store::redis(&address).await?,
        "postgres" => Store::postgres(&address).await?,
        _ => bail!("usage: peers null | redis URL | postgres CONFIG"),
    };
    let choices = (0..CHOICES).map(|n| (format!("series-{n:02}"), n as i16)).collect();
    let router = Router::new()
        .route("/v1/contests/{contest}/ballots", post(cast))
        .route("/counted", get(counted))
        .with_state(Arc::new(Server { choices, store }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("ready http://{}", listener.local_addr()?);
    let end = async {
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .expect("the runtime is there")
            .recv()
            .await;
    };
    axum::serve(listener, router).with_graceful_shutdown(end).await.context("serving")
}

type Failure = (StatusCode, String);

async fn cast(
    State(server): State<Arc<Server>>,
    Path(contest): Path<String>,
    Json(cast): Json<Cast>,
) -> Result<(StatusCode, Json<Acknowledged>), Failure> {
    let choice = *server
        .choices
        .get(&cast.choice)
        .ok_or_else(|| (StatusCode::UNPROCESSABLE_ENTITY, "no such choice".to_owned()))?;
    let recorded_at = Timestamp::now();
    server
        .store
        .record(&contest, cast.device, cast.ballot_id, choice, recorded_at)
        .await
        .map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let acknowledged = Acknowledged { ballot_id: cast.ballot_id, contest, recorded_at };
    Ok((StatusCode::CREATED, Json(acknowledged)))
}

/// How many ballots are stored, for the check after a run.
async fn counted(State(server): State<Arc<Server>>) -> Result<String, Failure> {
    let counted = server.store.counted().await;
    counted
        .map(|counted| counted.to_string())
        .map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
}
