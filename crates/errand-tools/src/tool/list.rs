//! `list`: the shape of a folder.

use crate::context::{Context, Output, Site};
use crate::input;
use crate::tool::{Effect, Tool};
use errand_index::tree::{Kind, list};
use errand_workspace::files::FileKind;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

const DEPTH: usize = 2;
const MAX_ENTRIES: usize = 300;

pub struct List;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    path: Option<String>,
    /// Levels (2).
    depth: Option<usize>,
}

impl Tool for List {
    fn name(&self) -> &'static str {
        "list"
    }

    fn description(&self) -> &'static str {
        "List a folder with sizes and line counts; ignored entries are named, not entered."
    }

    fn schema(&self) -> Value {
        input::schema::<Input>()
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    fn headline(&self, input: &Value) -> String {
        input.get("path").and_then(Value::as_str).unwrap_or(".").to_owned()
    }

    fn call<'a>(&'a self, context: &'a Context, site: Site<'a>) -> BoxFuture<'a, Output> {
        Box::pin(async move {
            let input: Input = match input::parse(site.input) {
                Ok(input) => input,
                Err(problem) => return Output::error(problem),
            };
            let path = match context.files.normalize(input.path.as_deref().unwrap_or(".")) {
                Ok(path) => path,
                Err(refusal) => return Output::error(refusal),
            };
            if !path.is_empty() {
                match context.files.stat(&path) {
                    Ok(Some(stat)) if stat.kind == FileKind::Folder => {}
                    Ok(Some(_)) => return Output::error(format!("`{path}` is not a folder")),
                    Ok(None) => return Output::error(format!("`{path}` does not exist")),
                    Err(error) => return Output::error(error),
                }
            }
            let depth = input.depth.unwrap_or(DEPTH).clamp(1, 20);
            let root = context.workspace.tree_dir();
            let look = move || list(&root, &PathBuf::from(path), depth);
            match tokio::task::spawn_blocking(look).await {
                Ok(entries) => Output::text(show(&entries)),
                Err(error) => Output::error(format!("the listing broke off: {error}")),
            }
        })
    }
}

fn show(entries: &[errand_index::tree::Entry]) -> String {
    if entries.is_empty() {
        return "empty".to_owned();
    }
    let mut out = String::new();
    for entry in entries.iter().take(MAX_ENTRIES) {
        let path = &entry.path;
        out.push_str(&match &entry.kind {
            Kind::File { n_lines: Some(n), .. } => format!("{path}  {n} lines\n"),
            Kind::File { n_bytes, n_lines: None } => format!("{path}  {n_bytes} bytes\n"),
            Kind::Folder { n_files } => format!("{path}/  {n_files} files\n"),
            Kind::Link => format!("{path}  link\n"),
            Kind::Ignored => format!("{path}  ignored\n"),
        });
    }
    if entries.len() > MAX_ENTRIES {
        out.push_str(&format!(
            "… and {} more entries: list a folder below, or less deep\n",
            entries.len() - MAX_ENTRIES
        ));
    }
    out
}
