//! Every limit of the domain, with its unit in its name and one line on why that number.

use std::time::Duration;

/// Choices of a contest, at least: with one there is nothing to choose.
pub const CHOICES_MIN: usize = 2;
/// Choices of a contest, at most: a page of them is still usable, and a number fits 10 bits.
pub const CHOICES_MAX: usize = 1_000;
/// Characters (Unicode scalar values) of a contest's or a choice's title.
pub const TITLE_CHARS_MAX: usize = 200;
/// Characters of a choice's text: what a phone shows under a title without scrolling.
pub const TEXT_CHARS_MAX: usize = 200;
/// Lines of a choice's text.
pub const TEXT_LINES_MAX: usize = 2;
/// Bytes of a contest's or a choice's slug; it is part of every key in the store.
pub const SLUG_BYTES_MAX: usize = 64;
/// Bytes of a picture's URL. With 1,000 choices of usual titles a definition still fits its document.
pub const PICTURE_BYTES_MAX: usize = 250;
/// Origins that may frame a contest, at most: they all stand in one header.
pub const EMBED_ORIGINS_MAX: usize = 50;
/// Bytes of an origin: the longest host name, the scheme and the port.
pub const ORIGIN_BYTES_MAX: usize = 267;
/// Shards of a contest, at most: the tally makes one scan a shard.
pub const SHARDS_MAX: u16 = 1_024;
/// Shards of a contest that does not say.
pub const SHARDS_DEFAULT: u16 = 16;
/// `k` of the policy `up_to(k)`, at most: a voter's state is scanned linearly.
pub const UP_TO_MAX: u16 = 1_000;
/// Channels of a contest besides `web`: with the choice (10 bits) a channel (6 bits) fits 16 bits.
pub const CHANNELS_MAX: usize = 63;
/// Longest distance from a contest's opening to its close. Also what 48 bits of microseconds
/// must hold (8.9 years).
pub const HOURS_MAX: Duration = Duration::from_secs(5 * 366 * 86_400);
/// How far ahead a contest can be closed by hand; what is further is a definition's `closes_at`.
pub const CLOSE_AHEAD_MAX: Duration = Duration::from_secs(86_400);

/// Body of one ballot's request.
pub const BALLOT_BODY_BYTES_MAX: usize = 4 * 1_024;
/// Body of a gateway batch's request.
pub const GATEWAY_BODY_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// Lines of a gateway batch, blank lines not counted.
pub const GATEWAY_LINES_MAX: usize = 10_000;
/// Bytes of a gateway's voter.
pub const GATEWAY_VOTER_BYTES_MAX: usize = 128;
/// Body of a contest definition: 1,000 choices with long titles in four-byte characters fit.
pub const DEFINITION_BODY_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// Ballots of one batch. 8,000 at 45 bytes are 360 KB: under the 400 KB that DynamoDB takes as
/// one item, the smallest limit among the engines.
pub const BATCH_BALLOTS_MAX: usize = 8_000;
/// Bytes of one packed batch; decoding refuses more before it allocates.
pub const BATCH_BYTES_MAX: usize = 400_000;

/// Ballots that wait for a commit on one node, unless its operator says otherwise: half a second of a
/// hundred thousand votes a second, and 2.4 MB.
pub const QUEUE_BALLOTS_DEFAULT: usize = 50_000;
/// Batches of one worker that are on their way to an embedded store at once: it has the next at hand
/// when it is through with one.
pub const COMMITS_IN_FLIGHT_EMBEDDED_MAX: usize = 2;
/// The same to a cluster: one batch that is answered late must not hold up those after it.
pub const COMMITS_IN_FLIGHT_CLUSTER_MAX: usize = 16;
/// Ballots of a batch that is committed beside one other, to an embedded store: several times the six
/// that a commit costs the intake.
pub const COMMIT_BESIDE_BALLOTS_EMBEDDED_MIN: usize = 32;
/// The same to a cluster, where a put costs the replicas about as much as eighty ballots cost the intake.
pub const COMMIT_BESIDE_BALLOTS_CLUSTER_MIN: usize = 256;

/// How far a ballot id's time may lie ahead of the server's, or before the contest's opening.
pub const BALLOT_ID_SKEW: Duration = Duration::from_secs(15 * 60);
