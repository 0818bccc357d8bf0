//! What each failure of the inside is to whoever asked: the one place where an error of a plane becomes
//! a problem.

use ballot::{Hours, InvalidBallotId, InvalidDefinition, Stamp, Timestamp};
use contests::{ContestError, NotAdmitted, StoreAway};
use intake::{NotRecorded, Refused};
use store::StoreError;
use tally::CertifyError;

use super::{
    limits::LimitReached,
    problem::{Problem, ProblemKind},
};

impl From<StoreAway> for Problem {
    fn from(_: StoreAway) -> Self {
        Self::new(ProblemKind::StoreUnavailable, "The store is away. Try again.")
    }
}

impl From<StoreError> for Problem {
    /// A control store that did not answer. Logged here, where it is handled.
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the control store failed");
        match error {
            StoreError::Invalid(detail) => Self::new(ProblemKind::Internal, &*detail),
            _ => StoreAway.into(),
        }
    }
}

impl From<ContestError> for Problem {
    fn from(error: ContestError) -> Self {
        match error {
            ContestError::NotFound => Self::no_such_contest(),
            ContestError::Invalid(invalid) => invalid.into(),
            ContestError::Stale => Self::new(ProblemKind::Stale, format!("{error}.")),
            ContestError::NotNow { field, detail, hours } => {
                let problem = Self::new(ProblemKind::Frozen, format!("{detail}.")).hours(hours);
                match field {
                    Some(field) => problem.field(field),
                    None => problem,
                }
            }
            // Every member is within its limits, and all together are too much for the store.
            ContestError::Store(StoreError::Invalid(detail)) => {
                Self::new(ProblemKind::InvalidDefinition, format!("Too large: {detail}."))
                    .field("definition")
            }
            ContestError::Store(error) => error.into(),
        }
    }
}

impl From<InvalidDefinition> for Problem {
    fn from(invalid: InvalidDefinition) -> Self {
        let kind = if invalid.unreadable {
            ProblemKind::Unreadable
        } else {
            ProblemKind::InvalidDefinition
        };
        Self::new(kind, format!("{invalid}.")).field(invalid.field)
    }
}

impl From<InvalidBallotId> for Problem {
    fn from(invalid: InvalidBallotId) -> Self {
        Self::new(ProblemKind::InvalidBallotId, format!("The ballot id is {invalid}."))
            .field("ballot_id")
    }
}

impl From<LimitReached> for Problem {
    fn from(limit: LimitReached) -> Self {
        let detail = match limit {
            LimitReached::Ballots => {
                "Too many ballots from your network. Send the same ballot id again."
            }
            LimitReached::RefusedLogins => "Too many wrong tokens from your network.",
        };
        Self::new(ProblemKind::TooManyRequests, detail)
    }
}

impl From<Refused> for Problem {
    /// A ballot that was not taken in.
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Overloaded => Self::new(
                ProblemKind::Overloaded,
                "Too many ballots are waiting. Send the same ballot id again.",
            ),
            Refused::Draining => Self::new(
                ProblemKind::ShuttingDown,
                "This node is shutting down. Send the same ballot id again.",
            ),
        }
    }
}

impl From<NotRecorded> for Problem {
    /// A ballot of which nobody knows whether it is durable.
    fn from(error: NotRecorded) -> Self {
        let detail = format!("Perhaps recorded: {error}. Send the same ballot id again.");
        Self::new(ProblemKind::StoreUnavailable, detail)
    }
}

/// A ballot with this stamp that the contest does not admit.
pub(crate) fn not_admitted(refused: NotAdmitted, stamp: &Stamp) -> Problem {
    match refused {
        NotAdmitted::ClockStrays => {
            let detail = "This node's clock is wrong. Send the same ballot id again, elsewhere.";
            Problem::new(ProblemKind::ClockStrays, detail)
        }
        NotAdmitted::HoursInDoubt => {
            let detail = "This node cannot read whether the contest is open. Send the same ballot \
                          id again.";
            Problem::new(ProblemKind::StoreUnavailable, detail)
        }
        NotAdmitted::NotOpen(hours) => not_open(hours, stamp.recorded_at),
    }
}

fn not_open(hours: Hours, now: Timestamp) -> Problem {
    let detail = match (hours.opens_at, hours.closes_at) {
        (Some(opens_at), _) if now < opens_at => format!("The contest opens at {opens_at}."),
        (Some(_), Some(closes_at)) => format!("The contest closed at {closes_at}."),
        _ => "The contest has not opened.".into(),
    };
    Problem::new(ProblemKind::NotOpen, detail).hours(hours)
}

/// A count that could not be signed off.
pub(crate) fn not_certified(error: CertifyError, hours: Hours) -> Problem {
    match error {
        CertifyError::NotFinal => {
            let detail =
                "Only a final count can be certified; it is final a moment after the close.";
            Problem::new(ProblemKind::NotFinal, detail).hours(hours)
        }
        CertifyError::Store(error) => error.into(),
        CertifyError::BatchSet(error) => {
            tracing::error!(%error, "the final count cannot be certified");
            Problem::new(ProblemKind::Internal, format!("{error}."))
        }
    }
}

/// A contest that is there, and whose documents cannot be understood: for an administrator.
pub(crate) fn unreadable_contest(why: &str) -> Problem {
    let detail = format!("This contest's documents cannot be read by this node: {why}.");
    Problem::new(ProblemKind::StoreUnavailable, detail)
}

/// There is nothing counted yet.
pub(crate) fn no_counts() -> Problem {
    Problem::new(ProblemKind::NoCounts, "The contest has not been counted yet.")
}

/// The contest has no such choice.
pub(crate) fn unknown_choice() -> Problem {
    Problem::new(ProblemKind::UnknownChoice, "The contest has no such choice.").field("choice")
}
