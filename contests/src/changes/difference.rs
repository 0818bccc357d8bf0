//! What a change made different, for the record: only what differs, as it was and as it is.

use std::collections::HashMap;

use ballot::{Choice, Contest};
use serde_json::{Map, Value, json};

/// Choices that are named one by one, at most: an entry for the record stays readable, and small.
const CHOICES_MAX: usize = 50;

/// Two definitions' members that differ. A choice is there with its slug and what differs of it; what
/// one of them does not have is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As it was.
    pub before: Map<String, Value>,
    /// As it is.
    pub after: Map<String, Value>,
}

impl Difference {
    /// What differs; `None` if nothing does.
    pub fn between(before: &Contest, after: &Contest) -> Option<Self> {
        let mut difference = members(object(before), object(after));
        let was_in_order = before.choices.iter().map(|choice| &choice.choice);
        let is_in_order = after.choices.iter().map(|choice| &choice.choice).eq(was_in_order);
        if let Some((choices_before, choices_after)) = choices(&before.choices, &after.choices) {
            difference.before.insert("choices".into(), choices_before);
            difference.after.insert("choices".into(), choices_after);
        } else if is_in_order {
            difference.before.remove("choices");
            difference.after.remove("choices");
        } else {
            let slugs = |contest: &Contest| -> Value {
                let slugs = contest.choices.iter().take(CHOICES_MAX);
                slugs.map(|choice| json!({ "choice": choice.choice })).collect()
            };
            difference.before.insert("choices".into(), slugs(before));
            difference.after.insert("choices".into(), slugs(after));
        }
        let is_same = difference.before.is_empty() && difference.after.is_empty();
        (!is_same).then_some(difference)
    }
}

fn object(of: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(of) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn members(mut before: Map<String, Value>, mut after: Map<String, Value>) -> Difference {
    after.retain(|name, value| {
        let is_new = before.get(name) != Some(value);
        if !is_new {
            before.remove(name);
        }
        is_new
    });
    Difference { before, after }
}

/// The choices that differ; `None` if none does.
fn choices(before: &[Choice], after: &[Choice]) -> Option<(Value, Value)> {
    let known: HashMap<_, _> = before.iter().map(|choice| (&choice.choice, choice)).collect();
    let left: HashMap<_, _> = after.iter().map(|choice| (&choice.choice, choice)).collect();
    let (mut was, mut is) = (Vec::new(), Vec::new());
    for choice in before.iter().filter(|choice| !left.contains_key(&choice.choice)) {
        was.push(Value::Object(object(choice)));
    }
    for choice in after.iter().filter(|choice| known.get(&choice.choice) != Some(choice)) {
        let Some(former) = known.get(&choice.choice) else {
            is.push(Value::Object(object(choice)));
            continue;
        };
        let mut difference = members(object(former), object(choice));
        for side in [&mut difference.before, &mut difference.after] {
            side.insert("choice".into(), json!(choice.choice));
        }
        was.push(Value::Object(difference.before));
        is.push(Value::Object(difference.after));
    }
    was.truncate(CHOICES_MAX);
    is.truncate(CHOICES_MAX);
    (!was.is_empty() || !is.is_empty()).then(|| (was.into(), is.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contest(more: &Value) -> Contest {
        let mut text = json!({"title": "t", "choices": [
            {"choice": "a", "title": "A"}, {"choice": "b", "title": "B"},
            {"choice": "c", "title": "C", "picture": "/c.png"},
        ]});
        for (name, value) in more.as_object().unwrap() {
            text[name] = value.clone();
        }
        Contest::from_json(text.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn only_what_differs_is_said() {
        let as_it_was = json!({});
        let a = json!({"choice": "a", "title": "A"});
        let c = json!({"choice": "c", "title": "C", "picture": "/c.png"});
        for (change, before, after) in [
            (json!({"title": "T"}), json!({"title": "t"}), json!({"title": "T"})),
            (
                json!({"closes_at": "2026-11-23T22:00:00Z"}),
                json!({"closes_at": null}),
                json!({"closes_at": "2026-11-23T22:00:00Z"}),
            ),
            (json!({"listed": false}), json!({}), json!({"listed": false})),
            (
                json!({"choices": [a, {"choice": "b", "title": "Bee", "text": "x"}, c]}),
                json!({"choices": [{"choice": "b", "title": "B"}]}),
                json!({"choices": [{"choice": "b", "title": "Bee", "text": "x"}]}),
            ),
            (
                json!({"choices": [a, {"choice": "b", "title": "B"}, {"choice": "c", "title": "C"}]}),
                json!({"choices": [{"choice": "c", "picture": "/c.png"}]}),
                json!({"choices": [{"choice": "c"}]}),
            ),
            (
                json!({"choices": [a, c, {"choice": "d", "title": "D"}]}),
                json!({"choices": [{"choice": "b", "title": "B"}]}),
                json!({"choices": [{"choice": "d", "title": "D"}]}),
            ),
            (
                json!({"choices": [c, {"choice": "b", "title": "B"}, a]}),
                json!({"choices": [{"choice": "a"}, {"choice": "b"}, {"choice": "c"}]}),
                json!({"choices": [{"choice": "c"}, {"choice": "b"}, {"choice": "a"}]}),
            ),
        ] {
            let difference = Difference::between(&contest(&as_it_was), &contest(&change)).unwrap();
            let said = (Value::Object(difference.before), Value::Object(difference.after));
            assert_eq!(said, (before, after), "{change}");
        }
        assert_eq!(Difference::between(&contest(&as_it_was), &contest(&as_it_was)), None);
    }

    #[test]
    fn an_entry_stays_small() {
        let many = |title: &str| -> Value {
            let choice = |n| json!({"choice": format!("c{n}"), "title": format!("{title} {n}")});
            json!({"choices": (0..1_000).map(choice).collect::<Vec<_>>()})
        };
        let difference = Difference::between(&contest(&many("a")), &contest(&many("b"))).unwrap();
        assert_eq!(difference.after["choices"].as_array().unwrap().len(), CHOICES_MAX);
    }
}
