//! `edit`: exact replacements over several files, all or nothing; answers with the hunks.

use crate::context::{Context, Output, Site};
use crate::input;
use crate::replace::{self, Texts};
use crate::tool::{Effect, Tool};
use errand_workspace::diff::hunks;
use errand_workspace::files::{FileError, Files, Refusal};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

const EDITS_MAX: usize = 40;
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
const HUNK_BYTES: usize = 12_000;

pub struct Edit;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    edits: Vec<replace::Edit>,
}

impl Tool for Edit {
    fn name(&self) -> &'static str {
        "edit"
    }

    fn description(&self) -> &'static str {
        "Change files: 1 to 40 exact replacements in one call, all applied in order or none. old must occur exactly \
         count times. Answers with the hunks, so reading the file again is not needed."
    }

    fn schema(&self) -> Value {
        input::schema::<Input>()
    }

    fn effect(&self) -> Effect {
        Effect::Changes
    }

    fn headline(&self, input: &Value) -> String {
        let edits = input.get("edits").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let paths: BTreeSet<_> = edits.iter().filter_map(|edit| edit.get("path")?.as_str()).collect();
        paths.into_iter().collect::<Vec<_>>().join(" ")
    }

    fn call<'a>(&'a self, context: &'a Context, site: Site<'a>) -> BoxFuture<'a, Output> {
        Box::pin(async move {
            match prepare(context, site.input).and_then(|(before, after)| write(context, &before, &after)) {
                Ok(output) => output,
                Err(problem) => Output::error(problem),
            }
        })
    }
}

/// The texts before and after, with every border asked; nothing is written yet.
fn prepare(context: &Context, input: &str) -> Result<(Texts, Texts), String> {
    let mut input: Input = input::parse(input)?;
    if input.edits.is_empty() || input.edits.len() > EDITS_MAX {
        return Err(format!("edits takes 1 to {EDITS_MAX} entries, this call has {}", input.edits.len()));
    }
    let mut before = Texts::new();
    let mut problems = Vec::new();
    for edit in &mut input.edits {
        match open(context, &edit.path) {
            Ok((path, text)) => {
                edit.path.clone_from(&path);
                before.insert(path, text);
            }
            Err(problem) if !problems.contains(&problem) => problems.push(problem),
            Err(_) => {}
        }
    }
    if !problems.is_empty() {
        return Err(format!("nothing was changed:\n{}", problems.join("\n")));
    }
    let after = replace::apply(&before, &input.edits)
        .map_err(|problems| format!("nothing was changed:\n{}", problems.join("\n")))?;
    Ok((before, after))
}

fn open(context: &Context, path: &str) -> Result<(String, Option<String>), String> {
    let path = context.files.normalize(path).map_err(|refusal| refusal.to_string())?;
    context.borders.check_path(&path).map_err(|violation| violation.to_string())?;
    match context.files.read(&path, FILE_BYTES_MAX) {
        Ok(read) if read.size > FILE_BYTES_MAX => Err(format!("{path}: too large to edit here, {} bytes", read.size)),
        Ok(read) => match String::from_utf8(read.bytes) {
            Ok(text) => Ok((path, Some(text))),
            Err(_) => Err(format!("{path}: not UTF-8 text; change it with run")),
        },
        Err(FileError::Refused(Refusal::NotFound(_))) => Ok((path, None)),
        Err(error) => Err(error.to_string()),
    }
}

/// Writes what differs; when a write fails, what was written before is put back.
fn write(context: &Context, before: &Texts, after: &Texts) -> Result<Output, String> {
    let mut written: Vec<&str> = Vec::new();
    let mut report = String::new();
    for (path, new) in after {
        let old = before.get(path).and_then(Option::as_deref);
        if old == new.as_deref() {
            continue;
        }
        if let Err(error) = put(&context.files, path, old, new.as_deref()) {
            for path in written.iter().rev() {
                let (now, then) = (after.get(*path), before.get(*path));
                // The first error is the one to report.
                let _ = put(&context.files, path, now.and_then(Option::as_deref), then.and_then(Option::as_deref));
            }
            return Err(format!("nothing was changed: {error}"));
        }
        written.push(path);
        report.push_str(&describe(path, old, new.as_deref()));
    }
    if written.is_empty() {
        return Err("the edits together change nothing".to_owned());
    }
    if report.len() > HUNK_BYTES {
        let cut = report.floor_char_boundary(HUNK_BYTES);
        report.truncate(cut);
        report.push_str("\n… (the rest of the hunks is not shown; all edits are applied)");
    }
    let changed = written.into_iter().map(str::to_owned).collect();
    Ok(Output { changed, ..Output::text(report) })
}

fn put(files: &Files, path: &str, old: Option<&str>, new: Option<&str>) -> Result<(), FileError> {
    match (old, new) {
        (None, Some(new)) => files.create(path, new.as_bytes()),
        (Some(_), Some(new)) => files.write_atomic(path, new.as_bytes()),
        (Some(_), None) => files.delete(path),
        (None, None) => Ok(()),
    }
}

fn describe(path: &str, old: Option<&str>, new: Option<&str>) -> String {
    match (old, new) {
        (None, Some(new)) => format!("{path} created, {} lines\n", new.lines().count()),
        (_, None) => format!("{path} deleted\n"),
        (Some(old), Some(new)) => {
            let hunks = hunks(old, new);
            format!("{path} +{} −{}\n{}", hunks.added, hunks.removed, hunks.text)
        }
    }
}
