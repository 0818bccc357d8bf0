//! JSON in which no object has a member twice. Two readers of one text could take different ones.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// A value of which every object, at any depth, has each member once.
pub(crate) struct UniqueMembers(pub(crate) Value);

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = UniqueMembers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<UniqueMembers, E> {
        Ok(UniqueMembers(Value::Null))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<UniqueMembers, E> {
        Ok(UniqueMembers(truth.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<UniqueMembers, E> {
        Ok(UniqueMembers(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<UniqueMembers, E> {
        Ok(UniqueMembers(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<UniqueMembers, E> {
        Ok(UniqueMembers(number.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<UniqueMembers, E> {
        Ok(UniqueMembers(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<UniqueMembers, E> {
        Ok(UniqueMembers(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<UniqueMembers, A::Error> {
        let mut values = Vec::new();
        while let Some(UniqueMembers(value)) = sequence.next_element()? {
            values.push(value);
        }
        Ok(UniqueMembers(values.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<UniqueMembers, A::Error> {
        let mut members = Map::new();
        while let Some((name, UniqueMembers(value))) =
            object.next_entry::<String, UniqueMembers>()?
        {
            if members.contains_key(&name) {
                return Err(de::Error::custom(format_args!("{name} is there twice")));
            }
            members.insert(name, value);
        }
        Ok(UniqueMembers(members.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_serde_json_takes_but_for_a_member_twice() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,0.5,"x\n",{"a":{}}],"b":[]}"#;
        let UniqueMembers(value) = serde_json::from_str(text).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":null,"\u0061":1}"#, r#"[{"b":{"a":1,"a":{}}}]"#] {
            let error = serde_json::from_str::<UniqueMembers>(text).err().unwrap();
            assert!(
                error.is_data() && error.to_string().starts_with("a is there twice"),
                "{error}"
            );
        }
        assert!(serde_json::from_str::<UniqueMembers>("{\"a\":").err().unwrap().is_eof());
    }
}
