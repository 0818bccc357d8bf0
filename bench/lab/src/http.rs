//! The front that all designs share: the product's call, and what `landslide bench` asks for.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::{
    cast::{CHOICES, CONTEST, Cast, choice_number, choice_slug, now},
    design::Design,
    partitions::{Partitions, Writes},
};

/// Serves until it is told to end. Says on standard output when it takes votes.
pub async fn serve(listener: TcpListener, design: Arc<Design>) -> Result<()> {
    let router = Router::new()
        .route("/v1/contests/{contest}/ballots", post(cast))
        .route("/v1/admin/contests/{contest}", get(definition))
        .route("/v1/admin/contests/{contest}/counts", get(counts))
        .route("/lab/writes", get(writes))
        // For a balancer: it listens when all is there.
        .route("/readyz", get(|| async {}))
        .with_state(Arc::clone(&design));
    println!("ready http://{}", listener.local_addr()?);
    let end = async {
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .expect("the runtime is there")
            .recv()
            .await;
    };
    axum::serve(listener, router).with_graceful_shutdown(end).await.context("serving")?;
    design.stop().await
}

type Failure = (StatusCode, String);

#[derive(Deserialize)]
struct Body {
    ballot_id: Uuid,
    choice: String,
    device: Uuid,
}

#[derive(Serialize)]
struct Acknowledged {
    ballot_id: Uuid,
    contest: String,
    recorded_at: String,
}

async fn cast(
    State(design): State<Arc<Design>>,
    Path(contest): Path<String>,
    Json(body): Json<Body>,
) -> Result<(StatusCode, Json<Acknowledged>), Failure> {
    must_be_ours(&contest)?;
    let choice = choice_number(&body.choice)
        .ok_or_else(|| (StatusCode::UNPROCESSABLE_ENTITY, "no such choice".to_owned()))?;
    let recorded_at = now();
    let Body { ballot_id, device, .. } = body;
    design.record(&Cast { ballot_id, device, choice, recorded_at }).await.map_err(unknown)?;
    let recorded_at = recorded_at.to_string();
    Ok((StatusCode::CREATED, Json(Acknowledged { ballot_id, contest, recorded_at })))
}

async fn definition(Path(contest): Path<String>) -> Result<Json<Value>, Failure> {
    must_be_ours(&contest)?;
    let choices: Vec<_> = (0..CHOICES)
        .map(|number| json!({"choice": choice_slug(number), "title": choice_slug(number)}))
        .collect();
    Ok(Json(json!({
        "title": "Your favourite TV series",
        "opens_at": "2026-01-01T00:00:00Z",
        "admission": "open",
        "choices": choices,
    })))
}

/// Counted at the call from what is stored, and therefore final at that moment.
async fn counts(
    State(design): State<Arc<Design>>,
    Path(contest): Path<String>,
) -> Result<Json<Value>, Failure> {
    must_be_ours(&contest)?;
    let counted_through = now().to_string();
    let votes = design.counted().await.map_err(unknown)?;
    let choices: Vec<_> = votes
        .iter()
        .enumerate()
        .map(
            |(n, votes)| json!({"choice": choice_slug(n), "title": choice_slug(n), "votes": votes}),
        )
        .collect();
    Ok(Json(json!({
        "contest": contest,
        "status": "final",
        "counted_through": counted_through,
        "total": votes.iter().sum::<u64>(),
        "choices": choices,
    })))
}

/// The writes by partition; null where a vote is no write.
async fn writes(State(design): State<Arc<Design>>) -> Json<Option<Vec<Writes>>> {
    Json(design.partitions().map(Partitions::writes))
}

fn must_be_ours(contest: &str) -> Result<(), Failure> {
    let ours = contest == CONTEST;
    ours.then_some(()).ok_or_else(|| (StatusCode::NOT_FOUND, "no such contest".to_owned()))
}

/// Whether it was recorded is unknown: the client sends the same ballot id again.
fn unknown(error: anyhow::Error) -> Failure {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}"))
}
