//! Hostile text as a contest's definition: no panic, and what is accepted keeps every rule and can
//! be written and read again.
#![no_main]

use ballot::{Contest, limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(contest) = Contest::from_json(input) {
        check(&contest);
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(contest) = Contest::from_toml(text)
    {
        check(&contest);
    }
});

fn check(contest: &Contest) {
    assert!((limits::CHOICES_MIN..=limits::CHOICES_MAX).contains(&contest.choices.len()));
    assert_eq!(contest.choice_numbers().len(), contest.choices.len());
    assert!((1..=limits::SHARDS_MAX).contains(&contest.shards));
    assert!(contest.hours.check().is_ok());
    let written = serde_json::to_vec(contest).expect("a definition can be written");
    assert_eq!(Contest::from_json(&written).as_ref(), Ok(contest));
}
