//! From the bytes of a tool call to its typed input, with one answer that names every mistake.

use crate::echo::bounded;
use crate::mistakes;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The schema a tool's input must have, without what only costs tokens.
pub fn schema<T: JsonSchema>() -> Value {
    let mut schema = whole_schema::<T>();
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

fn whole_schema<T: JsonSchema>() -> schemars::Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    settings.into_generator().into_root_schema_for::<T>()
}

/// The typed input, or a text for the model.
pub fn parse<T: JsonSchema + DeserializeOwned>(input: &str) -> Result<T, String> {
    let value: Value = serde_json::from_str(input).map_err(|error| format!("the input is not valid JSON: {error}"))?;
    let Value::Object(given) = &value else {
        return Err("the input must be a JSON object".to_owned());
    };
    // How the dialect hands back arguments that were no JSON.
    if given.len() == 1 && given.contains_key("INVALID_JSON") {
        return Err("the input was not valid JSON, or nested too deep; send the call again".to_owned());
    }
    let schema = whole_schema::<T>().to_value();
    let known = mistakes::known(&schema).join(", ");
    let mistakes = mistakes::find(&schema, &value);
    if !mistakes.is_empty() {
        return Err(format!("{}; the arguments are: {known}", mistakes.join(", ")));
    }
    serde_json::from_value(value).map_err(|error| format!("{}; the arguments are: {known}", bounded(error)))
}
