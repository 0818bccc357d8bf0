//! Administrators: they make, open, edit, extend, close and certify, at bad moments, and try again where
//! they hear nothing.

use std::{sync::Arc, time::Duration};

use ballot::{Choice, Contest, Hours, ResultsVisibility, Slug, Timestamp};
use contests::{ContestError, Etag};
use fastrand::Rng;
use store::{Read, StoreError};
use tally::CertifyError;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    island::{Island, WINDOW},
    mistake::Mistake,
    node::{Node, Request},
    plan::ContestPlan,
    truth::{self, note},
    world::World,
};

/// After this an administrator does not wait for an answer any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an administrator asks a node for.
pub(crate) struct Command {
    contest: Slug,
    what: What,
    reply: oneshot::Sender<Reply>,
}

#[derive(Clone, Debug)]
enum What {
    Make(Box<Contest>),
    Open,
    /// Closes it after so long, or as soon as can be.
    Close(Duration),
    CancelClose,
    /// Moves the end, by a definition that was read a moment ago.
    Extend(Timestamp),
    Rename(String),
    Certify,
}

#[derive(Clone, Debug)]
enum Reply {
    Done,
    /// 409 or 412.
    Refused(String),
    /// 503.
    Retry(String),
}

impl ContestPlan {
    pub(crate) fn slug(&self) -> Slug {
        self.slug.parse().expect("the plan's slugs are slugs")
    }

    fn definition(&self) -> Contest {
        let time = |at: Duration| truth::at(at.as_micros() as u64);
        let choice =
            |n| Choice::new(format!("choice-{n}").parse().expect("a slug"), format!("Choice {n}"));
        Contest {
            hours: Hours {
                opens_at: (!self.opened_by_hand).then(|| time(self.opens_at)),
                closes_at: (!self.closed_by_hand).then(|| time(self.closes_at)),
            },
            policy: self.policy,
            results: ResultsVisibility::Live,
            shards: self.shards,
            ..Contest::new("Which?", (0..self.choices).map(choice).collect())
        }
    }
}

/// Lets the administrators of one contest work.
pub(crate) fn spawn(world: &Arc<World>, island: &Island, contest: usize) {
    let plan = world.plan.contests[contest].clone();
    let administrator = |n: u64| Administrator {
        name: format!("admin-{contest}"),
        world: Arc::clone(world),
        contest: plan.slug(),
        is_patient: plan.is_patient,
        random: Rng::with_seed(world.plan.seed ^ (contest as u64) << 16 ^ n << 8),
    };
    for (n, (at, to)) in plan.extensions.iter().copied().enumerate() {
        let mut administrator = administrator(n as u64 + 10);
        island.spawn(async move {
            administrator.wait_for(at).await;
            administrator.insist(What::Extend(truth::at(to.as_micros() as u64)), 3).await;
        });
    }
    if let Some(Mistake { at, ahead, regretted_after }) = plan.mistake {
        let mut administrator = administrator(30);
        island.spawn(async move {
            administrator.wait_for(at).await;
            administrator.insist(What::Close(ahead), 2).await;
            administrator.wait_for(at + regretted_after).await;
            administrator.insist(What::CancelClose, 4).await;
        });
    }
    for (n, at) in plan.edits.iter().copied().enumerate() {
        let mut administrator = administrator(n as u64 + 20);
        island.spawn(async move {
            administrator.wait_for(at).await;
            administrator.insist(What::Rename(format!("Which, {n}?")), 3).await;
        });
    }
    island.spawn(administrator(0).lead(plan));
}

struct Administrator {
    name: String,
    world: Arc<World>,
    contest: Slug,
    is_patient: bool,
    random: Rng,
}

impl Administrator {
    /// From a contest's making to its certificate.
    async fn lead(mut self, plan: ContestPlan) {
        self.wait_for(plan.made_at).await;
        self.insist(What::Make(Box::new(plan.definition())), u32::MAX).await;
        if plan.opened_by_hand {
            self.wait_for(plan.opens_at).await;
            // Come too late, the administrator makes the draft's end later first. One whose answer was
            // lost had opened it.
            while let Some(Reply::Refused(_)) = self.insist(What::Open, u32::MAX).await
                && !self.has_opened()
            {
                let end = truth::now().plus(Duration::from_secs(25));
                self.insist(What::Extend(end), u32::MAX).await;
            }
        }
        self.wait_for(plan.closes_at).await;
        if plan.closed_by_hand {
            // Refused by a node whose clock is a little behind: it is not open there yet.
            while let Some(Reply::Refused(_)) =
                self.insist(What::Close(Duration::ZERO), u32::MAX).await
            {
                sleep(Duration::from_secs(1)).await;
            }
        }
        loop {
            sleep(Duration::from_millis(1_500)).await;
            if let Some(Reply::Done) = self.ask(What::Certify).await {
                self.world.certified.lock().push(self.contest.clone());
                return;
            }
            // A close that was under way already has been taken back since.
            if plan.closed_by_hand && !self.has_end() {
                self.insist(What::Close(Duration::ZERO), u32::MAX).await;
            }
        }
    }

    fn has_opened(&self) -> bool {
        let definition = self.world.checker.definition(&self.contest);
        definition.is_some_and(|now| now.hours.opens_at.is_some())
    }

    fn has_end(&self) -> bool {
        let definition = self.world.checker.definition(&self.contest);
        definition.is_some_and(|now| now.hours.closes_at.is_some())
    }

    async fn wait_for(&self, at: Duration) {
        let already = Duration::from_micros(truth::micros());
        sleep(at.saturating_sub(already)).await;
    }

    /// Asks until it is done or refused.
    async fn insist(&mut self, what: What, times: u32) -> Option<Reply> {
        for _ in 0..times {
            match self.ask(what.clone()).await {
                Some(Reply::Retry(_)) | None => {}
                answer => return answer,
            }
            let millis = match self.is_patient && matches!(what, What::Close(_)) {
                true => self.random.u64(13_000..20_000),
                false => self.random.u64(200..1_500),
            };
            sleep(Duration::from_millis(millis)).await;
        }
        None
    }

    async fn ask(&mut self, what: What) -> Option<Reply> {
        let number = self.random.usize(0..self.world.machines.len());
        let machine = &self.world.machines[number];
        sleep(WINDOW + Duration::from_micros(self.random.u64(0..20_000))).await;
        if *machine.cut_from_voters.lock() {
            sleep(PATIENCE).await;
            return None;
        }
        let door = machine.door.lock().clone()?;
        let (reply, answer) = oneshot::channel();
        let command = Command { contest: self.contest.clone(), what: what.clone(), reply };
        door.try_send(Request::Command(command)).ok()?;
        let answer = timeout(PATIENCE, answer).await.ok().and_then(Result::ok);
        if !matches!(what, What::Certify) || !matches!(answer, Some(Reply::Refused(_))) {
            note!(self.name, "{}, at {}: {}", name(&what), machine.name, said(answer.as_ref()));
        }
        answer
    }
}

fn name(what: &What) -> String {
    match what {
        What::Make(_) => "makes it".into(),
        What::Open => "opens it".into(),
        What::Close(after) => format!("closes it after {after:?}"),
        What::CancelClose => "takes the close back".into(),
        What::Extend(to) => format!("moves its end to {to}"),
        What::Rename(_) => "renames it".into(),
        What::Certify => "certifies it".into(),
    }
}

fn said(answer: Option<&Reply>) -> String {
    match answer {
        None => "no answer".into(),
        Some(Reply::Done) => "done".into(),
        Some(Reply::Refused(why)) => format!("refused, {why}"),
        Some(Reply::Retry(why)) => format!("not now, {why}"),
    }
}

/// A node's part.
pub(crate) async fn carry_out(node: Arc<Node>, command: Command) {
    let Command { contest, what, reply } = command;
    let done = match what {
        What::Make(definition) => {
            // Sent twice, it is there already.
            let is_new = |etag: Option<Etag>| etag.is_none();
            node.contests.put(&contest, &definition, is_new).await.map(|_| ()).map_err(Into::into)
        }
        What::Open => node.contests.open(&contest).await.map(|_| ()).map_err(Into::into),
        What::Close(after) => {
            node.contests.close(&contest, after).await.map(|_| ()).map_err(Into::into)
        }
        What::CancelClose => {
            node.contests.cancel_close(&contest).await.map(|_| ()).map_err(Into::into)
        }
        What::Extend(to) => change(&node, &contest, |now| now.hours.closes_at = Some(to)).await,
        What::Rename(title) => change(&node, &contest, |now| now.title = title).await,
        What::Certify => match tally::certify(&*node.control, &contest).await {
            Ok(_) => Ok(()),
            Err(CertifyError::NotFinal) => Err(Reply::Refused("it is not final".into())),
            Err(error) => Err(Reply::Retry(error.to_string())),
        },
    };
    let _ = reply.send(match done {
        Ok(()) => Reply::Done,
        Err(reply) => reply,
    });
}

/// Reads the definition, changes it, and puts it if nobody else did meanwhile.
async fn change(
    node: &Node,
    contest: &Slug,
    change: impl FnOnce(&mut Contest),
) -> Result<(), Reply> {
    let refused = || Reply::Refused("there is no such contest".into());
    let retry = |error: StoreError| Reply::Retry(error.to_string());
    let key = format!("contest/{contest}");
    let read = node.control.get(&key, Read::Serial);
    let document = read.await.map_err(retry)?.ok_or_else(refused)?;
    let json: serde_json::Value = serde_json::from_slice(&document.body).unwrap_or_default();
    let mut definition = Contest::from_json(json["definition"].to_string().as_bytes())
        .map_err(|error| Reply::Refused(error.to_string()))?;
    change(&mut definition);
    let etag = format!("\"{}\"", document.version.0);
    let is_same = |now: Option<Etag>| now.is_some_and(|now| now.to_string() == etag);
    node.contests.put(contest, &definition, is_same).await.map(|_| ()).map_err(Into::into)
}

impl From<ContestError> for Reply {
    fn from(error: ContestError) -> Self {
        match error {
            // Also where the disk has failed: its node is about to end.
            ContestError::Store(_) => Self::Retry(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}
