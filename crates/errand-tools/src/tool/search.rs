//! `search`: text in files, with complete counts.

use crate::context::{Context, Output, Site};
use crate::echo::{bounded, counted};
use crate::input;
use crate::start::start;
use crate::tool::{Effect, Tool};
use errand_index::search::{FileHits, Found, Query, search};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

const MAX_LINES: usize = 60;
const MAX_CONTEXT: usize = 5;
const OUTPUT_BYTES: usize = 24_000;
/// Files named when there are more than lines can be shown of.
const FILES_NAMED: usize = 60;

pub struct Search;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Regular expression, line by line.
    pattern: String,
    /// Files or folders; all when left out.
    paths: Option<Vec<String>>,
    /// Such as *.rs or src/**/*.py.
    glob: Option<String>,
    /// Lines around each hit, 0 to 5.
    context: Option<usize>,
    /// Hits shown (60); all are counted.
    max: Option<usize>,
    mode: Option<Mode>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Lines,
    Files,
    Count,
}

impl Tool for Search {
    fn name(&self) -> &'static str {
        "search"
    }

    fn description(&self) -> &'static str {
        "Search file contents. Hits come as `12│text`, lines around them as `12┊text`, grouped by file and always counted \
         in full; ignored files are left out."
    }

    fn schema(&self) -> Value {
        input::schema::<Input>()
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    fn headline(&self, input: &Value) -> String {
        let text = |key: &str| input.get(key).and_then(Value::as_str).unwrap_or_default();
        format!("{} {}", text("pattern"), text("glob"))
    }

    fn call<'a>(&'a self, context: &'a Context, site: Site<'a>) -> BoxFuture<'a, Output> {
        Box::pin(async move {
            let input: Input = match input::parse(site.input) {
                Ok(input) => input,
                Err(problem) => return Output::error(problem),
            };
            let starts = match starts(context, input.paths.as_deref().unwrap_or_default()) {
                Ok(starts) => starts,
                Err(problem) => return Output::error(problem),
            };
            let root = context.workspace.tree_dir();
            let mode = input.mode.unwrap_or(Mode::Lines);
            let look = move || {
                let query = Query {
                    pattern: &input.pattern,
                    starts,
                    glob: input.glob.as_deref(),
                    n_context: input.context.unwrap_or(0).min(MAX_CONTEXT),
                    max_lines: if mode == Mode::Lines { input.max.unwrap_or(MAX_LINES).clamp(1, 1_000) } else { 0 },
                };
                search(&root, &query)
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(Ok(found)) => Output::text(show(&found, mode)),
                Ok(Err(problem)) => Output::error(bounded(problem)),
                Err(error) => Output::error(format!("the search broke off: {error}")),
            }
        })
    }
}

/// The folders and files to start from, each looked at through the workspace's handle: a link is no start.
fn starts(context: &Context, paths: &[String]) -> Result<Vec<PathBuf>, String> {
    let starts = paths.iter().map(|path| Ok(PathBuf::from(start(context, path, "searched")?.0)));
    starts.collect()
}

fn show(found: &Found, mode: Mode) -> String {
    let mut out = String::new();
    if let Some(why) = &found.taken_literally {
        out.push_str(&format!("(not a regular expression, searched as plain text: {})\n", bounded(why)));
    }
    let (n_hits, n_files) = (counted(found.n_matches(), "hit"), counted(found.n_searched, "file"));
    out.push_str(&format!("{n_hits} in {} of {n_files}\n", found.files.len()));
    let mut n_shown = 0;
    let mut rest = Vec::new();
    for file in &found.files {
        if file.n_lines() == 0 || out.len() >= OUTPUT_BYTES {
            rest.push(file);
        } else {
            let (text, n_here) = show_lines(file, OUTPUT_BYTES - out.len());
            out.push_str(&text);
            n_shown += n_here;
        }
    }
    if mode == Mode::Lines && rest.iter().any(|file| !file.is_binary) {
        out.push_str(&format!("{n_shown} shown; the other files:\n"));
    }
    for file in rest.iter().take(FILES_NAMED) {
        match (mode, file.is_binary) {
            (_, true) => out.push_str(&format!("{} (binary)\n", file.path)),
            (Mode::Files, false) => out.push_str(&format!("{}\n", file.path)),
            (Mode::Lines | Mode::Count, false) => out.push_str(&format!("{} ({})\n", file.path, file.n_matches)),
        }
    }
    if rest.len() > FILES_NAMED {
        out.push_str(&format!("… and {}\n", counted(rest.len() - FILES_NAMED, "more file")));
    }
    for path in found.too_large.iter().take(FILES_NAMED) {
        out.push_str(&format!("{path} not searched: too large\n"));
    }
    out
}

/// One file's lines as far as there is room, and how many hits are among them.
fn show_lines(file: &FileHits, room: usize) -> (String, usize) {
    let has_context = file.lines.iter().any(|line| !line.is_match);
    let mut body = String::new();
    let (mut n_here, mut last) = (0, None);
    for line in file.lines.iter() {
        if body.len() > room {
            break;
        }
        if last.is_some_and(|last| line.number > last + 1) && has_context {
            body.push_str("  --\n");
        }
        last = Some(line.number);
        n_here += usize::from(line.is_match);
        let mark = if line.is_match { '│' } else { '┊' };
        body.push_str(&format!("{:>5}{mark}{}\n", line.number, line.text));
    }
    let more = if n_here < file.n_matches { format!(", {n_here} shown") } else { String::new() };
    (format!("{} ({}{more})\n{body}", file.path, file.n_matches), n_here)
}
