//! Ballots in bulk, from gateways: SMS, telephone, set-top boxes. NDJSON, one ballot a line.

use axum::{body::Body, extract::State, response::Response};
use ballot::{Ballot, ChannelNumber, Slug, Timestamp, limits};
use contests::LiveContest;
use hyper::{HeaderMap, Request};

use super::record::{ballot_id, check_admitted};
use crate::{
    http::{
        body,
        client::Client,
        in_path::InPath,
        members::{BallotMembers, invalid_member, members},
        problem::{Problem, ProblemKind},
        refusals::unknown_choice,
        reply::json,
    },
    identity::bearer::bearer,
    shapes::{
        ballots::{BatchReceipt, RejectedLine},
        problem::ProblemBody,
    },
    worker::Worker,
};

/// Records a gateway's ballots, up to 10,000 lines and 8 MiB; answers after all are durable.
#[utoipa::path(
    post, path = "/v1/contests/{contest}/batches", tag = "gateways",
    security(("channel_key" = [])),
    request_body(content = String, content_type = "application/x-ndjson",
        description = "One ballot a line: ballot_id, voter, choice, channel"),
    responses(
        (status = 200, description = "Durable, but for the rejected lines", body = BatchReceipt),
        (status = 401, description = "Not a key of this contest's", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "The contest is not open", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn record_batch(
    State(worker): State<Worker>,
    InPath(slug): InPath,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, request_body) = request.into_parts();
    let client = Client::of(&parts.extensions);
    let live = worker.app.contests.with_channel(&slug, bearer(&parts.headers)).await?;
    let live = live.ok_or_else(Problem::no_such_contest)?;
    let (number, channel) = admit(&worker, &live, &parts.headers, client)?;
    let channel = channel.clone();
    body::check_content_type(&parts.headers, &["application/x-ndjson"])?;
    let bytes = body::read(request_body, limits::GATEWAY_BODY_BYTES_MAX).await?;

    // The time first and the contest second: a close by hand relies on this order.
    let stamp = worker.app.clock.stamp();
    let live = worker.app.contests.get(&slug).ok_or_else(Problem::no_such_contest)?;
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = (1..).zip(lines).filter(|(_, line)| !line.trim_ascii().is_empty());
    let mut ballots = Vec::with_capacity(1_024);
    let mut rejected = Vec::new();
    for (line, text) in lines {
        if ballots.len() + rejected.len() == limits::GATEWAY_LINES_MAX {
            let detail = format!("A batch has at most {} lines.", limits::GATEWAY_LINES_MAX);
            return Err(Problem::new(ProblemKind::TooLarge, detail));
        }
        match ballot(text, &live, (number, &channel), stamp.recorded_at) {
            Ok(ballot) => ballots.push(ballot),
            Err(problem) => rejected.push(RejectedLine {
                line,
                kind: problem.kind().uri(),
                detail: problem.detail().to_owned(),
            }),
        }
    }
    check_admitted(&worker.app, &live, &stamp)?;
    for ticket in worker.gatherer.submit_all(&live.destination, &ballots, stamp.moment)? {
        ticket.await?;
    }
    worker.app.metrics.acknowledged.inc_by(ballots.len() as u64);
    Ok(json(&BatchReceipt { recorded: ballots.len(), rejected }))
}

fn admit<'a>(
    worker: &Worker,
    live: &'a LiveContest,
    headers: &HeaderMap,
    client: Client,
) -> Result<(ChannelNumber, &'a Slug), Problem> {
    let channel = bearer(headers).and_then(|key| live.channel_of_key(key));
    channel.map_or_else(
        || {
            worker.app.limits.check_refused_login(client, headers, worker.app.clock.moment())?;
            let detail = "A channel key of this contest is needed: Authorization: Bearer <key>.";
            Err(Problem::new(ProblemKind::Unauthorized, detail))
        },
        Ok,
    )
}

fn ballot(
    text: &[u8],
    live: &LiveContest,
    (number, channel): (ChannelNumber, &Slug),
    recorded_at: Timestamp,
) -> Result<Ballot, Problem> {
    let members: BallotMembers<'_> = members(text)?;
    let id = members.ballot_id.text("ballot_id")?;
    let id = ballot_id(&id, live, recorded_at)?;
    let voter = members.voter.text("voter")?;
    if voter.len() > limits::GATEWAY_VOTER_BYTES_MAX {
        let max = limits::GATEWAY_VOTER_BYTES_MAX;
        return Err(invalid_member("voter", &format!("has more than {max} bytes")));
    }
    let choice = members.choice.text("choice")?;
    let choice = live.choice(&choice).ok_or_else(unknown_choice)?;
    let said = members.channel.text("channel")?;
    if *said != *channel.as_str() {
        let detail = format!("The key is for the channel {channel}.");
        return Err(Problem::new(ProblemKind::WrongChannel, detail).field("channel"));
    }
    Ok(Ballot {
        id,
        voter: live.key.voter_of_channel(channel, &voter),
        choice,
        channel: number,
        recorded_at,
    })
}
