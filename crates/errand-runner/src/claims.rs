//! Holds the model's claims against the journal.

use errand_task::facts::{ChangeKind, Phase};
use errand_task::report::Outcome;
use errand_task::state::State;
use errand_task::test_paths;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    Supported,
    Unsupported,
    Contradicted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub text: String,
    pub support: Support,
    /// What the journal says.
    pub why: String,
}

/// Every claim of the report that can be tested.
pub fn of(state: &State) -> Vec<Claim> {
    let Some(finish) = &state.finish else { return Vec::new() };
    let report = &finish.report;
    let diff = state.result.as_ref().map(|result| result.diff.as_slice()).unwrap_or_default();
    let mut claims = Vec::new();
    let mut say = |text: String, support, why: String| claims.push(Claim { text, support, why });

    if report.outcome == Outcome::Done && !state.contract().checks.is_empty() {
        let results: Vec<_> = finish.checks.iter().filter(|record| record.phase == Phase::Result).collect();
        let n_red = results.iter().filter(|record| !record.is_green()).count();
        let text = "the job is done".to_owned();
        if results.is_empty() {
            say(text, Support::Unsupported, "no check was run on the result".to_owned());
        } else if n_red > 0 {
            say(text, Support::Contradicted, format!("{n_red} of {} checks are red on the result", results.len()));
        } else {
            say(text, Support::Supported, "all checks are green on a clean checkout".to_owned());
        }
    }
    for change in &report.changes {
        // A change over many files may be claimed by its folder.
        let folder = format!("{}/", change.path.trim_end_matches(['/', '*']));
        let is_there = diff.iter().any(|file| file.path == change.path || is_below(&file.path, &folder));
        let (support, why) = match is_there {
            true => (Support::Supported, "the diff changes it"),
            false => (Support::Contradicted, "the diff does not touch it"),
        };
        say(format!("changed {}", change.path), support, why.to_owned());
    }
    for number in &report.checks {
        let run = state.runs.iter().find(|run| run.record.number == *number);
        let (support, why) = match run {
            Some(run) if run.record.is_success() => {
                (Support::Supported, format!("`{}`: exit 0", short(&run.record.command)))
            }
            Some(run) => {
                (Support::Contradicted, format!("`{}`: {}", short(&run.record.command), run.record.headline()))
            }
            None => (Support::Contradicted, "there was no such run".to_owned()),
        };
        say(format!("run {number} shows it"), support, why);
    }
    if !report.tests.is_empty() {
        let touches_tests = diff.iter().any(|file| test_paths::is_test(&file.path) && file.kind != ChangeKind::Deleted);
        let (support, why) = match touches_tests {
            true => (Support::Supported, "files of tests are new or changed"),
            false => (Support::Unsupported, "no file of tests is changed; they may stand beside the code"),
        };
        say("tests were added or changed".to_owned(), support, why.to_owned());
    }
    let missing = state.result.as_ref().map(|result| result.missing_references.as_slice()).unwrap_or_default();
    for place in missing {
        say(format!("cites {place}"), Support::Contradicted, "there is no such place in the result".to_owned());
    }
    claims
}

fn is_below(file: &str, folder: &str) -> bool {
    file.strip_prefix(folder).is_some()
}

/// The first line of a command, cut.
fn short(command: &str) -> String {
    let line = command.lines().next().unwrap_or_default();
    let kept: String = line.chars().take(80).collect();
    if kept.len() < command.len() { format!("{kept}…") } else { kept }
}
