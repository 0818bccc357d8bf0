//! Which vote of this browser counts, where the first one does: kept in a cookie, so that a later vote
//! without script is not said to count.

use ballot::{BallotId, Contest, Slug, Timestamp};

/// A vote that was recorded in this browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Voted {
    pub(crate) choice: Slug,
    pub(crate) ballot_id: BallotId,
    pub(crate) recorded_at: Timestamp,
}

impl Voted {
    /// Out of a cookie's value, if it is of this edition of the contest. Anybody may have written it: what
    /// it says is shown to whoever sends it, and to nobody else.
    pub(crate) fn read(value: &str, edition: &str, definition: &Contest) -> Option<Self> {
        let mut parts = value.split('.');
        let [of, choice, id, millis] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        if of != edition || parts.next().is_some() {
            return None;
        }
        let choice: Slug = choice.parse().ok()?;
        definition.choices.iter().find(|known| known.choice == choice)?;
        let micros = millis.parse::<i64>().ok()?.checked_mul(1_000)?;
        let recorded_at = Timestamp::from_micros(micros);
        Some(Self { choice, ballot_id: BallotId::parse(id).ok()?, recorded_at })
    }

    /// As a cookie's value. The page's script reads it, too.
    pub(crate) fn write(&self, edition: &str) -> String {
        let millis = self.recorded_at.as_micros() / 1_000;
        format!("{edition}.{}.{}.{millis}", self.choice, self.ballot_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_of_the_same_edition_alone() {
        let definition = Contest::from_toml(
            r#"title = "t"
            choices = [{choice = "a", title = "A"}, {choice = "b", title = "B"}]"#,
        );
        let definition = definition.unwrap();
        let voted = Voted {
            choice: "b".parse().unwrap(),
            ballot_id: BallotId::parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").unwrap(),
            recorded_at: Timestamp::from_micros(1_795_464_000_123_000),
        };
        let written = voted.write("e1");
        assert_eq!(Voted::read(&written, "e1", &definition), Some(voted));
        for (value, edition) in [
            (&*written, "e2"),
            ("", "e1"),
            ("e1.b", "e1"),
            ("e1.c.017f22e2-79b0-7cc3-98c4-dc0c0c07398f.1", "e1"),
            ("e1.b.017f22e2-79b0-7cc3-98c4-dc0c0c07398f.9223372036854775807", "e1"),
            ("e1.b.017f22e2-79b0-7cc3-98c4-dc0c0c07398f.1.2", "e1"),
            ("e1.b.1.1", "e1"),
        ] {
            assert_eq!(Voted::read(value, edition, &definition), None, "{value}");
        }
    }
}
