//! Recording a ballot: admits it, hands it to the intake, waits until it is durable. However it came.

use std::borrow::Cow;

use ballot::{
    Ballot, BallotId, ChannelNumber, Device, Policy, Slug, Stamp, Timestamp, limits, random_bytes,
};
use contests::LiveContest;
use hyper::HeaderMap;

use crate::{
    app::App,
    http::{
        client::Client,
        problem::{Problem, ProblemKind},
        refusals::{not_admitted, unknown_choice},
    },
    worker::Worker,
};

/// What a voter sends, however it came.
#[derive(Debug, Default)]
pub(crate) struct Submission<'a> {
    /// The idempotency key; without it the server makes one.
    pub(crate) ballot_id: Option<Cow<'a, str>>,
    /// A choice's slug.
    pub(crate) choice: Cow<'a, str>,
    /// Who votes, if the client says so properly.
    pub(crate) device: Option<Device>,
}

/// A ballot that is durable.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) ballot_id: BallotId,
    pub(crate) contest: Slug,
    pub(crate) recorded_at: Timestamp,
    /// Whether only the voter's first ballot counts, be it this or an earlier one.
    pub(crate) first_counts: bool,
    /// The device that was derived, for the client to keep.
    pub(crate) new_device: Option<Device>,
}

/// Records one ballot and returns once it is durable.
pub(crate) async fn record(
    worker: &Worker,
    slug: &str,
    submission: &Submission<'_>,
    headers: &HeaderMap,
    client: Client,
) -> Result<Recorded, Problem> {
    // The time first and the contest second: a close by hand relies on this order.
    let stamp = worker.app.clock.stamp();
    let recorded_at = stamp.recorded_at;
    let live = worker.app.contests.get(slug).ok_or_else(Problem::no_such_contest)?;
    let choice = live.choice(&submission.choice).ok_or_else(unknown_choice)?;
    let id = match &submission.ballot_id {
        Some(text) => ballot_id(text, &live, recorded_at)?,
        None => BallotId::new(recorded_at, random_bytes(&*worker.app.entropy)),
    };
    check_admitted(&worker.app, &live, &stamp)?;
    worker.app.limits.check_ballot(client, headers)?;
    let (device, new_device) = match submission.device {
        Some(device) => (device, None),
        None => {
            let derived = live.key.device_of_ballot(id);
            (derived, Some(derived))
        }
    };
    let ballot = Ballot {
        id,
        voter: live.key.voter_of_device(device),
        choice,
        channel: ChannelNumber::WEB,
        recorded_at,
    };
    worker.gatherer.submit(&live.destination, ballot, stamp.moment)?.await?;
    worker.app.metrics.acknowledged.inc();
    let first_counts = live.contest.policy == Policy::One;
    Ok(Recorded {
        ballot_id: id,
        contest: live.slug.clone(),
        recorded_at,
        first_counts,
        new_device,
    })
}

/// Reads a ballot id and holds its time against the server's and the opening.
pub(crate) fn ballot_id(
    text: &str,
    live: &LiveContest,
    now: Timestamp,
) -> Result<BallotId, Problem> {
    let id = BallotId::parse(text)?;
    let hours = live.contest.hours;
    // Before the opening there is nothing to compare with: the answer is that it is not open.
    let opened_at = hours.opens_at.filter(|opens_at| *opens_at <= now);
    let too_old =
        opened_at.is_some_and(|opens_at| id.time() < opens_at.minus(limits::BALLOT_ID_SKEW));
    if too_old || id.time() > now.plus(limits::BALLOT_ID_SKEW) {
        let detail = "The ballot id's time is more than 15 minutes ahead of the server's or before \
                      the contest opened.";
        return Err(Problem::new(ProblemKind::BallotIdOutOfTime, detail)
            .field("ballot_id")
            .server_time(now));
    }
    Ok(id)
}

/// This node must know what time it is and the contest's hours, else it cannot even refuse for good;
/// and the contest must be open then.
pub(crate) fn check_admitted(app: &App, live: &LiveContest, stamp: &Stamp) -> Result<(), Problem> {
    let admitted = app.contests.admits(live, stamp, &app.peers);
    admitted.map_err(|refused| not_admitted(refused, stamp))
}
