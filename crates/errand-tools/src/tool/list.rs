//! `list`: the shape of a folder.

use crate::context::{Context, Output, Site};
use crate::echo::{bounded, counted, quoted};
use crate::input;
use crate::start::start;
use crate::tool::{Effect, Tool};
use errand_index::tree::{Entry, Kind, list, list_matching};
use errand_workspace::files::FileKind;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

const DEPTH: usize = 2;
const DEPTH_MAX: usize = 20;
const MAX_ENTRIES: usize = 300;

pub struct List;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    path: Option<String>,
    /// Levels (2; all with glob).
    depth: Option<usize>,
    /// Only files such as *.rs.
    glob: Option<String>,
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
            let path = match start(context, input.path.as_deref().unwrap_or("."), "listed") {
                Ok((path, FileKind::Folder)) => PathBuf::from(path),
                Ok((path, _)) => return Output::error(format!("{} is not a folder", quoted(&path))),
                Err(problem) => return Output::error(problem),
            };
            let root = context.workspace.tree_dir();
            let depth = move |usual: usize| input.depth.unwrap_or(usual).clamp(1, DEPTH_MAX);
            let look = move || match &input.glob {
                Some(glob) => list_matching(&root, &path, depth(DEPTH_MAX), glob).map_err(bounded),
                None => Ok(list(&root, &path, depth(DEPTH))),
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(Ok(entries)) => Output::text(show(&entries)),
                Ok(Err(problem)) => Output::error(problem),
                Err(error) => Output::error(format!("the listing broke off: {error}")),
            }
        })
    }
}

fn show(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nothing there".to_owned();
    }
    let mut out = String::new();
    for entry in entries.iter().take(MAX_ENTRIES) {
        let path = &entry.path;
        out.push_str(&match &entry.kind {
            Kind::File { n_lines: Some(n), .. } => format!("{path}  {}\n", counted(*n as usize, "line")),
            Kind::File { n_bytes, n_lines: None } => format!("{path}  {}\n", counted(*n_bytes as usize, "byte")),
            Kind::Folder { n_files } => format!("{path}/  {}\n", counted(*n_files, "file")),
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
