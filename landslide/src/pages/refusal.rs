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
    /// The hidden field is no ballot id; the page comes again with a new one.
    BallotIdInvalid,
    /// The ballot id's time is too far off; the page comes again with a new one.
    BallotIdOutOfTime,
    /// The contest has not opened.
    NotOpenYet,
    /// The contest has closed.
    Closed,
    /// This network sends more than its limit.
    TooMany,
    /// Overloaded, or the store is away: the outcome is unknown. The page comes again with the
    /// same ballot id, so that trying again never makes a second ballot.
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

    /// Whether the page must keep the ballot id it was sent. Then nobody knows if that ballot
    /// was recorded, and the next try must be the same ballot.
    pub(crate) const fn keeps_ballot_id(self) -> bool {
        matches!(self, Self::TooMany | Self::Unavailable)
    }

    /// For the voter.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Unreadable => {
                "The form could not be read. Nothing was recorded. Please vote again."
            }
            Self::ChoiceMissing => "Nothing was chosen. Please choose one, then vote.",
            Self::ChoiceUnknown => {
                "This vote has no such choice. Nothing was recorded. Please choose again."
            }
            Self::BallotIdInvalid | Self::BallotIdOutOfTime => {
                "This page was too old to be used. Nothing was recorded. Please vote again."
            }
            Self::NotOpenYet => "Voting has not opened yet. Nothing was recorded.",
            Self::Closed => "Voting has closed. This vote was not recorded.",
            Self::TooMany => {
                "Too many votes came from your network at once. Please wait a moment and try \
                 again. Trying again does not vote twice."
            }
            Self::Unavailable => {
                "Very many people are voting right now, and we cannot confirm your vote yet. \
                 Please try again. Trying again does not vote twice."
            }
        }
    }
}
