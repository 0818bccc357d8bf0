//! Gateways' channels: their keys, and what each is good for.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use ballot::{Slug, Timestamp, limits};
use contests::ChannelLimits;
use hyper::{Request, StatusCode};
use ipnet::IpNet;

use crate::{
    app::App,
    http::{
        body,
        members::{invalid_member, members},
        problem::{Problem, ProblemKind},
        reply::json,
    },
    identity::admitted::Managed,
    shapes::{
        contests::{ChannelKey, NewChannel},
        problem::ProblemBody,
    },
};

/// Makes a gateway's channel key. Again: a new key, the old one is revoked.
#[utoipa::path(
    post, path = "/v1/admin/contests/{contest}/channels", tag = "administrators",
    security(("admin_token" = []), ("session" = [], "csrf" = [])), request_body = NewChannel,
    responses(
        (status = 201, description = "The key, shown once", body = ChannelKey),
        (status = 422, description = "Not a channel's name", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn new_channel(
    State(app): State<Arc<App>>,
    Managed { live, by }: Managed,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, request_body) = request.into_parts();
    body::check_content_type(&parts.headers, &["application/json"])?;
    let bytes = body::read(request_body, limits::BALLOT_BODY_BYTES_MAX).await?;
    let wanted: NewChannel = members(&bytes)?;
    let invalid = |detail: &str| {
        Problem::new(ProblemKind::InvalidMember, format!("The channel's name {detail}."))
            .field("channel")
    };
    let channel: Slug =
        wanted.channel.parse().map_err(|error| invalid(&format!("must be {error}")))?;
    if channel.as_str() == ballot::ChannelNumber::WEB_NAME {
        return Err(invalid("web is the voters' own"));
    }
    let good_for = channel_limits(&wanted, app.clock.now())?;
    let key = app.contests.new_channel_key(&live.slug, &channel, &good_for).await?;
    let what = format!("channel key made: {channel}");
    app.audit(&live.slug, &what, by.name()).await;
    let channel = channel.to_string();
    Ok((StatusCode::CREATED, json(&ChannelKey { channel, key })).into_response())
}

/// Networks of one channel, at most: more of them are a list that nobody keeps.
const CHANNEL_NETWORKS_MAX: usize = 64;

fn channel_limits(wanted: &NewChannel, now: Timestamp) -> Result<ChannelLimits, Problem> {
    let texts = wanted.networks.as_deref().unwrap_or_default();
    if texts.len() > CHANNEL_NETWORKS_MAX {
        return Err(invalid_member("networks", &format!("has more than {CHANNEL_NETWORKS_MAX}")));
    }
    let network = |(n, text): (usize, &String)| {
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let what = "must be a network such as 198.51.100.0/24 or an address";
        net.map_err(|_| invalid_member(&format!("networks[{n}]"), what))
    };
    let rate = |ballots: u64| {
        let rate = u32::try_from(ballots).ok().and_then(NonZeroU32::new);
        rate.ok_or_else(|| invalid_member("ballots_per_second", "must be 1 to 4294967295"))
    };
    let end = |text: &String| match text.parse::<Timestamp>() {
        Ok(end) if end > now => Ok(end),
        Ok(_) => Err(invalid_member("expires_at", "has passed already")),
        Err(error) => Err(invalid_member("expires_at", &format!("is {error}"))),
    };
    Ok(ChannelLimits {
        networks: texts.iter().enumerate().map(network).collect::<Result<_, _>>()?,
        ballots_per_second: wanted.ballots_per_second.map(rate).transpose()?,
        expires_at: wanted.expires_at.as_ref().map(end).transpose()?,
    })
}
