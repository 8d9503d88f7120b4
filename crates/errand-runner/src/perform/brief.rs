//! The opening message: the contract, then facts errand measured, so that the model does not ask for them one by one.
//!
//! Fixed for the life of the task. Nothing in it changes while the task works.

use super::tree_outline::outline_of_tree;
use super::{Desk, Failed, blocking, tool_versions};
use errand_model::catalog;
use errand_task::borders::Borders;
use errand_task::contract::{Contract, Mode};
use errand_task::event::{Event, TaskEvent};
use errand_task::facts::CheckRecord;
use errand_task::id::CommitId;
use errand_task::state::State;
use errand_task::text::Text;
use errand_workspace::ledger::{Ledger, LogLine};
use errand_workspace::trees::TreeEntry;
use std::sync::Arc;

const PROMPT: &str = include_str!("../prompt.md");
/// Files with instructions for agents, and how much of them is shown.
const INSTRUCTIONS: [&str; 2] = ["AGENTS.md", "CLAUDE.md"];
const INSTRUCTION_BYTES: usize = 8_000;
/// Manifests that decide how a project builds; one at the top is shown when it is small.
const MANIFESTS: [&str; 4] = ["Cargo.toml", "package.json", "pyproject.toml", "go.mod"];
const MANIFEST_BYTES: u64 = 2_500;
const COMMITS: usize = 5;

impl Desk {
    pub(super) async fn brief(&mut self, state: &State) -> Result<(), Failed> {
        self.shared.progress(&state.id).say("measuring the repository");
        let contract = state.contract();
        let settings =
            catalog::resolve_for(&contract.model, &state.submitted.endpoint.base_url).map_err(Failed::internal)?;
        let ledger = self.ledger(state).await?;
        let (for_facts, commit) = (Arc::clone(&ledger), state.submitted.source.base_commit.clone());
        let borders = Borders::of(contract).map_err(Failed::internal)?;
        let facts = blocking(move || Facts::measure(&for_facts, &commit, &borders)).await?.map_err(Failed::Internal)?;
        let versions = tool_versions::measure(&self.shared, &facts.entries).await?;
        let opening = opening(state, &facts, &versions);
        let mut blobs = Vec::new();
        let event = TaskEvent::Briefed {
            settings,
            system: Text::store(PROMPT.to_owned(), &mut blobs),
            tools: Text::store(Self::registry(state).definitions(), &mut blobs),
            opening: Text::store(opening, &mut blobs),
        };
        self.live.note(vec![Event::Task(event)], blobs).await;
        Ok(())
    }
}

/// What the ledger says about the base.
struct Facts {
    entries: Arc<Vec<TreeEntry>>,
    tree: String,
    commits: Vec<LogLine>,
    /// The manifest at the top, when it is small.
    manifest: Option<(String, String)>,
    /// Instruction files by path, cut to what is shown.
    instructions: Vec<(String, String)>,
}

impl Facts {
    fn measure(ledger: &Ledger, commit: &CommitId, borders: &Borders) -> Result<Self, String> {
        let tree = ledger.tree_of(commit).map_err(|error| error.to_string())?;
        let entries = ledger.list_tree(&tree).map_err(|error| error.to_string())?;
        let commits = ledger.last_commits(commit, COMMITS).map_err(|error| error.to_string())?;
        let mut instructions = Vec::new();
        for entry in
            entries.iter().filter(|entry| INSTRUCTIONS.contains(&entry.shown().as_str()) && entry.mode.is_file())
        {
            let bytes = ledger.read_blob(&entry.id).map_err(|error| error.to_string())?;
            let mut text = String::from_utf8_lossy(&bytes).into_owned();
            if text.len() > INSTRUCTION_BYTES {
                text.truncate(text.floor_char_boundary(INSTRUCTION_BYTES));
                text.push_str("\n… (cut; read the file for the rest)");
            }
            instructions.push((entry.shown(), text));
        }
        let tree = outline_of_tree(ledger, &entries, borders);
        let small = |entry: &&TreeEntry| MANIFESTS.contains(&entry.shown().as_str()) && entry.size <= MANIFEST_BYTES;
        let manifest = entries.iter().find(small).and_then(|entry| {
            let bytes = ledger.read_blob(&entry.id).ok()?;
            Some((entry.shown(), String::from_utf8(bytes).ok()?))
        });
        Ok(Self { entries, tree, commits, manifest, instructions })
    }
}

fn opening(state: &State, facts: &Facts, versions: &[String]) -> String {
    let mut out = String::new();
    let contract = state.contract();
    push(&mut out, &format!("# The job\n\n{}\n\n# The contract\n", contract.goal));
    push_contract(&mut out, contract);
    push(&mut out, "\n# Measured before you started\n");
    push_setup(&mut out, &state.setup);
    push_checks(&mut out, &state.baseline);
    if !versions.is_empty() {
        push(&mut out, &format!("\nTools: {}", versions.join("; ")));
    }
    out.push_str(&facts.tree);
    if facts.commits.len() > 1 {
        push(&mut out, "\nLast commits:");
        for commit in &facts.commits {
            push(&mut out, &format!("{} {} {}", commit.short_id, commit.date, commit.subject));
        }
    }
    if let Some((path, text)) = &facts.manifest {
        push(&mut out, &format!("\n{path}:\n```\n{}\n```", text.trim_end()));
    }
    for (path, text) in &facts.instructions {
        push(&mut out, &format!("\n# {path} of the repository\n\n{}", text.trim_end()));
    }
    out
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn push_contract(out: &mut String, contract: &Contract) {
    push(
        out,
        match contract.mode {
            Mode::Change => "- Files may change within the borders below.",
            Mode::Plan => {
                "- Nothing may be edited. Deliver a plan or map in `document`: Markdown, as long as the job needs, every \
                 statement about the code with its path:line or path:from-to in the repository; errand checks that each \
                 place exists. Throw-away programs under $TMPDIR are welcome where a doubt can be measured: say of such a \
                 claim which run shows it, and of the others that they are by reading."
            }
            Mode::Answer => {
                "- Nothing may be edited. Deliver a short answer in `document`: Markdown, with the path:line places it rests \
                 on; errand checks that each place exists. Answer as soon as you know."
            }
        },
    );
    for check in &contract.checks {
        let times = if check.repeat > 1 { format!(", {} times in a row", check.repeat) } else { String::new() };
        push(out, &format!("- errand runs `{}` on a clean checkout of your result{times}; it must pass.", check.run));
    }
    if let Some(command) = &contract.regression {
        push(
            out,
            &format!(
                "- `{command}` must fail on the old code with only your new or changed test files added, and pass on your \
                 result. errand proves both itself at the end, you need not. Test files are those under tests/, test/, spec/, \
                 fixtures/ and the like, or named test_*, *_test.*, *.test.*, *.spec.*; tests beside the code do not count \
                 here."
            ),
        );
    }
    if !contract.allow.is_empty() {
        push(out, &format!("- Only these paths may change: {}", contract.allow.join(", ")));
    }
    if !contract.network.is_empty() {
        let names = contract.network.join(", ");
        push(out, &format!("- Commands may reach, by TLS through the proxy of their environment: {names}"));
    }
    if !contract.protect.is_empty() {
        push(out, &format!("- These paths may not change: {}", contract.protect.join(", ")));
    }
    if let Some(limit) = contract.max_diff_lines {
        push(out, &format!("- At most {limit} changed lines in all, added and removed together."));
    }
    if let Some(limit) = contract.max_files {
        push(out, &format!("- At most {limit} changed files."));
    }
    let budget = contract.budget;
    push(out, &format!("- Limits: {} steps, {} minutes, {}.", budget.steps, budget.minutes, budget.dollars));
}

fn push_setup(out: &mut String, setup: &[CheckRecord]) {
    for record in setup {
        let seconds = record.duration_ms as f64 / 1_000.0;
        push(out, &format!("`{}` has set up your workspace ({seconds:.1} s); you need not run it.", record.command));
    }
}

fn push_checks(out: &mut String, baseline: &[CheckRecord]) {
    for record in baseline {
        let seconds = record.duration_ms as f64 / 1_000.0 / f64::from(record.n_runs.max(1));
        let outcome = match (record.n_runs, record.n_failed) {
            (1, _) => record.end.headline(),
            (n, failed) => format!("{failed} of {n} runs failed, first with {}", record.end.headline()),
        };
        let number = record.index + 1;
        push(
            out,
            &format!(
                "Check `{}` on the untouched code: {outcome}, {seconds:.1} s a run with what it had to build; output in \
                 log:check{number}",
                record.command
            ),
        );
        if let Some(totals) = &record.totals {
            push(out, &format!("  {totals}"));
        }
        if !record.is_green() {
            push(out, &format!("```\n{}\n```", record.excerpt.trim_end()));
        }
    }
}
