//! What is wrong with the arguments of a call, all of it at once.
//!
//! Knows the part of JSON Schema that our own input types come to: objects without additional properties, arrays,
//! strings, booleans, integers with bounds, enums. What it lets through is left to serde.

use crate::echo::{cut, quoted};
use serde_json::{Map, Value};

/// Mistakes named in one answer.
const MISTAKES_MAX: usize = 20;

/// Everything in `value` that does not fit `schema`; empty when nothing stands against it.
pub fn find(schema: &Value, value: &Value) -> Vec<String> {
    let mut mistakes = Mistakes { found: Vec::new(), n_more: 0 };
    mistakes.check(schema, value, "");
    if mistakes.n_more > 0 {
        mistakes.found.push(format!("and {} more", mistakes.n_more));
    }
    mistakes.found
}

/// The names an object may have.
pub fn known(schema: &Value) -> Vec<&str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map(|properties| properties.keys().map(String::as_str).collect()).unwrap_or_default()
}

struct Mistakes {
    found: Vec<String>,
    n_more: usize,
}

impl Mistakes {
    fn add(&mut self, mistake: String) {
        if self.found.len() < MISTAKES_MAX {
            self.found.push(mistake);
        } else {
            self.n_more += 1;
        }
    }

    fn check(&mut self, schema: &Value, value: &Value, path: &str) {
        if let Some(wanted) = mismatch(schema, value) {
            let path = if path.is_empty() { "the input" } else { path };
            return self.add(format!("{path}: must be {wanted}, is {}", described(value)));
        }
        match value {
            Value::Object(given) => self.check_object(schema, given, path),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check(schema.get("items").unwrap_or(&Value::Null), item, &format!("{path}[{index}]"));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn check_object(&mut self, schema: &Value, given: &Map<String, Value>, path: &str) {
        let inside = |key: &str| if path.is_empty() { cut(key) } else { format!("{path}.{}", cut(key)) };
        let properties = schema.get("properties").and_then(Value::as_object);
        let required: Vec<_> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for key in given.keys().filter(|key| properties.is_none_or(|known| !known.contains_key(*key))) {
            let hint =
                if path.is_empty() { String::new() } else { format!(" (there are {})", known(schema).join(", ")) };
            self.add(format!("there is no argument `{}`{hint}", inside(key)));
        }
        for key in required.iter().filter(|key| !given.contains_key(**key)) {
            self.add(format!("`{}` is missing", inside(key)));
        }
        for (key, value) in given {
            let Some(schema) = properties.and_then(|properties| properties.get(key)) else { continue };
            // What may be left out may also be null.
            if !value.is_null() || required.contains(&key.as_str()) {
                self.check(schema, value, &inside(key));
            }
        }
    }
}

/// What the value should have been, unless it is.
fn mismatch(schema: &Value, value: &Value) -> Option<String> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
        let is_one = value.as_str().is_some_and(|word| words.contains(&word));
        return (!is_one).then(|| format!("one of {}", words.join(", ")));
    }
    let kind = match schema.get("type") {
        // `Option` comes as a list of the type and null.
        Some(Value::Array(kinds)) => kinds.iter().find_map(|kind| kind.as_str().filter(|&kind| kind != "null")),
        kind => kind.and_then(Value::as_str),
    };
    let (is_right, wanted) = match kind? {
        "string" => (value.is_string(), "a string"),
        "boolean" => (value.is_boolean(), "true or false"),
        "array" => (value.is_array(), "an array"),
        "object" => (value.is_object(), "an object"),
        "integer" if schema.get("minimum").is_none() => (value.is_i64(), "a whole number"),
        "integer" if schema.get("format").is_some_and(|format| format == "uint32") => {
            (value.as_u64().is_some_and(|n| u32::try_from(n).is_ok()), "a whole number from 0 to 4294967295")
        }
        "integer" => (value.is_u64(), "a whole number, not negative"),
        _ => return None,
    };
    (!is_right).then(|| wanted.to_owned())
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(is_true) => is_true.to_string(),
        Value::Number(number) => format!("the number {}", cut(&number.to_string())),
        Value::String(text) if text.len() <= 40 => format!("the string {}", quoted(text)),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
