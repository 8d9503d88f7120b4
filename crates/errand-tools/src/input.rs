//! From the bytes of a tool call to its typed input, with one answer that names every mistake.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The schema a tool's input must have, without what only costs tokens.
pub fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(|schema: &mut schemars::Schema| {
        for noise in ["title", "format", "minimum", "default"] {
            schema.remove(noise);
        }
        // `Option<T>` is "may be left out", not "may be null".
        if let Some(Value::Array(kinds)) = schema.get("type").cloned() {
            let kinds: Vec<_> = kinds.into_iter().filter(|kind| kind != "null").collect();
            if let [only] = kinds.as_slice() {
                schema.insert("type".to_owned(), only.clone());
            }
        }
        if let Some(Value::Array(values)) = schema.get("enum").cloned() {
            let values: Vec<_> = values.into_iter().filter(|value| !value.is_null()).collect();
            schema.insert("enum".to_owned(), Value::Array(values));
        }
    })
    .transform(&mut schema);
    schema.to_value()
}

/// The typed input, or a text for the model.
pub fn parse<T: JsonSchema + DeserializeOwned>(input: &str) -> Result<T, String> {
    let value: Value = serde_json::from_str(input).map_err(|error| format!("the input is not valid JSON: {error}"))?;
    let Value::Object(given) = &value else {
        return Err("the input must be a JSON object".to_owned());
    };
    // How the dialect hands back arguments that were no JSON.
    if given.len() == 1 && given.contains_key("INVALID_JSON") {
        return Err("the input was not valid JSON; send the call again".to_owned());
    }
    let schema = schema::<T>();
    let known: Vec<&str> = schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let required = schema.get("required").and_then(Value::as_array);
    let unknown = given.keys().filter(|key| !known.contains(&key.as_str()));
    let missing = required.into_iter().flatten().filter_map(Value::as_str).filter(|&key| !given.contains_key(key));
    let mistakes: Vec<_> = unknown
        .map(|key| format!("there is no argument `{key}`"))
        .chain(missing.map(|key| format!("`{key}` is missing")))
        .collect();
    if !mistakes.is_empty() {
        return Err(format!("{}; the arguments are: {}", mistakes.join(", "), known.join(", ")));
    }
    serde_json::from_value(value).map_err(|error| format!("{error}; the arguments are: {}", known.join(", ")))
}
