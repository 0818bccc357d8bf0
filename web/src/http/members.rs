//! Reading a JSON body member by member: what is wrong is said of the member at fault.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};

use super::{
    body::unreadable,
    problem::{Problem, ProblemKind},
};

/// Reads one JSON object; what is not JSON is unreadable, what is not an object is wrong.
pub(crate) fn members<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    // All of it: serde_json does not look into a text that is ignored.
    let text = str::from_utf8(bytes).map_err(|_| unreadable("The body is not UTF-8."))?;
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Problem::new(ProblemKind::InvalidMember, format!("The body is wrong: {error}."))
                .field("body")
        }
        _ => unreadable(format!("The body is not JSON: {error}.")),
    })
}

/// The members of a ballot that mean something; all others are ignored.
#[derive(Default)]
pub(crate) struct BallotMembers<'a> {
    pub(crate) ballot_id: Member<'a>,
    pub(crate) choice: Member<'a>,
    pub(crate) device: Member<'a>,
    pub(crate) voter: Member<'a>,
    pub(crate) channel: Member<'a>,
}

/// One member, of whatever type it came.
#[derive(Default)]
pub(crate) enum Member<'a> {
    #[default]
    Absent,
    Null,
    Text(Cow<'a, str>),
    Wrong,
}

impl<'a> Member<'a> {
    /// The text, if the member is there.
    pub(crate) fn optional_text(self, field: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Wrong => Err(invalid_member(field, "must be a text")),
        }
    }

    /// The text, which must be there.
    pub(crate) fn text(self, field: &str) -> Result<Cow<'a, str>, Problem> {
        self.optional_text(field)?.ok_or_else(|| invalid_member(field, "is missing"))
    }
}

/// A member that is readable and wrong.
pub(crate) fn invalid_member(field: &str, detail: &str) -> Problem {
    Problem::new(ProblemKind::InvalidMember, format!("The member {field} {detail}.")).field(field)
}

impl<'de> Deserialize<'de> for BallotMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = BallotMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BallotMembers::default();
                while let Some(Key(key)) = map.next_key()? {
                    let member = match &*key {
                        "ballot_id" => &mut members.ballot_id,
                        "choice" => &mut members.choice,
                        "device" => &mut members.device,
                        "voter" => &mut members.voter,
                        "channel" => &mut members.channel,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    // Two readers of one text could take different ones: nobody may.
                    if !matches!(member, Member::Absent) {
                        return Err(de::Error::custom(format!("{key} is there twice")));
                    }
                    *member = map.next_value()?;
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// An object's key, borrowed where it can be.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Member<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Member<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Member::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Member::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Member::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Member::Wrong)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Member::Wrong)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Member::Wrong)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Member::Wrong)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Member::Wrong)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut sequence: A,
            ) -> Result<Self::Value, A::Error> {
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Member::Wrong)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
