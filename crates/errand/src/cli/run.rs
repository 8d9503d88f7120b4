//! `errand run`: hand off a job and come back at once.

use super::{Session, contract_file, follow};
use crate::api::{Budget, Submit, Submitted, Terms};
use crate::failure::Failure;
use crate::home::Endpoint;
use crate::screen::{Look, Screen, safe, safe_line};
use crate::show::amount;
use crate::terminal::own_name;
use crate::trust_file::TrustFile;
use errand_runner::Start;
use errand_task::contract::{Baseline, Check, Draft, DraftBudget, DraftCheck, DraftFullCheck, Mode};
use errand_task::facts::Dirty;
use errand_task::verdict::ExitCode;
use std::path::PathBuf;

/// Paths of uncommitted changes that are named.
const NAMED: usize = 5;

/// Hand off a job; returns at once with its id.
#[derive(clap::Args)]
pub struct Args {
    /// What to do, in your words.
    goal: Option<String>,
    /// Read goal and contract from a Markdown file with YAML front matter.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Command that must pass on the result; errand runs it itself. May be given several times.
    #[arg(short, long, value_name = "CMD")]
    check: Vec<String>,
    /// Run each check of this command line that often; every run must pass.
    #[arg(long, value_name = "N")]
    repeat: Option<u32>,
    /// The checks may be red before the work starts, as the test of a bug is.
    #[arg(long)]
    may_fail: bool,
    /// Command that must fail on the old code with only the new tests added, and pass on the new.
    #[arg(long, value_name = "CMD")]
    regression: Option<String>,
    /// Write a plan or a map; nothing may be edited.
    #[arg(long)]
    plan: bool,
    /// Only matching paths may change, as in "src/auth/**".
    #[arg(long, value_name = "GLOB")]
    allow: Vec<String>,
    /// Matching paths may never change.
    #[arg(long, value_name = "GLOB")]
    protect: Vec<String>,
    /// Most changed lines of the result.
    #[arg(long, value_name = "N")]
    max_diff_lines: Option<u32>,
    /// A host that commands may reach by TLS, as HOST or HOST:PORT; may be repeated. Nothing else is reachable.
    #[arg(long, value_name = "NAME")]
    network: Vec<String>,
    /// Copy in private files of your checkout that the repository ignores, by a pattern as in .gitignore; may be repeated.
    /// The model can read them; errand hides the values it finds in them.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,
    /// Use a further folder of your checkout that a build needs and the repository ignores; may be repeated. Folders such
    /// as node_modules are used anyway.
    #[arg(long, value_name = "PATH")]
    dependency: Vec<String>,
    /// Most changed files of the result.
    #[arg(long, value_name = "N")]
    max_files: Option<u32>,
    /// Most dollars of the whole task (2.00).
    #[arg(long, value_name = "USD")]
    budget: Option<f64>,
    /// Most model requests of a turn (80).
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Most minutes of a turn (45).
    #[arg(long, value_name = "N")]
    minutes: Option<u32>,
    /// sonnet, opus, haiku, or a full model id.
    #[arg(short, long)]
    model: Option<String>,
    /// Revision to start from (HEAD).
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Start from the checkout as it is, with your uncommitted changes; ignored files stay out.
    #[arg(long, conflicts_with = "base")]
    dirty: bool,
    /// A name to call the task by.
    #[arg(long)]
    name: Option<String>,
    /// Follow until the end and exit with the verdict's code.
    #[arg(short, long)]
    wait: bool,
    /// Say what would be enforced; start nothing.
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let should_wait = args.wait;
    let submit = submit(args)?;
    let client = session.client().await?;
    let submitted: Submitted = client.post("/v1/tasks", &submit).await?;
    let follows = should_wait && submitted.id.is_some();
    if !(follows && session.json) {
        session.print(&submitted, |screen| receipt(screen, &submitted))?;
    }
    match submitted.id {
        Some(id) if follows => follow::to_the_end(session, &client, &id).await,
        Some(_) | None => Ok(ExitCode::Verified),
    }
}

fn submit(args: Args) -> Result<Submit, Failure> {
    let (file_draft, file_goal) = match &args.file {
        Some(path) => contract_file::read(path)?,
        None => (Draft::default(), String::new()),
    };
    let goal = match &args.goal {
        Some(goal) if file_goal.is_empty() => goal.clone(),
        Some(more) => format!("{file_goal}\n\n{more}"),
        None => file_goal,
    };
    let check = |run: &String| {
        DraftCheck::Full(DraftFullCheck {
            run: run.clone(),
            repeat: args.repeat,
            baseline: args.may_fail.then_some(Baseline::MayFail),
            timeout_s: None,
        })
    };
    let flags = Draft {
        mode: args.plan.then_some(Mode::Plan),
        checks: args.check.iter().map(check).collect(),
        regression: args.regression,
        allow: args.allow,
        protect: args.protect,
        max_diff_lines: args.max_diff_lines,
        max_files: args.max_files,
        network: args.network,
        budget: DraftBudget { usd: args.budget, steps: args.steps, minutes: args.minutes },
        model: args.model,
        economy: None,
        setup: Vec::new(),
        setup_network: Vec::new(),
        include: args.include,
        dependencies: args.dependency,
    };
    let start = if args.dirty { Start::Checkout } else { Start::at(args.base) };
    hand_off(flags.over(file_draft), &goal, args.name, start, args.dry_run)
}

/// Completes a draft and adds what the person's environment says: directory, endpoint, key.
pub fn hand_off(
    draft: Draft,
    goal: &str,
    name: Option<String>,
    start: Start,
    is_dry_run: bool,
) -> Result<Submit, Failure> {
    let contract = draft.complete(goal).map_err(|problems| {
        let texts: Vec<_> = problems.iter().map(|problem| problem.text.clone()).collect();
        let hints: Vec<_> = problems.into_iter().map(|problem| problem.hint).collect();
        Failure::usage(texts.join("; ")).hint(hints.join("; "))
    })?;
    let endpoint = Endpoint::find()?;
    let directory = crate::home::current_directory()?;
    let trusts = TrustFile::find().trusts()?;
    let (base, dirty) = match start {
        Start::Head => (None, false),
        Start::Revision(revision) => (Some(revision), false),
        Start::Checkout => (None, true),
    };
    let Endpoint { base_url, key } = endpoint;
    Ok(Submit { contract, name, directory, base, dirty, base_url, key, is_dry_run, trusts })
}

/// What a person sees after handing off: id, what will be enforced, what to type next.
fn receipt(screen: &Screen, submitted: &Submitted) -> String {
    let contract = &submitted.contract;
    let mut out = Vec::new();
    let head = match &submitted.id {
        Some(id) => format!("task {} handed off", screen.paint(Look::Bold, id)),
        None => "dry run: nothing was started".to_owned(),
    };
    out.push(head);
    out.extend(enforced(screen, contract, &submitted.model));
    let short = submitted.base_commit.get(..10).unwrap_or(&submitted.base_commit);
    let base = format!("{} at {short}", safe_line(&submitted.base_name, 60));
    match &submitted.dirty {
        Some(dirty) => out.extend(with_uncommitted(screen, &submitted.base_name, dirty)),
        None => out.push(line(screen, "base", &base)),
    }
    if submitted.n_uncommitted > 0 {
        let are = if submitted.n_uncommitted == 1 { "file is" } else { "files are" };
        let named = named(&submitted.uncommitted, submitted.n_uncommitted);
        let n = submitted.n_uncommitted;
        out.push(line(screen, "", &format!("{n} uncommitted {are} not included (--dirty includes them): {named}")));
    }
    out.extend(noticed(screen, &submitted.notices));
    if let Some(endpoint) = &submitted.other_endpoint {
        out.push(line(screen, "endpoint", &safe(endpoint)));
    }
    if let Some(id) = &submitted.id {
        let own = own_name();
        out.push(String::new());
        out.push(format!("  {own} logs -f {id}   follow it"));
        out.push(format!("  {own} show {id}      where it stands, later the report"));
        out.push(format!("  {own} stop {id}      stop it, keeping what is there"));
    }
    out.join("\n")
}

/// The contract, line by line.
pub fn enforced(screen: &Screen, contract: &Terms, model: &str) -> Vec<String> {
    let mut out = vec![line(screen, "goal", &safe_line(&contract.goal, screen.width.saturating_sub(12)))];
    let mode = match contract.mode {
        Mode::Change => "files may change, in its own copy; your checkout changes only with apply",
        Mode::Plan => "plan: nothing may be edited",
        Mode::Answer => "answer: nothing may be edited",
    };
    out.push(line(screen, "mode", mode));
    for command in &contract.setup {
        out.push(line(screen, "setup", &safe(command)));
    }
    if !contract.setup_network.is_empty() {
        out.push(line(screen, "", &format!("may reach {}", safe(&contract.setup_network.join("  ")))));
    }
    if !contract.include.is_empty() {
        out.push(line(screen, "private", &format!("files copied in: {}", safe(&contract.include.join("  ")))));
    }
    if !contract.dependencies.is_empty() {
        let folders = safe(&contract.dependencies.join("  "));
        out.push(line(screen, "dependency", &format!("folders used where they suit: {folders}")));
    }
    let network = match contract.network.is_empty() {
        true => "none: commands reach nothing outside".to_owned(),
        false => format!("only {}", safe(&contract.network.join("  "))),
    };
    out.push(line(screen, "network", &network));
    for check in &contract.checks {
        out.push(line(screen, "check", &check_text(check)));
    }
    if contract.checks.is_empty() && contract.mode == Mode::Change {
        out.push(line(screen, "check", "none: the result will be unverified (give one with --check)"));
    }
    if let Some(command) = &contract.regression {
        out.push(line(screen, "regression", &format!("{} fails on the old code, passes on the new", safe(command))));
    }
    if !contract.allow.is_empty() {
        out.push(line(screen, "allow", &safe(&contract.allow.join("  "))));
    }
    if !contract.protect.is_empty() {
        out.push(line(screen, "protect", &safe(&contract.protect.join("  "))));
    }
    let limits = [
        contract.max_diff_lines.map(|n| format!("{n} changed lines")),
        contract.max_files.map(|n| format!("{n} files")),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    if !limits.is_empty() {
        out.push(line(screen, "at most", &limits.join(", ")));
    }
    let Budget { usd, steps, minutes } = &contract.budget;
    let budget = format!("{}, {steps} steps, {minutes} minutes on {}", amount(*usd), safe(model));
    out.push(line(screen, "budget", &budget));
    out
}

/// A base that is the checkout as it was: what is in it, and what could not be stored.
pub fn with_uncommitted(screen: &Screen, name: &str, dirty: &Dirty) -> Vec<String> {
    let head = dirty.head.as_str();
    let at = format!("{} at {}", safe_line(name, 60), head.get(..10).unwrap_or(head));
    let mut out = vec![match dirty.n_changed {
        0 => line(screen, "base", &format!("{at}; nothing is uncommitted")),
        n => {
            let files = if n == 1 { "file" } else { "files" };
            line(screen, "base", &format!("{at} with {n} uncommitted {files}: {}", named(&dirty.changed, n)))
        }
    }];
    if dirty.n_left_out > 0 {
        out.push(line(screen, "", &format!("left out: {}", named(&dirty.left_out, dirty.n_left_out))));
    }
    out
}

/// The first paths, and how many more there are.
fn named(first: &[String], n: u32) -> String {
    let shown = first.iter().take(NAMED).map(|path| safe_line(path, 60)).collect::<Vec<_>>();
    match n as usize - shown.len().min(n as usize) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What the repository's own files asked for, and what came of it.
pub fn noticed(screen: &Screen, notices: &[String]) -> Vec<String> {
    notices.iter().map(|notice| line(screen, "repository", &safe(notice))).collect()
}

fn check_text(check: &Check) -> String {
    let mut text = safe(&check.run);
    if check.repeat > 1 {
        text.push_str(&format!("  × {}", check.repeat));
    }
    if check.baseline == Baseline::MayFail {
        text.push_str("  (may be red at the start)");
    }
    text
}

pub fn line(screen: &Screen, label: &str, text: &str) -> String {
    format!("  {} {text}", screen.paint(Look::Dim, &format!("{label:<10}")))
}
