//! Why a posted form was not recorded, in plain words.

/// Why a posted form was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The body is no form, or has a field twice.
    Unreadable,
    /// No choice was made.
    ChoiceMissing,
    /// The contest has no such choice.
    ChoiceUnknown,
    /// The hidden field is no ballot id; the voter chooses again.
    BallotIdInvalid,
    /// The ballot id's time is too far off; the voter chooses again.
    BallotIdOutOfTime,
    /// The contest has not opened.
    NotOpenYet,
    /// The contest has closed.
    Closed,
    /// This network sends more than its limit.
    TooMany,
    /// Overloaded, or the store is away: the outcome is unknown. The voter is asked to send the
    /// same ballot again, so that trying again never makes a second one.
    Unavailable,
}

impl Refusal {
    /// The HTTP status that says the same as the API would.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Unreadable => 400,
            Self::ChoiceMissing
            | Self::ChoiceUnknown
            | Self::BallotIdInvalid
            | Self::BallotIdOutOfTime => 422,
            Self::NotOpenYet | Self::Closed => 409,
            Self::TooMany => 429,
            Self::Unavailable => 503,
        }
    }

    /// Whether the next try must be the same ballot: nobody knows whether this one was recorded.
    pub(crate) const fn keeps_ballot_id(self) -> bool {
        matches!(self, Self::TooMany | Self::Unavailable)
    }

    /// The message for the voter.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Unreadable => "refused_unreadable",
            Self::ChoiceMissing => "refused_choice_missing",
            Self::ChoiceUnknown => "refused_choice_unknown",
            Self::BallotIdInvalid | Self::BallotIdOutOfTime => "refused_too_old",
            Self::NotOpenYet => "refused_not_open",
            Self::Closed => "refused_closed",
            Self::TooMany => "refused_too_many",
            Self::Unavailable => "refused_unavailable",
        }
    }
}
