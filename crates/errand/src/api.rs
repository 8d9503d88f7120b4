//! What the daemon and its clients say to each other: JSON over HTTP on a unix socket.
//!
//! These types are the documented, stable shape of `--json`. Sizes are bytes, times are RFC 3339, money is dollars.

use errand_task::contract::{Check, Contract, Economy, Mode};
use errand_task::facts::{ChangeKind, Dirty, FileChange, LeftOut, NetworkUse, Phase};
use errand_task::id::Digest;
use errand_task::report::Report;
use errand_task::repository_config::{NamedFile, Trust};
use errand_task::summary::Summary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A job to hand off.
#[derive(Debug, Serialize, Deserialize)]
pub struct Submit {
    pub contract: Contract,
    pub name: Option<String>,
    /// Where the person stands; the repository is found from here.
    pub directory: String,
    /// Revision to start from; absent means `HEAD`.
    pub base: Option<String>,
    /// Start from the checkout as it is, with its uncommitted changes.
    pub dirty: bool,
    pub base_url: String,
    pub key: String,
    /// Find every problem and say what would be enforced, but start nothing.
    pub is_dry_run: bool,
    /// What repositories may run, by the person's own trust file.
    pub trusts: Vec<Trust>,
}

/// A repository to look at, as `errand trust` does.
#[derive(Debug, Serialize, Deserialize)]
pub struct Look {
    pub directory: String,
    /// Absent means `HEAD`.
    pub base: Option<String>,
}

/// What the files of a repository would run, and take out of the checkout.
#[derive(Debug, Serialize, Deserialize)]
pub struct Repository {
    pub repository: String,
    pub base_commit: String,
    pub base_name: String,
    /// Why `.errand/config.toml` cannot be taken, when that is so.
    pub problem: Option<String>,
    pub setup: Vec<String>,
    /// Names the setup commands may reach.
    pub network: Vec<String>,
    pub checks: Vec<String>,
    /// Files of the base that the commands name.
    pub files: Vec<NamedFile>,
    /// Patterns of `.errand/config.toml` for private files.
    pub include: Vec<String>,
    /// Patterns of `.worktreeinclude` for private files.
    pub worktree_include: Vec<String>,
    /// Folders that a build needs.
    pub dependencies: Vec<String>,
    /// What trust is bound to: of all of the above. Absent when there is nothing to say yes to.
    pub sha256: Option<Digest>,
    /// Files that configure agents, without effect.
    pub ignored: Vec<String>,
    /// Whether the person has said yes to exactly this.
    pub trusted: bool,
}

/// A contract as people read and write it: money in dollars.
#[derive(Debug, Serialize, Deserialize)]
pub struct Terms {
    pub mode: Mode,
    pub goal: String,
    pub checks: Vec<Check>,
    pub regression: Option<String>,
    pub allow: Vec<String>,
    pub protect: Vec<String>,
    pub max_diff_lines: Option<u32>,
    pub max_files: Option<u32>,
    pub network: Vec<String>,
    pub budget: Budget,
    pub model: String,
    pub economy: Economy,
    pub setup: Vec<String>,
    pub setup_network: Vec<String>,
    /// Private files of the checkout that are copied in.
    #[serde(default)]
    pub include: Vec<String>,
    /// Further folders of the checkout that a build needs.
    #[serde(default)]
    pub dependencies: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Budget {
    pub usd: f64,
    pub steps: u32,
    pub minutes: u32,
}

impl Terms {
    pub fn of(contract: &Contract) -> Self {
        let contract = contract.clone();
        Self {
            mode: contract.mode,
            goal: contract.goal,
            checks: contract.checks,
            regression: contract.regression,
            allow: contract.allow,
            protect: contract.protect,
            max_diff_lines: contract.max_diff_lines,
            max_files: contract.max_files,
            network: contract.network,
            budget: Budget {
                usd: contract.budget.dollars.as_usd(),
                steps: contract.budget.steps,
                minutes: contract.budget.minutes,
            },
            model: contract.model,
            economy: contract.economy,
            setup: contract.setup,
            setup_network: contract.setup_network,
            include: contract.include,
            dependencies: contract.dependencies,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Submitted {
    /// Absent in a dry run.
    pub id: Option<String>,
    pub name: Option<String>,
    pub state: String,
    pub contract: Terms,
    /// The full id of the model the contract's name stands for.
    pub model: String,
    pub repository: String,
    pub base_commit: String,
    pub base_name: String,
    /// Files with uncommitted changes, which the task does not see.
    pub n_uncommitted: u32,
    /// The first of them.
    pub uncommitted: Vec<String>,
    /// With `--dirty`: what of the checkout's uncommitted changes the base holds, and what it does not.
    pub dirty: Option<Dirty>,
    /// Where the model is asked, when that is not the vendor's own endpoint.
    pub other_endpoint: Option<String>,
    /// What the repository's own files asked for, and what came of it.
    pub notices: Vec<String>,
}

/// A line of `ls`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    pub id: String,
    pub name: Option<String>,
    pub state: String,
    pub verdict: Option<String>,
    pub exit_code: Option<u8>,
    pub note: String,
    pub goal: String,
    pub mode: String,
    pub repository: String,
    pub model: String,
    pub steps: u32,
    pub cost_usd: f64,
    pub uncertain_usd: f64,
    pub budget_usd: f64,
    pub files: u32,
    pub added: u32,
    pub removed: u32,
    pub applied: bool,
    pub created_at: String,
    pub ended_at: Option<String>,
}

impl Task {
    pub fn of(summary: &Summary) -> Self {
        Self {
            id: summary.id.to_string(),
            name: summary.name.clone(),
            state: summary.status.to_string(),
            verdict: summary.verdict.map(|verdict| verdict.to_string()),
            exit_code: summary.exit_code,
            note: summary.note.clone(),
            goal: summary.goal.clone(),
            mode: summary.mode.as_str().to_owned(),
            repository: summary.repository.clone(),
            model: summary.model.clone(),
            steps: summary.n_steps,
            cost_usd: summary.spent.as_usd(),
            uncertain_usd: summary.uncertain.as_usd(),
            budget_usd: summary.budget.as_usd(),
            files: summary.n_files,
            added: summary.added,
            removed: summary.removed,
            applied: summary.is_applied,
            created_at: time(summary.created_at_ms),
            ended_at: summary.ended_at_ms.map(time),
        }
    }
}

/// A line of `ls --removed`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Removed {
    #[serde(flatten)]
    pub task: Task,
    pub removed_at: String,
}

/// Which removed task to bring back; absent means the one that was removed last.
#[derive(Debug, Serialize, Deserialize)]
pub struct BringBack {
    pub task: Option<String>,
}

/// What `ls --disk` shows: bytes on the disk, counted in blocks.
#[derive(Debug, Serialize, Deserialize)]
pub struct Disk {
    /// Tasks with a workspace, largest first.
    pub tasks: Vec<TaskDisk>,
    pub repositories: Vec<RepositoryDisk>,
    pub trash_bytes: u64,
    /// The journal, records of applies, the log.
    pub other_bytes: u64,
    pub total_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct TaskDisk {
    pub id: String,
    pub name: Option<String>,
    /// Absent for a folder whose task is in no list.
    pub state: Option<String>,
    pub goal: String,
    pub bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct RepositoryDisk {
    /// The checkout's path.
    pub repository: String,
    /// What its ledger holds, by folder.
    pub parts: BTreeMap<String, u64>,
    pub bytes: u64,
}

/// Everything `show` knows. What errand measured and what the model claims are kept apart.
#[derive(Debug, Serialize, Deserialize)]
pub struct Detail {
    pub id: String,
    pub name: Option<String>,
    pub state: String,
    pub verdict: Option<String>,
    pub exit_code: Option<u8>,
    pub note: String,
    pub hint: Option<String>,
    pub goal: String,
    pub contract: Terms,
    /// What the repository's own files asked for, and what came of it.
    pub notices: Vec<String>,
    pub repository: String,
    pub model: String,
    pub base_commit: String,
    /// With `--dirty`: what of the checkout's uncommitted changes the base holds.
    pub dirty: Option<Dirty>,
    pub result_tree: Option<String>,
    pub workspace: Option<String>,
    pub applied: bool,
    pub turns: u32,
    pub steps: u32,
    /// Steps before which the person had the files put back, oldest first.
    pub rewinds: Vec<u32>,
    pub elapsed_ms: i64,
    pub checks: Vec<CheckResult>,
    pub violations: Vec<String>,
    pub commands: Vec<CommandRun>,
    pub diff: Diff,
    /// What of the workspace is not in the result; the diff cannot show it.
    pub left_out: LeftOut,
    /// The model's own words.
    pub report: Option<Report>,
    /// Claims of the report that can be held against the journal.
    pub claims: Vec<Claim>,
    /// What commands did with names outside; only granted ones were let through.
    pub network: Vec<NetworkUse>,
    /// Places (`path:line`) the report cites; errand looked whether each exists.
    pub places_cited: usize,
    pub cost: Cost,
    pub created_at: String,
    pub ended_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct CheckResult {
    pub phase: Phase,
    pub command: String,
    pub passed: bool,
    pub exit_code: Option<i32>,
    pub outcome: String,
    pub runs: u32,
    pub failed_runs: u32,
    pub duration_ms: u64,
    pub tree: String,
    /// What a known test runner counted.
    pub totals: Option<String>,
    /// The telling part of a red check's output.
    pub excerpt: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct CommandRun {
    pub number: u32,
    pub command: String,
    pub outcome: String,
    pub duration_ms: u64,
    pub lines: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Diff {
    pub files: Vec<DiffFile>,
    pub added: u32,
    pub removed: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct DiffFile {
    pub path: String,
    pub kind: ChangeKind,
    pub added: u32,
    pub removed: u32,
    pub binary: bool,
}

impl Diff {
    pub fn of(changes: &[FileChange]) -> Self {
        let file = |change: &FileChange| DiffFile {
            path: change.path.clone(),
            kind: change.kind,
            added: change.added,
            removed: change.removed,
            binary: change.is_binary,
        };
        Self {
            files: changes.iter().map(file).collect(),
            added: changes.iter().map(|change| change.added).sum(),
            removed: changes.iter().map(|change| change.removed).sum(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Claim {
    pub text: String,
    pub status: ClaimStatus,
    /// What the journal says about it.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimStatus {
    Supported,
    Unsupported,
    Contradicted,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Cost {
    pub usd: f64,
    /// May have been billed: requests that were cut.
    pub uncertain_usd: f64,
    /// Responses without a known price; their cost is not in `usd`.
    pub unpriced_responses: u32,
    pub input_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    pub output_tokens: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Reply {
    pub text: String,
    /// The whole task's budget from now on.
    pub budget_usd: Option<f64>,
    pub endpoint: Option<NewEndpoint>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Rewind {
    /// The files become what they were before this step.
    pub step: u32,
    pub text: Option<String>,
    /// The whole task's budget from now on.
    pub budget_usd: Option<f64>,
    pub endpoint: Option<NewEndpoint>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Resume {
    pub endpoint: Option<NewEndpoint>,
}

/// Endpoint and key of the person's shell. Its key is taken when the task uses the same endpoint; the task moves to another
/// endpoint only when it is told to.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewEndpoint {
    pub base_url: String,
    pub key: String,
    pub moves: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Apply {
    /// Write a branch of the repository instead of the checkout.
    pub branch: Option<String>,
    /// The tree the person saw; another result is refused.
    pub tree: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Applied {
    pub target: String,
    pub files: Vec<String>,
    /// Files that were left out, with the reason.
    pub skipped: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    pub home: String,
    pub started_at: String,
    pub working: usize,
}

/// A line of the ledger.
#[derive(Debug, Serialize, Deserialize)]
pub struct LedgerLine {
    pub task: String,
    pub at: String,
    pub model: String,
    pub usd: f64,
    pub uncertain_usd: f64,
    pub unpriced: bool,
    pub input_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    pub output_tokens: u64,
}

/// One finding of `doctor`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Finding {
    pub subject: String,
    pub is_ok: bool,
    pub text: String,
    pub hint: Option<String>,
}

/// What `doctor` found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Health {
    pub findings: Vec<Finding>,
    /// Every way out of the sandbox that was tried from inside.
    pub doors: Vec<Door>,
}

/// A way out of the sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct Door {
    pub wall: String,
    pub name: String,
    pub expected: String,
    pub found: String,
    pub is_shut: bool,
}

/// What a failed call answers with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub text: String,
    pub hint: Option<String>,
    pub exit_code: u8,
}

/// RFC 3339 in UTC, to the millisecond.
pub fn time(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map(|at| format!("{at:.3}")).unwrap_or_default()
}
