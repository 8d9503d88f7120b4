//! What a workspace costs, on a small and on a large repository. The floor is what a person would take instead: a worktree
//! of git's, and git in it.
//!
//! One run makes worktrees, a copy of the checkout, and errand's state from nothing with workspaces in it. What was written
//! is on disk before the next thing is timed. Files are in the page cache for all of them alike. The last group holds the
//! large repository against the small one.

use super::figure::Unit::{self, Bytes, Milliseconds};
use super::figure::{Aim, Figure, Spread};
use super::repository::{Repository, git, program, source_path};
use super::stage::Stage;
use anyhow::{Context as _, ensure};
use errand_task::id::TreeId;
use errand_workspace::command::run;
use errand_workspace::diff::diff;
use errand_workspace::disk::Meter;
use errand_workspace::git::Git;
use errand_workspace::ledger::Ledger;
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::sandbox::{Sandbox, Standing};
use errand_workspace::source::Source;
use errand_workspace::workspace::{Form, Ground, Workspace};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const READY: &str = "workspaces: until ready (made, one file read); floor: `git worktree add`";
const USED: &str = "workspaces: on the disk before the first change, in blocks; floor: as many worktrees";
const STEPS: &str = "workspaces: in one of them; floor: git in a worktree";
const GROWTH: &str = "workspaces: the larger repository; floor: the smaller one";
const SIZES: [usize; 2] = [2_000, 80_000];
/// On this one a workspace is to be ready so many times faster than a worktree.
const AIM_SIZE: usize = 80_000;
const AIM_FASTER: f64 = 50.0;
const AIM_BYTES: f64 = 1_048_576.0;
const AIM_GROWTH: f64 = 2.0;
const N_WORKTREES: usize = 3;
const N_WORKSPACES: usize = 50;
/// How often one run does what is cheap.
const N_REPEATS: usize = 10;
const READ_BYTES: u64 = 1 << 20;

/// Everything that is measured; floors first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Worktree,
    WorktreeUsed,
    WorktreesUsed,
    /// [`What::WorktreesUsed`] for as many as there are workspaces.
    ManyWorktreesUsed,
    WorktreeStatus,
    WorktreeStatusRead,
    WorktreeTrue,
    WorktreeSame,
    WorktreeChanged,
    WorktreeDiff,
    WorktreeReset,
    WorktreeRemove,
    Copy,
    CopyUsed,
    Fetch,
    Cold,
    Warm,
    Opened,
    Used,
    AllUsed,
    BaseUsed,
    True,
    Status,
    StatusRead,
    Same,
    Changed,
    Diff,
    Restore,
    Remove,
}

/// What is shown: a group, what is measured, its unit, its name, its floor.
#[rustfmt::skip]
const ROWS: &[(&str, What, Unit, &str, Option<What>)] = &[
    (READY, What::Copy, Milliseconds, "`cp -a` of the checkout without `.git`", Some(What::Worktree)),
    (READY, What::Fetch, Milliseconds, "history into the ledger, once per base", Some(What::Worktree)),
    (READY, What::Cold, Milliseconds, "the first workspace, which makes the base tree and syncs it", Some(What::Worktree)),
    (READY, What::Warm, Milliseconds, "a further one, daemon warm", Some(What::Worktree)),
    (READY, What::Opened, Milliseconds, "a further one, ledger just opened", Some(What::Worktree)),
    (USED, What::CopyUsed, Bytes, "`cp -a` of the checkout without `.git`", Some(What::WorktreeUsed)),
    (USED, What::WorktreesUsed, Bytes, "3 worktrees", Some(What::WorktreeUsed)),
    (USED, What::BaseUsed, Bytes, "the base tree, once for all workspaces", Some(What::WorktreeUsed)),
    (USED, What::Used, Bytes, "one workspace", Some(What::WorktreeUsed)),
    (USED, What::AllUsed, Bytes, "base tree and 50 workspaces; floor from 3 worktrees", Some(What::ManyWorktreesUsed)),
    (STEPS, What::True, Milliseconds, "first command `true`; floor: `sh -c true`", Some(What::WorktreeTrue)),
    (STEPS, What::Status, Milliseconds, "first `git status`, in the sandbox; floor: the first in a worktree", Some(What::WorktreeStatus)),
    (STEPS, What::StatusRead, Bytes, "bytes that `git status` reads, beyond mapped ones", Some(What::WorktreeStatusRead)),
    (STEPS, What::Same, Milliseconds, "snapshot, nothing changed; floor: `git add -A && git write-tree`", Some(What::WorktreeSame)),
    (STEPS, What::Changed, Milliseconds, "durable snapshot, one file changed; floor: the same", Some(What::WorktreeChanged)),
    (STEPS, What::Diff, Milliseconds, "diff of it; floor: `git diff-index --numstat`", Some(What::WorktreeDiff)),
    (STEPS, What::Restore, Milliseconds, "restore; floor: `git reset --hard`", Some(What::WorktreeReset)),
    (STEPS, What::Remove, Milliseconds, "remove; floor: `git worktree remove --force`", Some(What::WorktreeRemove)),
];

/// Milliseconds or bytes.
#[derive(Default)]
struct Samples(BTreeMap<What, Vec<f64>>);

impl Samples {
    fn time(&mut self, what: What, took: Duration) {
        self.number(what, took.as_secs_f64() * 1_000.0);
    }

    fn number(&mut self, what: What, value: f64) {
        self.0.entry(what).or_default().push(value);
    }

    /// How long the deed took is a sample; the answer is the deed's.
    fn timed<T, E>(&mut self, what: What, deed: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let began = Instant::now();
        let done = deed()?;
        self.time(what, began.elapsed());
        Ok(done)
    }

    fn spread(&self, what: What) -> Option<Spread> {
        Spread::of(self.0.get(&what)?.iter().copied())
    }
}

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let new = |n_files| (n_files, Samples::default());
    let mut measured: Vec<_> = stage.sizes(&SIZES).into_iter().map(new).collect();
    // Sizes in turn, because the last group holds one against the other.
    for run in 1..=stage.n_runs {
        for (n_files, samples) in &mut measured {
            eprintln!("workspaces: {n_files} files, run {run} of {}", stage.n_runs);
            one_run(stage, *n_files, samples)?;
        }
    }
    let mut figures = Vec::new();
    for group in [READY, USED, STEPS] {
        for (n_files, samples) in &measured {
            if group == READY {
                let value = samples.spread(What::Worktree);
                let name = format!("{n_files} files, `git worktree add`");
                figures.extend(value.map(|value| Figure::new(READY, name, Milliseconds, value)));
            }
            let rows = ROWS.iter().filter(|(under, ..)| *under == group);
            figures.extend(rows.filter_map(|&(_, what, unit, name, floor)| {
                let floor = floor.and_then(|floor| samples.spread(floor));
                let figure = Figure::new(group, format!("{n_files} files, {name}"), unit, samples.spread(what)?);
                Some(figure.floor(floor).aim(what.aim(*n_files)))
            }));
        }
    }
    if let [(fewer, small), (more, large)] = measured.as_slice() {
        for (what, name) in [(What::Warm, "a further workspace"), (What::Changed, "snapshot, one file changed")] {
            let name = format!("{name}, {more} files beside {fewer}");
            let aim = (what == What::Changed).then_some(Aim::TimesFloor(AIM_GROWTH));
            let figure = |value| Figure::new(GROWTH, name, Milliseconds, value).floor(small.spread(what)).aim(aim);
            figures.extend(large.spread(what).map(figure));
        }
    }
    Ok(figures)
}

impl What {
    fn aim(self, n_files: usize) -> Option<Aim> {
        let is_further = matches!(self, Self::Warm | Self::Opened);
        if is_further && n_files == AIM_SIZE {
            return Some(Aim::TimesFloor(1.0 / AIM_FASTER));
        }
        (self == Self::Used).then_some(Aim::Below(AIM_BYTES))
    }
}

fn one_run(stage: &Stage, n_files: usize, samples: &mut Samples) -> anyhow::Result<()> {
    let repository = stage.repository(n_files)?;
    let dir = stage.dir().join("workspaces");
    std::fs::create_dir(&dir)?;
    worktrees(&repository, &dir, n_files, samples)?;
    copy(&repository, &dir, samples)?;
    let state = dir.join("state");
    Scene::set(stage, &repository, &state, n_files)?.measure(samples)?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Source files far from each other, for one change each.
fn spread_out(n_files: usize) -> impl Iterator<Item = String> {
    (0..N_REPEATS).map(move |number| source_path(1 + number * (n_files - 1) / N_REPEATS))
}

/// Writes out what is not on disk yet, so that nobody pays for what was done before.
fn sync(dir: &Path) -> anyhow::Result<()> {
    ensure!(Command::new("sync").arg("--file-system").arg(dir).status()?.success(), "sync failed");
    Ok(())
}

/// Bytes that this script's `git status` read, by what the kernel counts for its process.
const STATUS_READ: &str = "git status --porcelain >/dev/null; cat /proc/$$/io";

fn bytes_read(output: &[u8]) -> Option<f64> {
    String::from_utf8_lossy(output).lines().find_map(|line| line.strip_prefix("rchar:")?.trim().parse().ok())
}

fn used(path: &Path) -> f64 {
    Meter::default().used(path) as f64
}

fn worktrees(repository: &Repository, dir: &Path, n_files: usize, samples: &mut Samples) -> anyhow::Result<()> {
    let known = repository.dir.join(".git/worktrees");
    let mut trees: Vec<(PathBuf, String)> = Vec::new();
    for number in 0..N_WORKTREES {
        let tree = dir.join(format!("tree-{number}"));
        let name = tree.to_string_lossy().into_owned();
        sync(dir)?;
        samples.timed(What::Worktree, || git(&repository.dir, &["worktree", "add", "--quiet", "--detach", &name]))?;
        sync(dir)?;
        if number == 0 {
            samples.number(What::WorktreeUsed, used(&tree) + used(&known));
        }
        samples.timed(What::WorktreeStatus, || git(&tree, &["status", "--porcelain"]))?;
        trees.push((tree, name));
    }
    let all = trees.iter().map(|(tree, _)| used(tree)).sum::<f64>() + used(&known);
    samples.number(What::WorktreesUsed, all);
    samples.number(What::ManyWorktreesUsed, all * N_WORKSPACES as f64 / N_WORKTREES as f64);
    let (tree, _) = trees.first().context("no worktree was made")?;
    let read = program(tree, "sh").args(["-c", STATUS_READ]).output()?;
    samples.number(What::WorktreeStatusRead, bytes_read(&read.stdout).context("the kernel counts no bytes")?);
    let shell = |script: &str| -> anyhow::Result<()> {
        ensure!(program(tree, "sh").args(["-c", script]).output()?.status.success(), "`{script}` failed");
        Ok(())
    };
    for path in spread_out(n_files) {
        samples.timed(What::WorktreeTrue, || shell("true"))?;
        samples.timed(What::WorktreeSame, || shell("git add -A && git write-tree"))?;
        std::fs::write(tree.join(path), changed())?;
        samples.timed(What::WorktreeChanged, || shell("git add -A && git write-tree"))?;
        samples.timed(What::WorktreeDiff, || shell("git diff-index --cached --numstat HEAD"))?;
        samples.timed(What::WorktreeReset, || shell("git reset --quiet --hard"))?;
    }
    for (_, name) in &trees {
        sync(dir)?;
        samples.timed(What::WorktreeRemove, || git(&repository.dir, &["worktree", "remove", "--force", name]))?;
    }
    Ok(())
}

/// Text that no file holds yet.
fn changed() -> String {
    let moment = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    format!("pub const CHANGED: u128 = {moment};\n")
}

fn copy(repository: &Repository, dir: &Path, samples: &mut Samples) -> anyhow::Result<()> {
    let to = dir.join("copy");
    std::fs::create_dir(&to)?;
    let mut command = Command::new("cp");
    command.arg("-a");
    for entry in std::fs::read_dir(&repository.dir)? {
        let path = entry?.path();
        if !path.ends_with(".git") {
            command.arg(path);
        }
    }
    sync(dir)?;
    let status = samples.timed(What::Copy, || command.arg(&to).status())?;
    ensure!(status.success(), "cp: {status}");
    sync(dir)?;
    samples.number(What::CopyUsed, used(&to));
    Ok(std::fs::remove_dir_all(&to)?)
}

/// errand's state for one repository, from nothing.
struct Scene<'a> {
    state: &'a Path,
    n_files: usize,
    git: Git,
    source: Source,
    sandbox: Arc<Sandbox>,
    runtime: Runtime,
}

impl<'a> Scene<'a> {
    fn set(stage: &Stage, repository: &Repository, state: &'a Path, n_files: usize) -> anyhow::Result<Self> {
        let git = Git::find(&std::env::var_os("PATH").unwrap_or_default())?;
        let source = Source::open(&git, &repository.dir)?;
        let sandbox = stage.sandbox(state)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        if let Standing::Missing { why, .. } = runtime.block_on(sandbox.standing()) {
            anyhow::bail!("{why}");
        }
        Ok(Self { state, n_files, git, source, sandbox, runtime })
    }

    fn measure(&self, samples: &mut Samples) -> anyhow::Result<()> {
        let ledger = self.ledger()?;
        sync(self.state)?;
        samples.timed(What::Fetch, || ledger.bring_base(&self.source, &self.source.head().commit))?;
        sync(self.state)?;
        let first = samples.timed(What::Cold, || self.ready(&ledger, "first"))?;
        ensure!(first.form() == Form::Layered, "workspaces are {:?} here, and these figures layered", first.form());
        let bases = ledger.dir().join("bases");
        samples.number(What::BaseUsed, used(&bases));
        let mut workspaces = Vec::new();
        for number in 1..N_WORKSPACES {
            let workspace = samples.timed(What::Warm, || self.ready(&ledger, &format!("warm-{number}")))?;
            samples.number(What::Used, used(workspace.dir()));
            workspaces.push(workspace);
        }
        samples.number(What::AllUsed, used(&self.state.join("workspaces")) + used(&bases));
        for number in 0..N_REPEATS {
            let opened = || {
                let ledger = self.ledger()?;
                ledger.bring_base(&self.source, &self.source.head().commit)?;
                self.ready(&ledger, &format!("opened-{number}"))
            };
            workspaces.push(samples.timed(What::Opened, opened)?);
        }
        // Each in a workspace that nothing has happened in.
        let mut untouched = workspaces.iter();
        for workspace in untouched.by_ref().take(N_REPEATS) {
            samples.timed(What::True, || self.run(workspace, "true"))?;
        }
        for workspace in untouched.by_ref().take(N_REPEATS) {
            let status = samples.timed(What::Status, || self.run(workspace, "git status --porcelain"))?;
            ensure!(status.is_empty(), "a new workspace is not clean: {}", String::from_utf8_lossy(&status));
        }
        let read = bytes_read(&self.run(untouched.next().context("too few workspaces")?, STATUS_READ)?);
        samples.number(What::StatusRead, read.context("the kernel counts no bytes")?);
        for (workspace, path) in untouched.zip(spread_out(self.n_files)) {
            Self::steps(workspace, &ledger, &path, samples)?;
        }
        sync(self.state)?;
        for workspace in workspaces {
            samples.timed(What::Remove, || workspace.remove(self.state))?;
        }
        Ok(first.remove(self.state)?)
    }

    /// The ledger as a daemon that has just started knows it.
    fn ledger(&self) -> anyhow::Result<Arc<Ledger>> {
        Ok(Arc::new(Ledger::open_or_create(&self.git, self.state, &self.source)?))
    }

    /// A new workspace that one file was read in.
    fn ready(&self, ledger: &Arc<Ledger>, name: &str) -> anyhow::Result<Workspace> {
        let commit = &self.source.head().commit;
        let dir = self.state.join("workspaces").join(name);
        let workspace = Workspace::create(&self.sandbox, &Ground::of(ledger, commit), &ledger.tree_of(commit)?, &dir)?;
        let read = workspace.files()?.read(&source_path(self.n_files / 2), READ_BYTES)?;
        ensure!(!read.bytes.is_empty(), "a file is empty");
        Ok(workspace)
    }

    fn run(&self, workspace: &Workspace, script: &str) -> anyhow::Result<Vec<u8>> {
        let plan = self.sandbox.shell(workspace, script, Limits::usual());
        let finished = self.runtime.block_on(async { run(&self.sandbox, plan).finished().await });
        ensure!(finished.end.is_success(), "`{script}` ended as {:?}", finished.end);
        Ok(finished.output)
    }

    /// What a task does between commands: snapshots around one change, what the change is, and back.
    fn steps(workspace: &Workspace, ledger: &Ledger, path: &str, samples: &mut Samples) -> anyhow::Result<()> {
        let base: TreeId = samples.timed(What::Same, || workspace.snapshot())?.tree;
        workspace.files()?.write_atomic(path, changed().as_bytes())?;
        let result = samples.timed(What::Changed, || workspace.snapshot())?.tree;
        let changes = samples.timed(What::Diff, || diff(ledger, &base, &result))?;
        ensure!(changes.len() == 1, "{} files differ instead of one", changes.len());
        samples.timed(What::Restore, || workspace.restore(&base))?;
        ensure!(workspace.snapshot()?.tree == base, "restore put back something else");
        Ok(())
    }
}
