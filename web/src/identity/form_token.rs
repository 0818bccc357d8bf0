//! What shows that a form was made for whoever posts it, where the browser does not say which page made
//! it post.
//!
//! The page to confirm a choice is one voter's: nobody caches it, and it comes with the device's cookie.
//! Its token is made of the ballot id and of that device, with a key that all nodes know. So another
//! site that fetches such a page gets a token for a device of its own, which no visitor's cookie is. It
//! holds as long as the contest: a phone may come back with it after hours without a network, and what
//! it lets through is one ballot, always the same.

use ballot::{BallotId, ContestKey, Device};

const KEY_CONTEXT: &str = "landslide 2026-11-29 voters' form";

/// The token of a ballot that is to be confirmed on a device.
pub(crate) fn form_token(key: &ContestKey, ballot_id: BallotId, device: Device) -> blake3::Hash {
    let key = blake3::derive_key(KEY_CONTEXT, key.as_bytes());
    blake3::keyed_hash(&key, format!("{ballot_id} {device}").as_bytes())
}

/// Whether this is the token.
pub(crate) fn is_form_token(given: &str, token: blake3::Hash) -> bool {
    // `blake3::Hash` compares in constant time.
    blake3::Hash::from_hex(given).is_ok_and(|given| given == token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_ballot_one_device_and_one_contest() {
        let (key, other_key) = (ContestKey::from_bytes([1; 32]), ContestKey::from_bytes([2; 32]));
        let id = |n| BallotId::new(ballot::Timestamp::from_micros(1_795_464_000_000_000), [n; 10]);
        let device = |n| key.device_of_ballot(id(n));
        let token = form_token(&key, id(1), device(1));
        let given = token.to_string();
        assert!(is_form_token(&given, token));
        for other in [
            form_token(&key, id(2), device(1)),
            form_token(&key, id(1), device(2)),
            form_token(&other_key, id(1), device(1)),
        ] {
            assert!(!is_form_token(&given, other));
        }
        for bad in ["", "x", &given[1..], &"0".repeat(64)] {
            assert!(!is_form_token(bad, token), "{bad}");
        }
    }
}
