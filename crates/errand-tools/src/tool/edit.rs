//! `edit`: exact replacements over several files, all or nothing; answers with the hunks.

use crate::context::{Context, Output, Site};
use crate::echo::{bounded, counted};
use crate::input;
use crate::insertions;
use crate::replace::{self, Texts};
use crate::tool::{Effect, Tool};
use errand_task::facts::FileChange;
use errand_workspace::diff::hunks;
use errand_workspace::files::{FileError, FileKind, FileStat, Files, Refusal};
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
            match edit(context, site.input).await {
                Ok(output) => output,
                Err(problem) => Output::error(problem),
            }
        })
    }
}

async fn edit(context: &Context, input: &str) -> Result<Output, String> {
    let (before, edits) = open_all(context, input)?;
    // Large texts take a while to compare.
    let plan = tokio::task::spawn_blocking(move || plan(before, &edits));
    let plan = plan.await.map_err(|error| format!("nothing was changed: the edit broke off: {error}"))??;
    write(&context.files, &plan).map_err(|error| format!("nothing was changed: {}", bounded(error)))?;
    let used = used(context).await;
    let changed = plan.changes.into_iter().map(|change| change.path).collect();
    Ok(Output { changed, ..Output::text(plan.report + &used) })
}

/// The texts of all files, with every border asked.
fn open_all(context: &Context, input: &str) -> Result<(Texts, Vec<replace::Edit>), String> {
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
    if problems.is_empty() { Ok((before, input.edits)) } else { Err(refused(&problems)) }
}

fn refused(problems: &[String]) -> String {
    format!("nothing was changed:\n{}", problems.join("\n"))
}

fn open(context: &Context, path: &str) -> Result<(String, Option<String>), String> {
    let path = context.files.normalize(path).map_err(bounded)?;
    context.borders.check_path(&path).map_err(bounded)?;
    match context.files.read(&path, FILE_BYTES_MAX) {
        Ok(read) if read.size > FILE_BYTES_MAX => Err(format!("{path}: too large to edit here, {} bytes", read.size)),
        Ok(read) => match String::from_utf8(read.bytes) {
            Ok(text) => Ok((path, Some(text))),
            Err(_) => Err(format!("{path}: not UTF-8 text; change it with run")),
        },
        Err(FileError::Refused(Refusal::NotFound(_))) => Ok((path, None)),
        Err(error) => Err(bounded(error)),
    }
}

/// One file that is to change.
struct Change {
    path: String,
    old: Option<String>,
    new: Option<String>,
}

struct Plan {
    changes: Vec<Change>,
    /// What the model is told when it is done.
    report: String,
}

fn plan(mut before: Texts, edits: &[replace::Edit]) -> Result<Plan, String> {
    let after = replace::apply(&before, edits).map_err(|problems| refused(&problems))?;
    let changes = after.into_iter().map(|(path, new)| Change { old: before.remove(&path).flatten(), path, new });
    let changes: Vec<_> = changes.filter(|change| change.old != change.new).collect();
    if changes.is_empty() {
        return Err("the edits together change nothing".to_owned());
    }
    let mut report: String = changes.iter().map(describe).collect();
    if report.len() > HUNK_BYTES {
        report.truncate(report.floor_char_boundary(HUNK_BYTES));
        report.push_str("\n… (the rest of the hunks is not shown; all edits are applied)\n");
    }
    Ok(Plan { changes, report })
}

/// Writes what differs; when a write fails, what was written before is put back. Deletions come last, because a file
/// that is made again would not have the permissions it had: each is tried by replacing the file with itself.
fn write(files: &Files, plan: &Plan) -> Result<(), FileError> {
    let is_link = |path: &str| matches!(files.stat(path), Ok(Some(FileStat { kind: FileKind::Link, .. })));
    let mut steps: Vec<(&str, Option<&str>, Option<&str>)> = Vec::new();
    let mut deletions = Vec::new();
    for Change { path, old, new } in &plan.changes {
        let old = old.as_deref();
        match new.as_deref() {
            Some(new) => steps.push((path, old, Some(new))),
            None if is_link(path) => deletions.push((path.as_str(), old, None)),
            None => {
                steps.push((path, old, old));
                deletions.insert(0, (path.as_str(), old, None));
            }
        }
    }
    steps.extend(deletions);
    for (n_done, &(path, old, new)) in steps.iter().enumerate() {
        if let Err(error) = put(files, path, old, new) {
            for &(path, old, new) in steps.iter().take(n_done).rev() {
                // The first error is the one to report.
                let _ = put(files, path, new, old);
            }
            return Err(error);
        }
    }
    Ok(())
}

fn put(files: &Files, path: &str, old: Option<&str>, new: Option<&str>) -> Result<(), FileError> {
    match (old, new) {
        (None, Some(new)) => files.create(path, new.as_bytes()),
        (Some(_), Some(new)) => files.write_atomic(path, new.as_bytes()),
        (Some(_), None) => files.delete(path),
        (None, None) => Ok(()),
    }
}

fn describe(Change { path, old, new }: &Change) -> String {
    match (old, new) {
        (None, Some(new)) => format!("{path} created, {}\n", counted(new.lines().count(), "line")),
        (_, None) => format!("{path} deleted\n"),
        (Some(old), Some(new)) => {
            let hunks = hunks(old, new);
            format!("{path} +{} −{}\n{}", hunks.added, hunks.removed, insertions::fold(&hunks.text))
        }
    }
}

/// `in all +121 −1, 122 of 150 lines`, where the contract has a limit.
async fn used(context: &Context) -> String {
    let Some(limit) = context.max_diff_lines else { return String::new() };
    match context.changes_since(context.workspace.base()).await {
        Ok(changes) => {
            let sum = |lines: fn(&FileChange) -> u32| changes.iter().map(lines).fold(0, u32::saturating_add);
            let (added, removed) = (sum(|change| change.added), sum(|change| change.removed));
            format!("in all +{added} −{removed}, {} of {limit} lines\n", added.saturating_add(removed))
        }
        Err(problem) => format!("how many of {limit} lines are changed in all is unknown: {}\n", bounded(problem)),
    }
}
