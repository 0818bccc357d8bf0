//! Voters with the outbox's rules: the ballot id is made before the first send, a retry sends the same,
//! after a jittered pause that grows, to whichever node answers.

use std::{sync::Arc, time::Duration};

use ballot::{BallotId, ChoiceNumber, Slug};
use fastrand::Rng;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    island::{Island, WINDOW},
    node::{Answer, Cast, Request},
    plan::VoterPlan,
    truth::{self, note_common},
    world::World,
};

const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// After this a client does not wait for an answer any more.
const PATIENCE: Duration = Duration::from_secs(8);

/// Lets the voters of one contest vote.
pub(crate) fn spawn(world: &Arc<World>, island: &Island, contest: usize) {
    let plan = &world.plan.contests[contest];
    for (n, voter) in plan.voters.iter().enumerate() {
        let voter = Voter {
            name: format!("voter-{contest}-{n}"),
            world: Arc::clone(world),
            contest: plan.slug(),
            choices: plan.choices,
            device: device(voter.seed),
            random: Rng::with_seed(voter.seed),
        };
        let plan = plan.voters[n].clone();
        island.spawn(voter.vote(plan));
    }
}

struct Voter {
    name: String,
    world: Arc<World>,
    contest: Slug,
    choices: u16,
    device: String,
    random: Rng,
}

impl Voter {
    async fn vote(mut self, plan: VoterPlan) {
        for at in plan.votes_at {
            let already = Duration::from_micros(truth::micros());
            sleep(at.saturating_sub(already)).await;
            let choice = ChoiceNumber(self.random.u16(0..self.choices));
            let mut bytes = [0; 10];
            self.random.fill(&mut bytes);
            let id = BallotId::new(truth::now(), bytes);
            self.world.checker.sends(&self.contest, id, choice);
            self.send_until_answered(id, choice).await;
        }
        *self.world.unanswered.lock() -= 1;
    }

    async fn send_until_answered(&mut self, id: BallotId, choice: ChoiceNumber) {
        let mut pause = PAUSE_MIN;
        loop {
            match self.send(id, choice).await {
                Some(Answer::Recorded) => {
                    note_common!(self.name, "{id} is acknowledged");
                    return;
                }
                Some(Answer::Closed) => {
                    note_common!(self.name, "{id}: closed");
                    return;
                }
                // A person waits for the opening.
                Some(Answer::NotOpenYet | Answer::Retry(_)) | None => {}
            }
            sleep(pause.mul_f64(0.5 + self.random.f64() / 2.0)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Sends it once. `None`: no answer.
    async fn send(&mut self, id: BallotId, choice: ChoiceNumber) -> Option<Answer> {
        let node = self.node();
        let world = Arc::clone(&self.world);
        let machine = &world.machines[node];
        sleep(self.way()).await;
        if *machine.cut_from_voters.lock() {
            sleep(PATIENCE).await;
            return None;
        }
        let (reply, answer) = oneshot::channel();
        let (contest, device) = (self.contest.clone(), self.device.clone());
        let cast = Cast { contest, id, device, choice, reply };
        let door = machine.door.lock().clone()?;
        door.try_send(Request::Cast(cast)).ok()?;
        let answer = timeout(PATIENCE, answer).await.ok()?.ok()?;
        sleep(self.way()).await;
        if *machine.cut_from_voters.lock() || self.random.u8(0..100) == 0 {
            note_common!(self.name, "{id}: the answer {answer:?} is lost");
            return None;
        }
        note_common!(self.name, "{id}: {} says {answer:?}", machine.name);
        Some(answer)
    }

    /// The balancer's choice: mostly one that is ready.
    fn node(&mut self) -> usize {
        let machines = &self.world.machines;
        let ready: Vec<_> = (0..machines.len()).filter(|n| *machines[*n].is_ready.lock()).collect();
        if ready.is_empty() || self.random.u8(0..10) == 0 {
            return self.random.usize(0..machines.len());
        }
        ready[self.random.usize(0..ready.len())]
    }

    fn way(&mut self) -> Duration {
        WINDOW + Duration::from_micros(self.random.u64(0..20_000))
    }
}

/// A device of its own, as a text.
fn device(seed: u64) -> String {
    let bits = u128::from(seed) << 64 | u128::from(seed.rotate_left(17) ^ 0x5eed);
    let hex = format!("{bits:032x}");
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
