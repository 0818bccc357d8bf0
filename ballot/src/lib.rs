//! The domain of Landslide, and nothing else: no I/O, no async; of clocks only what is asked of them.
//!
//! A [`Contest`] has choices, hours and a [`Policy`]. A voter casts a [`Ballot`]; an intake node
//! packs the ballots in flight into a [`Batch`], the unit of commit and of storage; the
//! [`Fold`](fold::Fold) turns ballots into [`Counts`].

pub mod limits;

pub mod timing;

mod time;
pub use time::{Bucket, Timestamp};

mod span;
pub use span::Span;

mod clock;
pub use clock::{Clock, Moment, NodeClock, Stamp, SteadyTime};

mod entropy;
pub use entropy::{Entropy, random_bytes};

mod slug;
pub use slug::{InvalidSlug, Slug};

mod id;
pub use id::{BallotId, BatchId, InvalidBallotId, Shard};

mod voter;
pub use voter::{ContestKey, Device, Voter};

mod contest;
pub use contest::{
    Admission, Choice, ChoiceOrder, Contest, Destination, Hours, Phase, Policy, ResultsVisibility,
};

mod web;
pub use web::is_origin;

mod unique_members;

mod reading;

mod definition;
pub use definition::InvalidDefinition;

mod cast;
pub use cast::{Ballot, ChannelNumber, ChoiceNumber};

mod batch;
pub use batch::{Batch, CorruptBatch, RECORDED_AT_MAX, Rows};

pub mod fold;

mod counts;
pub use counts::{BallotCounts, BatchSet, ChoiceVotes, Counts, CountsStatus};
