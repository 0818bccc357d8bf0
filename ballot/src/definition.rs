//! Reading a contest definition: TOML and JSON, the same keys, every rule, the field at fault.
//!
//! Written by hand over a JSON value instead of derived, because the message and the path of a
//! mistake are for the administrator who made it.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::{
    Admission, Choice, ChoiceOrder, Contest, Hours, Policy, ResultsVisibility, Slug, Timestamp,
    limits, unique_members::UniqueMembers, web,
};

/// A definition that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct InvalidDefinition {
    /// The path of the member at fault, such as `choices[3].title`; `definition` for the whole.
    pub field: String,
    /// What is wrong with it, a sentence for people.
    pub detail: String,
    /// Whether the text could not even be read as JSON or TOML.
    pub unreadable: bool,
}

impl InvalidDefinition {
    /// What is wrong with which member.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into(), unreadable: false }
    }

    fn unreadable(detail: impl ToString) -> Self {
        Self { field: "definition".into(), detail: detail.to_string(), unreadable: true }
    }
}

impl Contest {
    /// Reads and checks a definition in JSON. Unknown members, and a member twice, are refused.
    pub fn from_json(text: &[u8]) -> Result<Self, InvalidDefinition> {
        let UniqueMembers(value) = serde_json::from_slice(text).map_err(|error| {
            if error.is_data() {
                InvalidDefinition::new("definition", error.to_string())
            } else {
                InvalidDefinition::unreadable(error)
            }
        })?;
        contest(value)
    }

    /// Reads and checks a definition in TOML, with the same keys; times may be TOML's own.
    pub fn from_toml(text: &str) -> Result<Self, InvalidDefinition> {
        let table: toml::Table =
            toml::from_str(text).map_err(|error| InvalidDefinition::unreadable(error.message()))?;
        contest(json_from_toml(toml::Value::Table(table)))
    }
}

fn json_from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(json_from_toml).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, v)| (key, json_from_toml(v))).collect())
        }
    }
}

fn contest(value: Value) -> Result<Contest, InvalidDefinition> {
    let mut members = Members::new(value, "")?;
    let contest = Contest {
        title: title(members.required("title")?, "title")?,
        hours: Hours {
            opens_at: members.optional("opens_at").map(|v| time(&v, "opens_at")).transpose()?,
            closes_at: members.optional("closes_at").map(|v| time(&v, "closes_at")).transpose()?,
        },
        policy: members.optional("policy").map_or(Ok(Policy::One), policy)?,
        admission: members
            .optional("admission")
            .map_or(Ok(Admission::Open), |v| word(v, "admission", "open, ticket or oidc"))?,
        results: members.optional("results").map_or(Ok(ResultsVisibility::Hidden), |v| {
            word(v, "results", "live, hidden or after_close")
        })?,
        shards: members
            .optional("shards")
            .map_or(Ok(limits::SHARDS_DEFAULT), |v| number(&v, "shards", limits::SHARDS_MAX))?,
        choices: choices(members.required("choices")?)?,
        embed_origins: members.optional("embed_origins").map_or(Ok(Vec::new()), embed_origins)?,
        listed: members.optional("listed").map_or(Ok(true), |v| truth(&v, "listed"))?,
        public_from: members
            .optional("public_from")
            .map(|v| time(&v, "public_from"))
            .transpose()?,
        order: members
            .optional("order")
            .map_or(Ok(ChoiceOrder::AsSet), |v| word(v, "order", "as_set or drawn"))?,
        edition: members.optional("edition").map(|v| string(v, "edition")).transpose()?,
    };
    members.none_left()?;
    contest.check_times()?;
    Ok(contest)
}

fn check_hours(hours: Hours) -> Result<(), InvalidDefinition> {
    let (Some(opens_at), Some(closes_at)) = (hours.opens_at, hours.closes_at) else {
        return Ok(());
    };
    if closes_at <= opens_at {
        let detail = format!("must be after opens_at, which is {opens_at}");
        return Err(InvalidDefinition::new("closes_at", detail));
    }
    if closes_at.since(opens_at) > limits::HOURS_MAX {
        return Err(InvalidDefinition::new("closes_at", "must be within 5 years of opens_at"));
    }
    Ok(())
}

impl Contest {
    /// Checks that the hours are in order and not too far apart, and that the public knows of the
    /// contest when it opens. Also for times that come from two places, such as hours set by hand.
    pub fn check_times(&self) -> Result<(), InvalidDefinition> {
        check_hours(self.hours)?;
        if let (Some(from), Some(opens_at)) = (self.public_from, self.hours.opens_at)
            && from > opens_at
        {
            let detail = format!("must not be after opens_at, which is {opens_at}");
            return Err(InvalidDefinition::new("public_from", detail));
        }
        Ok(())
    }
}

fn choices(value: Value) -> Result<Vec<Choice>, InvalidDefinition> {
    let Value::Array(values) = value else {
        return Err(InvalidDefinition::new("choices", "must be a list of choices"));
    };
    if !(limits::CHOICES_MIN..=limits::CHOICES_MAX).contains(&values.len()) {
        let (min, max, n) = (limits::CHOICES_MIN, limits::CHOICES_MAX, values.len());
        return Err(InvalidDefinition::new("choices", format!("must be {min} to {max}, not {n}")));
    }
    let mut choices = Vec::with_capacity(values.len());
    let mut slugs = HashSet::with_capacity(values.len());
    for (n, value) in values.into_iter().enumerate() {
        let path = format!("choices[{n}]");
        let mut members = Members::new(value, &path)?;
        let choice: Slug = {
            let field = format!("{path}.choice");
            let text = string(members.required("choice")?, &field)?;
            text.parse()
                .map_err(|error| InvalidDefinition::new(field, format!("must be {error}")))?
        };
        let title = title(members.required("title")?, &format!("{path}.title"))?;
        let text = members.optional("text");
        let text = text.map(|v| choice_text(v, &format!("{path}.text"))).transpose()?;
        let picture = members.optional("picture");
        let picture = picture.map(|v| picture_url(v, &format!("{path}.picture"))).transpose()?;
        members.none_left()?;
        if !slugs.insert(choice.clone()) {
            let detail = format!("{choice} is there twice");
            return Err(InvalidDefinition::new(format!("{path}.choice"), detail));
        }
        choices.push(Choice { choice, title, text, picture });
    }
    Ok(choices)
}

fn picture_url(value: Value, field: &str) -> Result<String, InvalidDefinition> {
    let picture = string(value, field)?;
    if !web::is_picture(&picture) {
        let max = limits::PICTURE_BYTES_MAX;
        let detail =
            format!("must be an https URL or a path that begins with /, up to {max} bytes");
        return Err(InvalidDefinition::new(field, detail));
    }
    Ok(picture)
}

fn embed_origins(value: Value) -> Result<Vec<String>, InvalidDefinition> {
    let max = limits::EMBED_ORIGINS_MAX;
    let Value::Array(values) = value else {
        return Err(InvalidDefinition::new("embed_origins", "must be a list of origins"));
    };
    if values.len() > max {
        return Err(InvalidDefinition::new("embed_origins", format!("must be at most {max}")));
    }
    let mut origins = Vec::with_capacity(values.len());
    for (n, value) in values.into_iter().enumerate() {
        let field = format!("embed_origins[{n}]");
        let origin = string(value, &field)?;
        if !web::is_origin(&origin) {
            let detail = "must be an origin in lower case, such as https://news.example";
            return Err(InvalidDefinition::new(field, detail));
        }
        origins.push(origin);
    }
    Ok(origins)
}

fn policy(value: Value) -> Result<Policy, InvalidDefinition> {
    const WORDS: &str = "one, latest, unlimited or {up_to = 20}";
    match value {
        Value::Object(_) => {
            let mut members = Members::new(value, "policy")?;
            let k = number(&members.required("up_to")?, "policy.up_to", limits::UP_TO_MAX)?;
            members.none_left()?;
            Ok(Policy::UpTo(k))
        }
        value => word(value, "policy", WORDS),
    }
}

fn word<T: serde::de::DeserializeOwned>(
    value: Value,
    field: &str,
    words: &str,
) -> Result<T, InvalidDefinition> {
    let wrong = || InvalidDefinition::new(field, format!("must be {words}"));
    if !value.is_string() {
        return Err(wrong());
    }
    serde_json::from_value(value).map_err(|_| wrong())
}

fn number(value: &Value, field: &str, max: u16) -> Result<u16, InvalidDefinition> {
    let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
    number.filter(|number| (1..=max).contains(number)).ok_or_else(|| {
        InvalidDefinition::new(field, format!("must be a whole number from 1 to {max}"))
    })
}

fn time(value: &Value, field: &str) -> Result<Timestamp, InvalidDefinition> {
    let time = value.as_str().and_then(|text| text.parse().ok());
    time.ok_or_else(|| {
        let detail = "must be a time of RFC 3339 with its zone, such as 2026-11-23T20:00:00Z";
        InvalidDefinition::new(field, detail)
    })
}

fn title(value: Value, field: &str) -> Result<String, InvalidDefinition> {
    let title = string(value, field)?;
    let max = limits::TITLE_CHARS_MAX;
    if title.trim().is_empty() {
        return Err(InvalidDefinition::new(field, "must not be empty"));
    }
    if title.chars().count() > max {
        return Err(InvalidDefinition::new(field, format!("must have at most {max} characters")));
    }
    Ok(title)
}

fn choice_text(value: Value, field: &str) -> Result<String, InvalidDefinition> {
    let text = string(value, field)?;
    let (chars_max, lines_max) = (limits::TEXT_CHARS_MAX, limits::TEXT_LINES_MAX);
    if text.chars().count() > chars_max || text.split('\n').count() > lines_max {
        let detail = format!("must have at most {chars_max} characters in {lines_max} lines");
        return Err(InvalidDefinition::new(field, detail));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(InvalidDefinition::new(
            field,
            "must have no control character but a line feed",
        ));
    }
    Ok(text)
}

fn truth(value: &Value, field: &str) -> Result<bool, InvalidDefinition> {
    value.as_bool().ok_or_else(|| InvalidDefinition::new(field, "must be true or false"))
}

fn string(value: Value, field: &str) -> Result<String, InvalidDefinition> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(InvalidDefinition::new(field, "must be a text")),
    }
}

/// The members of one object, taken out one by one, so that what is left is unknown.
struct Members {
    members: Map<String, Value>,
    path: String,
}

impl Members {
    fn new(value: Value, path: &str) -> Result<Self, InvalidDefinition> {
        match value {
            Value::Object(members) => Ok(Self { members, path: path.into() }),
            _ => {
                let field = if path.is_empty() { "definition" } else { path };
                Err(InvalidDefinition::new(field, "must be an object"))
            }
        }
    }

    fn field(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// The member, unless it is absent or null.
    fn optional(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    fn required(&mut self, name: &str) -> Result<Value, InvalidDefinition> {
        self.optional(name).ok_or_else(|| InvalidDefinition::new(self.field(name), "is missing"))
    }

    fn none_left(self) -> Result<(), InvalidDefinition> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => {
                Err(InvalidDefinition::new(self.field(name), "is not a member of a definition"))
            }
        }
    }
}
