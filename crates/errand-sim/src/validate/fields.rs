//! Shape checks as data: an object is a list of fields with a kind each; anything else in it is refused.
//! Optional fields may be null, as the vendor's SDKs send them.

use serde_json::Value;

use crate::refusal::{Checked, Refusal};

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// A whole number of at least this much.
    Whole(u64),
    Number,
    Bool,
    Object,
    List,
    TextOrList,
    TextOrObject,
    OneOf(&'static [&'static str]),
    /// An object with these fields.
    Fields(&'static [Field]),
    /// A list of texts.
    Texts,
    Any,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    name: &'static str,
    kind: Kind,
    required: bool,
}

pub(super) const fn need(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

pub(super) const fn may(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

pub(super) const CACHE_CONTROL: Field = may(
    "cache_control",
    Kind::Fields(&[need("type", Kind::OneOf(&["ephemeral"])), may("ttl", Kind::OneOf(&["5m", "1h"]))]),
);

/// Checks `value` against `fields`, with errors that name the path as the vendor does.
pub(super) fn check(path: &str, value: &Value, fields: &[Field]) -> Checked {
    check_with(path, value, &[fields])
}

/// The same with several lists of fields, all of them allowed.
pub(super) fn check_with(path: &str, value: &Value, lists: &[&[Field]]) -> Checked {
    let Value::Object(object) = value else {
        return Err(Refusal::invalid(format!("{path}: Input should be a valid dictionary")));
    };
    let fields = || lists.iter().flat_map(|list| list.iter());
    for field in fields() {
        let path = join(path, field.name);
        match object.get(field.name) {
            None if field.required => return Err(Refusal::invalid(format!("{path}: Field required"))),
            Some(Value::Null) if !field.required => {}
            None => {}
            Some(value) => check_kind(&path, value, field.kind)?,
        }
    }
    match object.keys().find(|name| !fields().any(|field| field.name == *name)) {
        Some(name) => Err(extra(&join(path, name))),
        None => Ok(()),
    }
}

pub(super) fn extra(path: &str) -> Refusal {
    Refusal::invalid(format!("{path}: Extra inputs are not permitted"))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

fn check_kind(path: &str, value: &Value, kind: Kind) -> Checked {
    let fits = match kind {
        Kind::Text => value.is_string(),
        Kind::Whole(least) => value.as_u64().is_some_and(|number| number >= least),
        Kind::Number => value.is_number(),
        Kind::Bool => value.is_boolean(),
        Kind::Object => value.is_object(),
        Kind::List => value.is_array(),
        Kind::TextOrList => value.is_string() || value.is_array(),
        Kind::TextOrObject => value.is_string() || value.is_object(),
        Kind::OneOf(names) => value.as_str().is_some_and(|name| names.contains(&name)),
        Kind::Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        Kind::Any => true,
        Kind::Fields(fields) => return check(path, value, fields),
    };
    if fits {
        return Ok(());
    }
    let wanted = match kind {
        Kind::Text => "a valid string".to_string(),
        Kind::Whole(least) => format!("a valid integer greater than or equal to {least}"),
        Kind::Number => "a valid number".to_string(),
        Kind::Bool => "a valid boolean".to_string(),
        Kind::Object | Kind::Fields(_) => "a valid dictionary".to_string(),
        Kind::List => "a valid list".to_string(),
        Kind::TextOrList => "a valid string or list".to_string(),
        Kind::TextOrObject => "a valid string or dictionary".to_string(),
        Kind::Texts => "a valid list of strings".to_string(),
        Kind::Any => "anything".to_string(),
        Kind::OneOf(names) => format!("one of '{}'", names.join("', '")),
    };
    Err(Refusal::invalid(format!("{path}: Input should be {wanted}")))
}
