//! Which contest a page is of.

use ballot::{ChoiceOrder, Contest, Phase, Policy, Slug};

use super::words;

/// Which contest a page is of, and what its script goes on from: it follows the contest for as long as
/// the page is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Its name.
    pub(crate) contest: &'a Slug,
    /// Its definition.
    pub(crate) definition: &'a Contest,
    /// Which of the contests under this name.
    pub(crate) edition: &'a str,
    /// Another text with each change of the definition.
    pub(crate) mark: &'a str,
    /// Where it stands. Nothing else of the time, so that a page stays the same for long.
    pub(crate) phase: Phase,
}

impl Subject<'_> {
    pub(super) fn visibility(&self) -> &'static str {
        words::visibility(self.definition.results)
    }

    /// The policy as in a definition, for the script to compare.
    pub(super) fn policy(&self) -> String {
        serde_json::to_string(&self.definition.policy).expect("a policy is a word or a number")
    }

    /// Whether the script draws an order of the choices for its device.
    pub(super) fn is_drawn(&self) -> bool {
        self.definition.order == ChoiceOrder::Drawn
    }
}

/// Whether of a voter's ballots the first one alone counts.
pub(crate) fn first_counts(policy: Policy) -> bool {
    matches!(policy, Policy::One | Policy::UpTo(1))
}
