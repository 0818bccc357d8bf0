//! The calls around the ballots: the contest's definition, its life, its counts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ballot::{Slug, Timestamp};
use bytes::Bytes;
use http::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    address::Address,
    choices::WeightedChoice,
    clock::now,
    connection::{Call, Connection, NoReply},
    failure::Failure,
    reply::Reply,
    row::CountsRow,
};

/// One attempt of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks at a node that did not answer, or at a row that is not new enough.
const PAUSE: Duration = Duration::from_millis(250);
/// A `Date` header has whole seconds and may itself be a second old; with two nodes their clocks
/// may be 2 s apart.
const DATE_SLACK: Duration = Duration::from_secs(3);

/// A contest, seen through HTTP.
#[derive(Clone)]
pub struct Api {
    addresses: Arc<[Address]>,
    contest: Slug,
    admin: Option<HeaderValue>,
    /// How long a node that does not answer is asked again.
    patience: Duration,
}

/// What is read of a contest's definition.
#[derive(Clone, Debug, Deserialize)]
pub struct Definition {
    /// In the contest's order.
    pub choices: Vec<DefinedChoice>,
    /// Who may vote: `open` to any device, or another rule.
    pub admission: Option<String>,
    /// None for a draft.
    #[serde(default)]
    pub opens_at: Option<Timestamp>,
    /// None where it is closed by hand.
    #[serde(default)]
    pub closes_at: Option<Timestamp>,
}

/// One choice of a definition.
#[derive(Clone, Debug, Deserialize)]
pub struct DefinedChoice {
    /// Its name for machines.
    pub choice: Slug,
}

impl Api {
    /// The contest of that name on these nodes, of which the next is asked when one does not answer; as
    /// an administrator where there is a token. A node is asked again for so long as `patience`.
    pub fn new(
        addresses: Arc<[Address]>,
        contest: Slug,
        token: Option<&str>,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let admin = token.map(bearer).transpose()?;
        Ok(Self { addresses, contest, admin, patience })
    }

    /// The same, with another patience.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.admin.is_some()
    }

    /// The definition, if there is such a contest.
    pub async fn definition(&self) -> Result<Option<Definition>, Failure> {
        let path = match self.admin {
            Some(_) => format!("/v1/admin/contests/{}", self.contest),
            None => format!("/v1/contests/{}", self.contest),
        };
        let reply = self.call(Method::GET, path, None).await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(None),
            _ => read(&reply).map(Some),
        }
    }

    /// Creates the contest with these choices, policy `one`, for any device.
    pub async fn create(
        &self,
        title: &str,
        results: &str,
        choices: &[WeightedChoice],
    ) -> Result<Definition, Failure> {
        let choices: Vec<_> =
            choices.iter().map(|row| json!({"choice": row.choice, "title": row.title})).collect();
        let definition = json!({
            "title": title,
            "policy": "one",
            "admission": "open",
            "results": results,
            "choices": choices,
        });
        let path = format!("/v1/admin/contests/{}", self.contest);
        read(&self.call(Method::PUT, path, Some(definition.to_string())).await?)
    }

    /// Opens the contest.
    pub async fn open(&self) -> Result<(), Failure> {
        let path = format!("/v1/admin/contests/{}/open", self.contest);
        accepted(&self.call(Method::POST, path, None).await?)
    }

    /// Closes the contest.
    pub(crate) async fn close(&self) -> Result<(), Failure> {
        let path = format!("/v1/admin/contests/{}/close", self.contest);
        accepted(&self.call(Method::POST, path, None).await?)
    }

    /// Makes a new key for a gateway's channel; the old one is revoked.
    pub(crate) async fn channel_key(&self, channel: &Slug) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Channel {
            key: String,
        }
        let path = format!("/v1/admin/contests/{}/channels", self.contest);
        let body = json!({"channel": channel}).to_string();
        let reply = self.call(Method::POST, path, Some(body)).await?;
        read::<Channel>(&reply).map(|channel| channel.key)
    }

    /// The row as it is now, if there is one, and the server's time.
    pub async fn row(&self) -> Result<(Option<CountsRow>, Timestamp), Failure> {
        let path = match self.admin {
            Some(_) => format!("/v1/admin/contests/{}/counts", self.contest),
            None => format!("/v1/contests/{}/results", self.contest),
        };
        let reply = self.call(Method::GET, path, None).await?;
        let time = reply.date().unwrap_or_else(now);
        match reply.status {
            StatusCode::NOT_FOUND => Ok((None, time)),
            StatusCode::FORBIDDEN if self.admin.is_none() => Err(Failure::usage(
                "the results are hidden: set LANDSLIDE_ADMIN_TOKEN, or check nothing with --no-check",
            )),
            _ => read(&reply).map(|row| (Some(row), time)),
        }
    }

    /// A row that holds everything acknowledged before this call; the final one if `final_only`.
    pub async fn row_of_now(
        &self,
        final_only: bool,
        patience: Duration,
    ) -> Result<CountsRow, Failure> {
        let asked = Instant::now();
        let (mut row, time) = self.row().await?;
        let wanted = time.plus(DATE_SLACK);
        loop {
            if let Some(row) = &row
                && (row.is_final() || !final_only && row.counted_through >= wanted)
            {
                return Ok(row.clone());
            }
            if asked.elapsed() > patience {
                return Err(Failure::Server(match row {
                    Some(row) => format!(
                        "the counts are {} through {} after {} s of waiting for {}",
                        row.status,
                        row.counted_through,
                        patience.as_secs(),
                        if final_only { "the final ones".to_owned() } else { wanted.to_string() },
                    ),
                    None => format!("no counts after {} s", patience.as_secs()),
                }));
            }
            sleep(PAUSE).await;
            (row, _) = self.row().await?;
        }
    }

    /// Asks one node after the other until one answers with anything but 429 and 5xx.
    async fn call(
        &self,
        method: Method,
        path: String,
        body: Option<String>,
    ) -> Result<Reply, Failure> {
        let json = HeaderValue::from_static("application/json");
        let headers = [
            self.admin.clone().map(|admin| (AUTHORIZATION, admin)),
            body.is_some().then_some((CONTENT_TYPE, json)),
        ];
        let headers = headers.into_iter().flatten().collect();
        let body = Bytes::from(body.unwrap_or_default());
        let call = Call { method, path: path.into(), headers, ballot_id: None, body };
        let started = Instant::now();
        for attempt in 0.. {
            let address = &self.addresses[attempt % self.addresses.len()];
            let round = attempt / self.addresses.len();
            let why = match send(address, round, &call).await {
                Ok(reply) if !is_away(reply.status) => return Ok(reply),
                Ok(reply) => reply.status.to_string(),
                Err(error) => error.to_string(),
            };
            if started.elapsed() > self.patience {
                return Err(Failure::Server(format!("{}{}: {why}", address.url, call.path)));
            }
            if (attempt + 1) % self.addresses.len() == 0 {
                sleep(PAUSE).await;
            }
        }
        unreachable!("an endless loop that only returns")
    }
}

async fn send(address: &Address, round: usize, call: &Call) -> Result<Reply, NoReply> {
    Connection::open(address, round, CALL_TIMEOUT).await?.send(address, call, CALL_TIMEOUT).await
}

fn is_away(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// The value of an `Authorization` header for this token.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Failure::usage("the token or key has characters that no header may have"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn accepted(reply: &Reply) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Problem {
        title: String,
        #[serde(default)]
        detail: String,
    }
    if reply.status.is_success() {
        return Ok(());
    }
    let problem = serde_json::from_slice::<Problem>(&reply.body);
    Err(Failure::Usage(match problem {
        Ok(problem) => format!("{}: {} {}", reply.status.as_u16(), problem.title, problem.detail),
        Err(_) => format!("the server answered {}", reply.status),
    }))
}

fn read<T: serde::de::DeserializeOwned>(reply: &Reply) -> Result<T, Failure> {
    accepted(reply)?;
    serde_json::from_slice(&reply.body)
        .map_err(|error| Failure::Server(format!("a reply that is not understood: {error}")))
}
