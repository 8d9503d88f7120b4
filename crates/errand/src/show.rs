//! How a task, its report and its diff look on a terminal. Pure: values in, lines out.

pub mod events;

use crate::api::{CheckResult, Claim, ClaimStatus, CommandRun, Detail, Diff, DiffFile};
use crate::cli::run::{enforced, noticed, with_uncommitted};
use crate::screen::{Look, Screen, safe, safe_line};
use crate::terminal::own_name;
use errand_task::facts::{ChangeKind, LeftOut, NetworkUse, Phase};
use errand_task::report::Report;

/// Dollars for people.
pub fn amount(usd: f64) -> String {
    if usd == 0.0 || usd >= 1.0 { format!("${usd:.2}") } else { format!("${usd:.4}") }
}

/// Bytes for people, in powers of 1024.
pub fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut amount, mut unit) = (bytes as f64, 0);
    while amount >= 1024.0 && unit + 1 < units.len() {
        amount /= 1024.0;
        unit += 1;
    }
    let unit_name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 || amount >= 10.0 { format!("{amount:.0} {unit_name}") } else { format!("{amount:.1} {unit_name}") }
}

pub fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        _ => format!("{} min {:02} s", ms / 60_000, ms / 1_000 % 60),
    }
}

pub fn state_look(state: &str) -> Look {
    match state {
        "verified" | "delivered" => Look::Good,
        "failed" | "checks_failed" | "contract_violated" => Look::Bad,
        "input_required" | "unverified" | "cancelled" => Look::Warn,
        "working" | "submitted" => Look::Accent,
        _ => Look::Plain,
    }
}

/// A task whole: head, report, checks, diff, cost, next commands.
pub fn detail(screen: &Screen, detail: &Detail) -> Vec<String> {
    let mut out = vec![headline(screen, detail)];
    if !detail.note.is_empty() {
        out.push(format!("  {}", safe(&detail.note)));
    }
    if let Some(hint) = &detail.hint {
        out.push(format!("  → {}", safe(hint)));
    }
    if let Some(step) = detail.rewinds.last() {
        out.push(format!("  its files were put back to before step {step}"));
    }
    match &detail.report {
        // What errand measured comes first: it is what the verdict rests on.
        Some(report) => {
            out.push(format!("  goal: {}", safe_line(&detail.goal, screen.width.saturating_sub(8))));
            out.extend(base(screen, detail));
            out.extend(noticed(screen, &detail.notices));
            out.extend(measured(screen, detail));
            out.extend(the_report(screen, report));
        }
        None => {
            out.extend(enforced(screen, &detail.contract, &detail.model));
            out.extend(base(screen, detail));
            out.extend(noticed(screen, &detail.notices));
            out.extend(measured(screen, detail));
        }
    }
    out.extend(cost(screen, detail));
    out.extend(next_commands(detail));
    out
}

/// The answer to a question: the document, then what it cost.
pub fn answer(screen: &Screen, detail: &Detail) -> Vec<String> {
    let Some(report) = &detail.report else { return self::detail(screen, detail) };
    let mut out =
        vec![safe(report.document.as_deref().unwrap_or(&report.summary)).trim_end().to_owned(), String::new()];
    let state = detail.verdict.as_deref().unwrap_or(&detail.state);
    let text = format!("{state} · {} · {} steps · errand show {}", amount(detail.cost.usd), detail.steps, detail.id);
    out.push(screen.paint(Look::Dim, &text));
    out
}

/// The base, where it is more than a commit.
fn base(screen: &Screen, detail: &Detail) -> Vec<String> {
    detail.dirty.iter().flat_map(|dirty| with_uncommitted(screen, "HEAD", dirty)).collect()
}

fn headline(screen: &Screen, detail: &Detail) -> String {
    let state = detail.verdict.as_deref().unwrap_or(&detail.state);
    let name = detail.name.as_ref().map(|name| format!(" [{}]", safe_line(name, 40))).unwrap_or_default();
    format!(
        "{}{name}  {}  {} steps · {} · {} of {}",
        screen.paint(Look::Bold, &detail.id),
        screen.paint(state_look(state), state),
        detail.steps,
        duration(u64::try_from(detail.elapsed_ms).unwrap_or(0)),
        amount(detail.cost.usd),
        amount(detail.contract.budget.usd),
    )
}

/// The model's words, labelled as such.
fn the_report(screen: &Screen, report: &Report) -> Vec<String> {
    let mut out = vec![title(screen, &format!("What the agent says  (outcome: {})", report.outcome.as_str()))];
    out.extend(wrapped(screen, &report.summary, 2));
    if let Some(cause) = &report.cause {
        out.push(title(screen, "Root cause"));
        out.extend(wrapped(screen, &cause.text, 2));
        out.extend(cause.places.iter().map(|place| format!("  at {}", safe(place))));
    }
    if !report.changes.is_empty() {
        out.push(title(screen, "Patch"));
        out.extend(report.changes.iter().flat_map(|change| item(screen, &change.path, &change.what)));
    }
    if !report.tests.is_empty() {
        out.push(title(screen, "Tests"));
        out.extend(report.tests.iter().flat_map(|test| item(screen, &test.name, &test.proves)));
    }
    let lists = [
        ("Open risks", &report.risks),
        ("Not checked", &report.not_checked),
        ("Assumptions", &report.assumptions),
        ("Places that did not fit", &report.exceptions),
        ("Side findings", &report.side_findings),
    ];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        out.push(title(screen, name));
        out.extend(list.iter().flat_map(|text| bullet(screen, text)));
    }
    if let Some(document) = &report.document {
        out.push(title(screen, "Document"));
        out.extend(safe(document).lines().map(|line| format!("  {line}")));
    }
    out
}

fn network_line(screen: &Screen, used: &NetworkUse) -> String {
    let mut said =
        format!("{} connections, {} bytes sent, {} received", used.n_connections, used.sent_bytes, used.received_bytes);
    if used.n_refused > 0 {
        let why = used.refused.as_deref().unwrap_or("not granted");
        said.push_str(&format!("; {} refused: {}", used.n_refused, safe_line(why, 100)));
    }
    format!("  {}  {}", safe_line(&used.name, 60), screen.paint(Look::Dim, &said))
}

/// What errand measured itself.
fn measured(screen: &Screen, detail: &Detail) -> Vec<String> {
    let mut out = Vec::new();
    if !detail.checks.is_empty() {
        out.push(title(screen, "Checks run by errand"));
        out.extend(detail.checks.iter().flat_map(|check| check_lines(screen, check)));
    }
    let cited = detail.report.as_ref().map(|report| report.checks.as_slice()).unwrap_or_default();
    let runs: Vec<_> = detail.commands.iter().filter(|run| cited.contains(&run.number)).collect();
    if !runs.is_empty() {
        out.push(title(screen, "Runs the agent cites"));
        let line = |run: &&CommandRun| {
            let end = format!("{} · {}", run.outcome, duration(run.duration_ms));
            format!("  {:>3}  {}  {}", run.number, safe_line(&run.command, 70), screen.paint(Look::Dim, &end))
        };
        out.extend(runs.iter().map(line));
    }
    if !detail.contract.include.is_empty() {
        out.push(title(screen, "Private files copied in"));
        out.extend(detail.contract.include.iter().flat_map(|path| bullet(screen, path)));
    }
    if !detail.network.is_empty() {
        out.push(title(screen, "Network"));
        out.extend(detail.network.iter().map(|used| network_line(screen, used)));
    }
    if detail.places_cited > 0 {
        let n_missing = detail.claims.iter().filter(|claim| claim.text.starts_with("cites ")).count();
        let verdict = if n_missing == 0 { "all of them exist".to_owned() } else { format!("{n_missing} do not exist") };
        out.push(format!("\n  {} places in the code are cited, {verdict}", detail.places_cited));
    }
    if !detail.violations.is_empty() {
        out.push(title(screen, "Borders crossed"));
        out.extend(detail.violations.iter().flat_map(|text| bullet(screen, text)));
    }
    let doubtful: Vec<_> = detail.claims.iter().filter(|claim| claim.status != ClaimStatus::Supported).collect();
    if !doubtful.is_empty() {
        out.push(title(screen, "Claims the journal does not support"));
        out.extend(doubtful.into_iter().map(|claim| claim_line(screen, claim)));
    }
    if !detail.diff.files.is_empty() {
        let applied = if detail.applied { "  (applied)" } else { "" };
        out.push(title(screen, &format!("Diff{applied}")));
        out.extend(diff_stat(screen, &detail.diff));
    }
    out.extend(left_out(screen, &detail.left_out));
    out
}

/// What no diff shows.
pub fn left_out(screen: &Screen, left_out: &LeftOut) -> Vec<String> {
    let mut lines = Vec::new();
    for skipped in &left_out.skipped {
        let what = format!("not in the result: {} ({})", safe_line(&skipped.path, 70), safe_line(&skipped.why, 40));
        lines.push(format!("  {}", screen.paint(Look::Warn, &what)));
    }
    let ignored = match left_out.n_ignored {
        0 => None,
        1 => Some("1 ignored file or folder".to_owned()),
        n => Some(format!("{n} ignored files or folders")),
    };
    let more = match left_out.n_unnamed() {
        0 => None,
        1 => Some("1 more path".to_owned()),
        n => Some(format!("{n} more paths")),
    };
    for text in more.into_iter().chain(ignored) {
        lines.push(format!("  {}", screen.paint(Look::Dim, &format!("not in the result: {text}"))));
    }
    lines
}

fn cost(screen: &Screen, detail: &Detail) -> Vec<String> {
    let mut out = Vec::new();
    let cost = &detail.cost;
    if detail.steps > 0 {
        let n_prompt = cost.input_tokens + cost.cache_read_tokens + cost.cache_write_tokens;
        let cached = (cost.cache_read_tokens * 100).checked_div(n_prompt).unwrap_or(0);
        out.push(title(screen, "Cost"));
        let mut text = format!(
            "  {} for {n_prompt} prompt tokens ({cached} % from cache) and {} output tokens",
            amount(cost.usd),
            cost.output_tokens
        );
        if cost.uncertain_usd > 0.0 {
            text.push_str(&format!("; up to {} more for requests that were cut", amount(cost.uncertain_usd)));
        }
        if cost.unpriced_responses > 0 {
            text.push_str(&format!("; {} responses have no known price", cost.unpriced_responses));
        }
        out.push(text);
    }
    out
}

fn check_lines(screen: &Screen, check: &CheckResult) -> Vec<String> {
    let (mark, look) = if check.passed { ("green", Look::Good) } else { ("red", Look::Bad) };
    let phase = match check.phase {
        Phase::Baseline => "base",
        Phase::Result => "result",
        Phase::RegressionOld => "old code + new tests",
        Phase::RegressionNew => "new code",
        Phase::Setup => "setup",
    };
    let runs = match (check.runs, check.failed_runs) {
        (1, _) => check.outcome.clone(),
        (n, 0) => format!("{n} of {n} runs passed"),
        (n, failed) => format!("{failed} of {n} runs failed ({})", check.outcome),
    };
    let totals = check.totals.as_ref().map(|totals| format!(" · {totals}")).unwrap_or_default();
    let mut lines = vec![format!(
        "  {} {:<20}  {}  {}",
        screen.paint(look, &format!("{mark:<5}")),
        phase,
        safe(&check.command),
        screen.paint(Look::Dim, &format!("{runs}{totals} · {}", duration(check.duration_ms)))
    )];
    if !check.passed {
        let telling = check.excerpt.lines().filter(|line| names_a_failure(line)).take(3);
        lines.extend(telling.map(|line| format!("        {}", screen.paint(Look::Dim, &safe_line(line, 100)))));
    }
    lines
}

/// Lines that say what failed, in the words of the common test runners and compilers.
fn names_a_failure(line: &str) -> bool {
    let line = line.trim();
    let is_panic = line.contains("panicked at") || line.contains("AssertionError");
    is_panic
        || line.ends_with("FAILED")
        || line.starts_with("FAILED ")
        || line.starts_with("error")
        || line.starts_with("--- FAIL")
}

fn claim_line(screen: &Screen, claim: &Claim) -> String {
    let (mark, look) = match claim.status {
        ClaimStatus::Supported => ("supported", Look::Good),
        ClaimStatus::Unsupported => ("unsupported", Look::Warn),
        ClaimStatus::Contradicted => ("contradicted", Look::Bad),
    };
    format!("  {}  {} ({})", screen.paint(look, mark), safe(&claim.text), safe(&claim.why))
}

pub fn diff_stat(screen: &Screen, diff: &Diff) -> Vec<String> {
    let width = diff.files.iter().map(|file| file.path.chars().count()).max().unwrap_or(0).min(70);
    let line = |file: &DiffFile| {
        let what = match (file.kind, file.binary) {
            (_, true) => "binary".to_owned(),
            (ChangeKind::Mode, false) => "mode".to_owned(),
            _ => format!(
                "{} {}",
                screen.paint(Look::Good, &format!("+{}", file.added)),
                screen.paint(Look::Bad, &format!("−{}", file.removed))
            ),
        };
        let kind = match file.kind {
            ChangeKind::Added => "  new",
            ChangeKind::Deleted => "  deleted",
            ChangeKind::Modified | ChangeKind::Mode => "",
        };
        format!("  {:<width$}  {what}{kind}", safe_line(&file.path, 70))
    };
    let mut out: Vec<_> = diff.files.iter().map(line).collect();
    let n = diff.files.len();
    out.push(format!("  {n} {}, +{} −{}", if n == 1 { "file" } else { "files" }, diff.added, diff.removed));
    out
}

fn next_commands(detail: &Detail) -> Vec<String> {
    let (own, id) = (own_name(), &detail.id);
    let mut out = Vec::new();
    let mut say = |command: String, what: &str| out.push((format!("{own} {command}"), what.to_owned()));
    match detail.state.as_str() {
        "submitted" | "working" => {
            say(format!("logs -f {id}"), "follow it");
            say(format!("reply {id} \"…\""), "steer it");
            say(format!("stop {id}"), "stop it");
        }
        "input_required" => {
            say(format!("resume {id}"), "go on");
            say(format!("reply {id} \"…\""), "answer");
        }
        _ => {
            if !detail.diff.files.is_empty() {
                say(format!("diff {id}"), "read the patch");
                match detail.applied {
                    true => say(format!("undo {id}"), "take it back out of your checkout"),
                    false => say(format!("apply {id}"), "write it into your checkout"),
                }
            }
            say(format!("reply {id} \"…\""), "follow up in the same task");
            say(format!("logs {id}"), "what it did, step by step");
        }
    }
    let width = out.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    let mut lines = vec![String::new()];
    lines.extend(out.into_iter().map(|(command, what)| format!("  {command:<width$}   {what}")));
    lines
}

fn title(screen: &Screen, text: &str) -> String {
    format!("\n{}", screen.paint(Look::Bold, text))
}

fn item(screen: &Screen, name: &str, text: &str) -> Vec<String> {
    let mut lines = vec![format!("  {}", screen.paint(Look::Accent, &safe(name)))];
    lines.extend(wrapped(screen, text, 4));
    lines
}

fn bullet(screen: &Screen, text: &str) -> Vec<String> {
    let mut lines = wrapped(screen, text, 4);
    if let Some(first) = lines.first_mut() {
        *first = format!("  - {}", first.trim_start());
    }
    lines
}

/// Words of `text` in lines that fit, indented.
pub fn wrapped(screen: &Screen, text: &str, indent: usize) -> Vec<String> {
    let width = screen.width.clamp(40, 110).saturating_sub(indent);
    let mut lines = Vec::new();
    for paragraph in safe(text).lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(format!("{:indent$}{line}", ""));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(format!("{:indent$}{line}", ""));
    }
    lines
}
