//! The OpenAPI document, held against every reply to a call that it describes.
//!
//! Stricter than a validator of JSON Schema: a member that the document does not name is a difference,
//! and so is a keyword that is not understood here.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::client::Reply;

/// As it is served; `web`'s own test sees to that.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../web/openapi.json")).unwrap());

/// Fails if the document says something else of this reply; says nothing of calls that are not in it.
#[track_caller]
pub fn check(method: &str, path: &str, reply: &Reply) {
    if let Err(difference) = look(method, path, reply) {
        panic!("{method} {path}, {}: {difference}, says the document", reply.status);
    }
}

fn look(method: &str, path: &str, reply: &Reply) -> Result<(), String> {
    let Some(operation) = operation(method, path) else { return Ok(()) };
    let responses = &operation["responses"];
    let response = responses.get(reply.status.to_string()).ok_or("no such status")?;
    let Some(content) = response["content"].as_object() else {
        return if reply.body.is_empty() { Ok(()) } else { Err("without a body".into()) };
    };
    let media_type = reply.header("content-type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default();
    let described = content.get(media_type).ok_or_else(|| format!("not as {media_type:?}"))?;
    match media_type {
        "application/json" | "application/problem+json" => {
            let body = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
            valid("the body", &described["schema"], &body)
        }
        _ => Ok(()),
    }
}

/// The call that a request is of, if it is in the document.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path = path.split('?').next()?;
    let paths = DOCUMENT["paths"].as_object()?;
    let is_same = |template: &str| {
        let (template, path): (Vec<_>, Vec<_>) =
            (template.split('/').collect(), path.split('/').collect());
        let mut pairs = template.iter().zip(&path);
        template.len() == path.len() && pairs.all(|(t, p)| t == p || t.starts_with('{'))
    };
    let item = paths
        .get(path)
        .or_else(|| paths.iter().find(|(template, _)| is_same(template)).map(|(_, item)| item))?;
    item.get(method.to_ascii_lowercase())
}

fn valid(at: &str, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = resolved(schema);
    let Some(keywords) = schema.as_object() else { return Err(format!("{at}: no schema")) };
    for (keyword, wanted) in keywords {
        match keyword.as_str() {
            "type" => has_type(at, wanted, value)?,
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    valid(&format!("{at}[{n}]"), wanted, item)?;
                }
            }
            "oneOf" | "anyOf" => {
                let tried = wanted.as_array().into_iter().flatten();
                let tried: Vec<_> = tried.map(|schema| valid(at, schema, value)).collect();
                if !tried.iter().any(Result::is_ok) {
                    return Err(format!("{at} is none of those: {tried:?}"));
                }
            }
            "enum" if !wanted.as_array().is_some_and(|all| all.contains(value)) => {
                return Err(format!("{at} is not one of {wanted}"));
            }
            "minimum" if value.as_f64() < wanted.as_f64() => {
                return Err(format!("{at} is below {wanted}"));
            }
            "maximum" if value.as_f64() > wanted.as_f64() => {
                return Err(format!("{at} is above {wanted}"));
            }
            "minLength" | "minItems"
                if length(value).is_some_and(|n| Some(n) < wanted.as_u64()) =>
            {
                return Err(format!("{at} is shorter than {wanted}"));
            }
            "maxLength" | "maxItems" if length(value) > wanted.as_u64() => {
                return Err(format!("{at} is longer than {wanted}"));
            }
            // Looked at below, or for people.
            "properties"
            | "required"
            | "additionalProperties"
            | "propertyNames"
            | "allOf"
            | "enum"
            | "minimum"
            | "maximum"
            | "minLength"
            | "minItems"
            | "maxLength"
            | "maxItems"
            | "pattern"
            | "format"
            | "description"
            | "example"
            | "title" => {}
            other => return Err(format!("{at}: nobody understands {other}")),
        }
    }
    match value {
        Value::Object(members) => has_members(at, schema, members),
        _ => Ok(()),
    }
}

/// Of what has one, in characters or items.
fn length(value: &Value) -> Option<u64> {
    let length = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        _ => return None,
    };
    Some(length as u64)
}

fn has_type(at: &str, wanted: &Value, value: &Value) -> Result<(), String> {
    let is = |name: &Value| match (name.as_str().unwrap_or_default(), value) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_))
        | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(number)) => number.is_i64() || number.is_u64(),
        _ => false,
    };
    let fits = wanted.as_array().map_or_else(|| is(wanted), |names| names.iter().any(is));
    if fits { Ok(()) } else { Err(format!("{at} is of type {wanted}, not {value}")) }
}

fn has_members(at: &str, schema: &Value, members: &Map<String, Value>) -> Result<(), String> {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    gather(schema, &mut properties, &mut required);
    if let Some(missing) = required.iter().find(|name| !members.contains_key(**name)) {
        return Err(format!("{at} has {missing}"));
    }
    let others = schema.get("additionalProperties");
    for (name, value) in members {
        let at = format!("{at}.{name}");
        match (properties.get(name), others) {
            (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => {
                valid(&at, schema, value)?;
            }
            // Where nothing is said of an object's members, it may have any.
            (None, _) if properties.is_empty() => {}
            (None, _) => return Err(format!("there is no {at}")),
        }
    }
    Ok(())
}

/// The members of an object, and those of what it is put together from.
fn gather<'a>(schema: &'a Value, properties: &mut Map<String, Value>, required: &mut Vec<&'a str>) {
    let schema = resolved(schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        gather(part, properties, required);
    }
    let own = schema["properties"].as_object().into_iter().flatten();
    properties.extend(own.map(|(name, schema)| (name.clone(), schema.clone())));
    required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
}

fn resolved(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(path) => DOCUMENT.pointer(path.trim_start_matches('#')).expect(path),
        None => schema,
    }
}

#[test]
fn a_reply_that_is_not_as_the_document_says_is_found() {
    let reply = |status, media_type: &str, body: &str| Reply {
        status,
        headers: vec![("content-type".into(), media_type.into())],
        body: body.into(),
    };
    let json = "application/json";
    let now = r#"{"now":"2026-11-23T20:00:00Z"}"#;
    assert_eq!(look("GET", "/v1/time?x=1", &reply(200, json, now)), Ok(()));
    let refused = r#"{"type":"t","title":"t","status":404,"detail":"d"}"#;
    let problem = "application/problem+json";
    assert_eq!(look("GET", "/v1/contests/tv/results", &reply(404, problem, refused)), Ok(()));
    for (reply, difference) in [
        (reply(201, json, now), "no such status"),
        (reply(200, "text/plain", now), "not as \"text/plain\""),
        (reply(200, json, "{}"), "the body has now"),
        (reply(200, json, r#"{"now":1}"#), "the body.now is of type \"string\", not 1"),
        (reply(200, json, r#"{"now":"","then":""}"#), "there is no the body.then"),
        (reply(500, json, "{}"), "no such status"),
        (reply(503, json, "{}"), "not as \"application/json\""),
    ] {
        assert_eq!(look("GET", "/v1/time", &reply), Err(difference.into()));
    }
    assert!(operation("GET", "/v1/contests/tv").is_some());
    assert!(operation("PATCH", "/v1/time").is_none() && operation("GET", "/c/tv").is_none());
}
