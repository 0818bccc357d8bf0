//! The ballot as a form posts it.

use std::borrow::Cow;

use ballot::{BallotId, Slug};

use super::refusal::Refusal;

/// The body of `POST /c/{contest}`, `application/x-www-form-urlencoded`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// The id that the page to confirm was made with; `None` from the vote page, which has none.
    pub(crate) ballot_id: Option<BallotId>,
    /// What was chosen; whether the contest has it is for the caller to see.
    pub(crate) choice: Slug,
    /// That the form was made for whoever posts it; for the caller to check.
    pub(crate) token: Option<String>,
}

impl Form {
    /// Reads the body. Unknown fields are ignored; a field that is there twice is refused,
    /// because nobody can say which was meant.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Refusal> {
        let (mut ballot_id, mut choice, mut token) = (None, None, None);
        for (name, value) in form_urlencoded::parse(body) {
            let field = match &*name {
                "ballot_id" => &mut ballot_id,
                "choice" => &mut choice,
                "token" => &mut token,
                _ => continue,
            };
            if field.replace(value).is_some() {
                return Err(Refusal::Unreadable);
            }
        }
        let ballot_id = match ballot_id.as_deref() {
            None | Some("") => None,
            Some(text) => Some(BallotId::parse(text).map_err(|_| Refusal::BallotIdInvalid)?),
        };
        match choice.as_deref() {
            None | Some("") => Err(Refusal::ChoiceMissing),
            Some(text) => {
                let choice = text.parse().map_err(|_| Refusal::ChoiceUnknown)?;
                Ok(Self { ballot_id, choice, token: token.map(Cow::into_owned) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

    fn decode(body: &str) -> Result<(bool, String), Refusal> {
        Form::decode(body.as_bytes())
            .map(|form| (form.ballot_id.is_some(), form.choice.as_str().to_owned()))
    }

    #[test]
    fn reads_what_the_page_sends() {
        let voted = Ok((true, "breaking-bad".to_owned()));
        assert_eq!(decode(&format!("ballot_id={ID}&choice=breaking-bad")), voted);
        assert_eq!(decode(&format!("x=%00&choice=%62reaking-bad&ballot%5Fid={ID}")), voted);
        assert_eq!(decode("choice=a"), Ok((false, "a".to_owned())));
        assert_eq!(decode("choice=a&ballot_id="), Ok((false, "a".to_owned())));
    }

    #[test]
    fn says_what_is_wrong() {
        for (body, refusal) in [
            ("", Refusal::ChoiceMissing),
            ("choice=", Refusal::ChoiceMissing),
            ("{\"choice\":\"a\"}", Refusal::ChoiceMissing),
            ("choice=a+b", Refusal::ChoiceUnknown),
            ("choice=%ff%fe", Refusal::ChoiceUnknown),
            ("choice=%3Cscript%3E", Refusal::ChoiceUnknown),
            ("choice=a&ballot_id=1", Refusal::BallotIdInvalid),
            ("choice=a&ballot_id=017f22e2-79b0-4cc3-98c4-dc0c0c07398f", Refusal::BallotIdInvalid),
            ("choice=a&choice=b", Refusal::Unreadable),
            (&format!("choice=a&ballot_id={ID}&ballot_id={ID}"), Refusal::Unreadable),
        ] {
            assert_eq!(decode(body), Err(refusal), "{body}");
        }
        assert_eq!(Form::decode(&[0xff, b'=', b'%']), Err(Refusal::ChoiceMissing));
    }
}
