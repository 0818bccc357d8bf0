//! Whether this node's clock is right, by its peers' heartbeats.
//!
//! A heartbeat was written before it was read, however slow the store is. So a peer whose beat is
//! stamped later than the moment at which this node has read it is ahead of this node by at least
//! the difference; nothing that a slow store or a pause can do makes that untrue. Each node tells
//! the others how far they are ahead of it, so both sides of a difference know of it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use ballot::{
    Moment, Timestamp,
    timing::{CLOCK_STRAY_MAX, CLOCK_WINDOW, PEER_ALIVE},
};
use store::Version;

/// A peer's heartbeat, as it was read.
pub(crate) struct Beat<'a> {
    pub(crate) node: &'a str,
    /// Grows with every beat.
    pub(crate) version: Version,
    pub(crate) beat_at: Timestamp,
    /// How far it says that this node is ahead of it, at least; in milliseconds.
    pub(crate) we_are_ahead_ms: i64,
    /// Which of this node's beats it had read then, if any. `None`: one of a version that does not say.
    pub(crate) heard: Option<Version>,
    pub(crate) leaving: bool,
}

/// What this node knows of its peers' clocks.
#[derive(Debug)]
pub(crate) struct Clocks {
    peers: BTreeMap<String, Peer>,
    /// This node's beat that the peers are asked about.
    asked: Version,
}

impl Default for Clocks {
    fn default() -> Self {
        Self { peers: BTreeMap::new(), asked: Version::NONE }
    }
}

#[derive(Debug)]
struct Peer {
    version: Version,
    /// When this version was seen first.
    version_seen: Moment,
    /// When it was last seen to beat: two reads with different versions.
    beat_seen: Option<Moment>,
    /// How far it is ahead, at least, in milliseconds, and when that was measured.
    ahead_ms: VecDeque<(Moment, i64)>,
    /// How often it was seen to beat since [`Clocks::ask`].
    beats: u32,
    we_are_ahead_ms: i64,
    heard: Option<Version>,
    leaving: bool,
}

/// What the clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// This node's clock is the one that is wrong.
    pub(crate) strays: bool,
    /// Peers that live.
    pub(crate) alive: usize,
    /// Those whose clocks agree with this one.
    pub(crate) agreeing: usize,
}

impl Clocks {
    /// Takes a peer's beat into account. `read_at` is this node's time after the read.
    pub(crate) fn observe(&mut self, beat: &Beat<'_>, read_at: Timestamp, now: Moment) {
        let peer = self.peers.entry(beat.node.to_owned()).or_insert_with(|| Peer {
            version: beat.version,
            version_seen: now,
            beat_seen: None,
            ahead_ms: VecDeque::new(),
            beats: 0,
            we_are_ahead_ms: 0,
            heard: None,
            leaving: false,
        });
        if peer.version != beat.version {
            peer.version = beat.version;
            peer.version_seen = now;
            peer.beat_seen = Some(now);
            peer.beats += 1;
        }
        peer.leaving = beat.leaving;
        peer.we_are_ahead_ms = beat.we_are_ahead_ms;
        peer.heard = beat.heard;
        let ahead = (beat.beat_at.as_micros() - read_at.as_micros()) / 1_000;
        peer.ahead_ms.push_back((now, ahead));
        while peer.ahead_ms.front().is_some_and(|(at, _)| now.since(*at) > CLOCK_WINDOW) {
            peer.ahead_ms.pop_front();
        }
    }

    /// Heartbeats that have not changed for so long, with the version that was seen.
    pub(crate) fn silent_for(&self, silence: Duration, now: Moment) -> Vec<(String, Version)> {
        let silent = self.peers.iter().filter(|(_, peer)| now.since(peer.version_seen) > silence);
        silent.map(|(node, peer)| (node.clone(), peer.version)).collect()
    }

    /// Forgets a node that is not there any more.
    pub(crate) fn forget(&mut self, node: &str) {
        self.peers.remove(node);
    }

    /// From now on waits for the peers' word on this beat of this node, which it has written before it
    /// last read theirs.
    pub(crate) fn ask(&mut self, own: Version) {
        self.asked = own;
        self.peers.values_mut().for_each(|peer| peer.beats = 0);
    }

    /// Whether there are peers, and each has said how far this node is ahead. One of a version that does
    /// not say what it has read says so by its second beat from then on, mostly: the first was written
    /// after this node's; the peer reads then.
    pub(crate) fn have_answered(&self, now: Moment) -> bool {
        let has_answered = |peer: &Peer| match peer.heard {
            Some(heard) => heard >= self.asked,
            None => peer.beats >= 2,
        };
        let mut alive = self.peers.values().filter(|peer| peer.is_alive(now)).peekable();
        alive.peek().is_some() && alive.all(has_answered)
    }

    /// Which beat of each node was read last: for the next beat.
    pub(crate) fn heard(&self) -> BTreeMap<String, u64> {
        self.peers.iter().map(|(node, peer)| (node.clone(), peer.version.0)).collect()
    }

    /// Whether any peer lives, as far as this node has seen.
    pub(crate) fn any_lives(&self, now: Moment) -> bool {
        self.peers.values().any(|peer| peer.is_alive(now))
    }

    /// Who is ahead of this node, and how far at least, in milliseconds: for the next beat.
    pub(crate) fn ahead_ms(&self) -> BTreeMap<String, i64> {
        let ahead = self.peers.iter().map(|(node, peer)| (node.clone(), peer.ahead_ms()));
        ahead.filter(|(_, ahead)| *ahead > 0).collect()
    }

    /// How far a peer's clock is ahead (or, negative, behind) at least, in milliseconds.
    pub(crate) fn offset_ms(&self, node: &str) -> Option<i64> {
        let peer = self.peers.get(node)?;
        let (ahead, behind) = (peer.ahead_ms().max(0), peer.we_are_ahead_ms.max(0));
        Some(if ahead >= behind { ahead } else { -behind })
    }

    /// Whether a peer lives, as far as this node has seen.
    pub(crate) fn is_alive(&self, node: &str, now: Moment) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.is_alive(now))
    }

    /// How long ago a peer was last seen to beat.
    pub(crate) fn beat_ago(&self, node: &str, now: Moment) -> Option<Duration> {
        self.peers.get(node)?.beat_seen.map(|seen| now.since(seen))
    }

    /// Judges this node's clock. Of two camps the larger is right; of two equal ones that with the
    /// node that has beaten most often: one that was started with a wrong clock yields to those
    /// that were there before.
    pub(crate) fn verdict(&self, own: &str, own_version: Version, now: Moment) -> Verdict {
        let alive = self.peers.iter().filter(|(_, peer)| peer.is_alive(now));
        let (with, against): (Vec<_>, Vec<_>) = alive.partition(|(_, peer)| peer.agrees());
        let ours = oldest(&with).into_iter().chain([(own_version, own)]).max();
        // This node is in the first camp.
        let strays = match against.len().cmp(&(with.len() + 1)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => ours < oldest(&against),
            std::cmp::Ordering::Greater => true,
        };
        Verdict { strays, alive: with.len() + against.len(), agreeing: with.len() }
    }
}

/// The node of a camp that has beaten most often.
fn oldest<'a>(camp: &[(&'a String, &Peer)]) -> Option<(Version, &'a str)> {
    camp.iter().map(|(node, peer)| (peer.version, node.as_str())).max()
}

impl Peer {
    fn is_alive(&self, now: Moment) -> bool {
        !self.leaving && self.beat_seen.is_some_and(|seen| now.since(seen) < PEER_ALIVE)
    }

    fn ahead_ms(&self) -> i64 {
        self.ahead_ms.iter().map(|(_, ahead)| *ahead).max().unwrap_or(0)
    }

    fn agrees(&self) -> bool {
        let most = self.ahead_ms().max(self.we_are_ahead_ms);
        most <= CLOCK_STRAY_MAX.as_millis() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes with clocks of their own, over a store that takes its time.
    struct World {
        nodes: Vec<SimulatedNode>,
    }

    struct SimulatedNode {
        name: String,
        offset_ms: i64,
        joined_s: u64,
        clocks: Clocks,
        version: u64,
        beat: Option<Written>,
    }

    /// What a beat says: its version, its wall clock, who is ahead of whom, whose beats were heard.
    type Written = (u64, i64, BTreeMap<String, i64>, BTreeMap<String, u64>);

    fn at(second: u64) -> Moment {
        Moment::after_origin(Duration::from_secs(second))
    }

    const EPOCH_MS: i64 = 1_800_000_000_000;

    impl World {
        fn new(nodes: &[(i64, u64)]) -> Self {
            let node = |(n, &(offset_ms, joined_s)): (usize, &(i64, u64))| SimulatedNode {
                name: format!("node-{n}"),
                offset_ms,
                joined_s,
                clocks: Clocks::default(),
                version: 0,
                beat: None,
            };
            Self { nodes: nodes.iter().enumerate().map(node).collect() }
        }

        /// Beats every second; what is written is read `delay_ms` later.
        fn run(&mut self, from_s: u64, seconds: u64, delay_ms: i64) {
            for second in from_s..from_s + seconds {
                let true_ms = EPOCH_MS + second as i64 * 1_000;
                for node in self.nodes.iter_mut().filter(|node| node.joined_s <= second) {
                    node.version += 1;
                    let ahead = node.clocks.ahead_ms();
                    let heard = node.clocks.heard();
                    node.beat = Some((node.version, true_ms + node.offset_ms, ahead, heard));
                }
                let now = at(second);
                let beats: Vec<_> =
                    self.nodes.iter().map(|n| (n.name.clone(), n.beat.clone())).collect();
                for node in self.nodes.iter_mut().filter(|node| node.joined_s <= second) {
                    let read_ms = true_ms + delay_ms + node.offset_ms;
                    for (name, beat) in &beats {
                        let Some((version, beat_ms, ahead, heard)) = beat else { continue };
                        if *name == node.name {
                            continue;
                        }
                        let beat = Beat {
                            node: name,
                            version: Version(*version),
                            beat_at: Timestamp::from_micros(beat_ms * 1_000),
                            we_are_ahead_ms: ahead.get(&node.name).copied().unwrap_or(0),
                            heard: Some(Version(heard.get(&node.name).copied().unwrap_or(0))),
                            leaving: false,
                        };
                        node.clocks.observe(&beat, Timestamp::from_micros(read_ms * 1_000), now);
                    }
                }
            }
        }

        fn strays(&self, at_s: u64) -> Vec<bool> {
            let now = at(at_s);
            let verdict = |node: &SimulatedNode| {
                node.clocks.verdict(&node.name, Version(node.version), now).strays
            };
            self.nodes.iter().map(verdict).collect()
        }
    }

    #[test]
    fn the_one_that_differs_strays_whichever_way() {
        for offset in [-60_000, -3_000, 3_000, 60_000, 3_600_000] {
            let mut world = World::new(&[(0, 0), (200, 0), (offset, 0), (-300, 0)]);
            world.run(0, 5, 40);
            assert_eq!(world.strays(5), [false, false, true, false], "{offset}");
        }
    }

    #[test]
    fn clocks_within_the_limit_agree() {
        let mut world = World::new(&[(0, 0), (1_900, 0), (900, 0)]);
        world.run(0, 20, 5);
        assert_eq!(world.strays(20), [false; 3]);
    }

    #[test]
    fn of_two_the_newcomer_strays() {
        for offset in [-30_000, 30_000] {
            let mut world = World::new(&[(0, 0), (offset, 5)]);
            world.run(0, 10, 20);
            assert_eq!(world.strays(10), [false, true], "{offset}");
        }
    }

    #[test]
    fn one_that_comes_ahead_of_the_others_knows_it_when_all_have_answered() {
        let mut world = World::new(&[(0, 0), (100, 0), (5_000, 10)]);
        world.run(0, 11, 20);
        let newcomer = |world: &mut World, second: u64| {
            let now = at(second);
            let SimulatedNode { clocks, version, .. } = &mut world.nodes[2];
            if second == 10 {
                clocks.ask(Version(*version));
            }
            (clocks.have_answered(now), world.strays(second)[2])
        };
        assert_eq!(newcomer(&mut world, 10), (false, false), "nobody was seen to beat");
        world.run(11, 1, 20);
        assert_eq!(newcomer(&mut world, 11), (true, true), "they say that they have read its beat");
    }

    #[test]
    fn a_slow_store_makes_nobody_stray() {
        let mut world = World::new(&[(0, 0), (100, 0), (-100, 0)]);
        for (from_s, delay_ms) in [(0, 0), (1, 8_000), (2, 30_000), (3, 100)] {
            world.run(from_s, 1, delay_ms);
            assert_eq!(world.strays(from_s + 1), [false; 3], "{delay_ms}");
        }
    }

    #[test]
    fn a_clock_that_is_set_right_is_believed_again() {
        let mut world = World::new(&[(0, 0), (0, 0), (5_000, 0)]);
        world.run(0, 5, 10);
        assert_eq!(world.strays(5), [false, false, true]);
        world.nodes[2].offset_ms = 0;
        world.run(5, 25, 10);
        assert_eq!(world.strays(30), [false; 3]);
    }

    #[test]
    fn the_dead_are_not_asked() {
        let mut world = World::new(&[(0, 0), (60_000, 0)]);
        world.run(0, 5, 10);
        assert_eq!(world.strays(5).iter().filter(|strays| **strays).count(), 1);
        assert_eq!(world.strays(5 + PEER_ALIVE.as_secs()), [false; 2]);
    }
}
