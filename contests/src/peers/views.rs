//! The nodes as administrators see them.

use std::time::Duration;

use ballot::Timestamp;
use serde::Serialize;

use super::{FORGOTTEN, Heartbeat, Peers};

/// A node, for administrators.
#[derive(Debug, Serialize)]
pub struct NodeView {
    /// Its name.
    pub node: String,
    /// `alive`, `silent` (not heard of for some seconds) or `left` (ended in order).
    pub state: &'static str,
    /// Whether it takes voters, by its own word.
    pub ready: bool,
    /// `intake`, `tally`, `admin`.
    pub roles: Vec<String>,
    /// Where it listens.
    pub url: String,
    /// Of the program.
    pub version: String,
    /// By its own clock.
    pub started_at: Timestamp,
    /// By the answering node's clock.
    pub last_seen: Timestamp,
    /// How far its clock is ahead (negative: behind) of the answering node's, at least.
    pub clock_offset_ms: i64,
}

impl Peers {
    /// All nodes heard of lately, by name.
    pub fn list(&self) -> Vec<NodeView> {
        let (now, time) = (self.clock.moment(), self.clock.wall());
        let seen = self.seen.lock();
        let mut own = self.own.lock().clone();
        if self.control.is_none() {
            (own.beat_at, own.ready) = (time, !own.leaving);
        }
        let view = |name: &str, beat: &Heartbeat, is_own: bool| {
            let ago = if is_own { Some(Duration::ZERO) } else { seen.clocks.beat_ago(name, now) };
            let state = match () {
                () if beat.leaving => "left",
                () if is_own || seen.clocks.is_alive(name, now) => "alive",
                () => "silent",
            };
            NodeView {
                node: name.to_owned(),
                state,
                ready: beat.ready && state == "alive",
                roles: beat.roles.clone(),
                url: beat.url.clone(),
                version: beat.version.clone(),
                started_at: beat.started_at,
                last_seen: ago.map_or(beat.beat_at, |ago| time.minus(ago)),
                clock_offset_ms: seen.clocks.offset_ms(name).unwrap_or(0),
            }
        };
        let others = seen.beats.iter().filter(|(name, _)| **name != self.name);
        let mut views: Vec<_> = others.map(|(name, beat)| view(name, beat, false)).collect();
        views.retain(|node| time.since(node.last_seen) < FORGOTTEN);
        views.push(view(&self.name, &own, true));
        views.sort_by(|a, b| a.node.cmp(&b.node));
        views
    }
}
