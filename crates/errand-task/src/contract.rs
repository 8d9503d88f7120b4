//! The contract: what the person wants, when the job is done, and which borders hold.
//!
//! A [`Draft`] is what a flag set, a contract file or a configuration file says; drafts are merged, then completed into a
//! [`Contract`] in which nothing is missing. Enforcement is elsewhere: borders in [`crate::borders`], limits in the rules.

use crate::borders::Borders;
use crate::money::Pico;
use crate::network::{self, Name};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest goal accepted, in bytes; a larger one belongs into a file of the repository.
pub const GOAL_BYTES: usize = 64 * 1024;
/// Most patterns that name private files.
pub const INCLUDE_MAX: usize = 64;
/// Most dependency folders that are named.
pub const DEPENDENCIES_MAX: usize = 64;
/// Most repetitions of one check.
pub const REPEAT_MAX: u32 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Files may change.
    Change,
    /// A document with references; nothing may be edited.
    Plan,
    /// A short answer with references; nothing may be edited.
    Answer,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Plan => "plan",
            Self::Answer => "answer",
        }
    }

    pub fn is_read_only(self) -> bool {
        match self {
            Self::Change => false,
            Self::Plan | Self::Answer => true,
        }
    }
}

/// What a check must do before the work starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// It passes on the base; if it does not, the task stops before anything is spent.
    MustPass,
    /// It may be red on the base, as the test of a bug that is to be fixed.
    MayFail,
}

/// A command errand runs on the result; all runs must exit with 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub run: String,
    pub repeat: u32,
    pub baseline: Baseline,
    /// Wall time of one run, in seconds.
    pub timeout_s: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub dollars: Pico,
    pub steps: u32,
    pub minutes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Economy {
    Live,
    Auto,
    Batch,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
// Stored with the task, yet strict: a border that this version does not know must not be dropped in silence.
#[serde(deny_unknown_fields)]
pub struct Contract {
    pub mode: Mode,
    pub goal: String,
    pub checks: Vec<Check>,
    /// Must fail on the old code with only the new tests added, and pass on the new.
    pub regression: Option<String>,
    /// When not empty, only matching paths may change.
    pub allow: Vec<String>,
    /// Matching paths may never change.
    pub protect: Vec<String>,
    pub max_diff_lines: Option<u32>,
    pub max_files: Option<u32>,
    /// What commands may reach, each as a [`Name`] reads it; empty means nothing.
    pub network: Vec<String>,
    pub budget: Budget,
    pub model: String,
    pub economy: Economy,
    /// Commands errand runs in a fresh workspace before anything else in it, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<String>,
    /// Names that only these commands may reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup_network: Vec<String>,
    /// Private files of the checkout that are copied in, by path; as the person gives it, patterns for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Further folders of the checkout, by path, that a build needs and git does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
}

/// A contract with gaps: one source's part of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Draft {
    pub mode: Option<Mode>,
    pub checks: Vec<DraftCheck>,
    pub regression: Option<String>,
    pub allow: Vec<String>,
    pub protect: Vec<String>,
    pub max_diff_lines: Option<u32>,
    pub max_files: Option<u32>,
    pub network: Vec<String>,
    pub budget: DraftBudget,
    pub model: Option<String>,
    pub economy: Option<Economy>,
    pub setup: Vec<String>,
    pub setup_network: Vec<String>,
    pub include: Vec<String>,
    pub dependencies: Vec<String>,
}

/// A check as a person writes it: a command alone, or with its settings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum DraftCheck {
    Command(String),
    Full(DraftFullCheck),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftFullCheck {
    pub run: String,
    pub repeat: Option<u32>,
    pub baseline: Option<Baseline>,
    pub timeout_s: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DraftBudget {
    pub usd: Option<f64>,
    pub steps: Option<u32>,
    pub minutes: Option<u32>,
}

/// What is wrong with a contract, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub text: String,
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.text, self.hint)
    }
}

impl Draft {
    /// `self` where it says something, else `below`. Checks and paths add up; of two limits the tighter one holds.
    pub fn over(self, below: Self) -> Self {
        Self {
            mode: self.mode.or(below.mode),
            checks: joined(self.checks, below.checks),
            regression: self.regression.or(below.regression),
            allow: if self.allow.is_empty() { below.allow } else { self.allow },
            protect: joined(self.protect, below.protect),
            max_diff_lines: tighter(self.max_diff_lines, below.max_diff_lines),
            max_files: tighter(self.max_files, below.max_files),
            network: joined(self.network, below.network),
            budget: DraftBudget {
                usd: self.budget.usd.or(below.budget.usd),
                steps: self.budget.steps.or(below.budget.steps),
                minutes: self.budget.minutes.or(below.budget.minutes),
            },
            model: self.model.or(below.model),
            economy: self.economy.or(below.economy),
            // Which names are reached belongs to what reaches them, and the order of commands matters: one source's whole.
            setup_network: if self.setup.is_empty() { below.setup_network } else { self.setup_network },
            setup: if self.setup.is_empty() { below.setup } else { self.setup },
            include: joined(self.include, below.include),
            dependencies: joined(self.dependencies, below.dependencies),
        }
    }

    /// Fills what nobody said and reports everything that is wrong at once.
    pub fn complete(self, goal: &str) -> Result<Contract, Vec<Problem>> {
        let mut problems = Vec::new();
        let checks = self.checks.into_iter().filter_map(|check| complete_check(check, &mut problems)).collect();
        let dollars = self.budget.usd.map_or(Some(Pico(2_000_000_000_000)), Pico::from_usd);
        let contract = Contract {
            mode: self.mode.unwrap_or(Mode::Change),
            goal: goal.trim().to_owned(),
            checks,
            regression: self.regression,
            allow: self.allow,
            protect: self.protect,
            max_diff_lines: self.max_diff_lines,
            max_files: self.max_files,
            network: self.network,
            budget: Budget {
                dollars: dollars.unwrap_or(Pico::ZERO),
                steps: self.budget.steps.unwrap_or(80),
                minutes: self.budget.minutes.unwrap_or(45),
            },
            model: self.model.unwrap_or_else(|| "sonnet".to_owned()),
            economy: self.economy.unwrap_or(Economy::Auto),
            setup: self.setup.iter().map(|command| command.trim().to_owned()).collect(),
            setup_network: self.setup_network,
            include: self.include,
            dependencies: self.dependencies,
        };
        contract.find_problems(&mut problems);
        if problems.is_empty() { Ok(contract) } else { Err(problems) }
    }
}

impl Contract {
    fn find_problems(&self, problems: &mut Vec<Problem>) {
        let mut say = |text: &str, hint: &str| problems.push(Problem { text: text.to_owned(), hint: hint.to_owned() });
        if self.goal.is_empty() {
            say("the goal is empty", "say what to do, as in: errand run \"fix the failing login test\"");
        }
        if self.goal.len() > GOAL_BYTES {
            say("the goal is longer than 64 KiB", "put the details into a file of the repository and name it");
        }
        if self.budget.dollars == Pico::ZERO {
            say("the budget is not an amount above zero", "give dollars, as in --budget 2.00");
        }
        if self.regression.as_ref().is_some_and(|command| is_no_command(command)) {
            say("the regression command is empty", "give a command, as in --regression \"cargo test login\"");
        }
        if self.budget.steps == 0 || self.budget.minutes == 0 {
            say("a budget of zero steps or minutes allows nothing", "leave it out or raise it");
        }
        if self.mode.is_read_only() && (!self.checks.is_empty() || self.regression.is_some()) {
            say("a plan or an answer changes nothing, so there is nothing to check", "leave the checks out");
        }
        for (field, names) in [("network", &self.network), ("setup_network", &self.setup_network)] {
            if names.len() > network::NAMES_MAX {
                say(&format!("`{field}` grants more than 64 names"), "name only what the job needs");
            }
            for name in names {
                if let Err(error) = name.parse::<Name>() {
                    say(&format!("`{}` in `{field}` {error}", network::shown(name.as_bytes())), error.hint());
                }
            }
        }
        if self.setup.iter().any(|command| is_no_command(command)) {
            say("a setup command is empty", "give a command, as in `setup: [npm ci]`");
        }
        if self.setup.is_empty() && !self.setup_network.is_empty() {
            say("`setup_network` is for setup commands, and there are none", "give `setup`, or leave it out");
        }
        if self.include.iter().any(|pattern| pattern.trim().is_empty() || pattern.contains(['\0', '\n'])) {
            say(
                "a pattern for private files is empty or has more than a line",
                "write it as in a .gitignore, as in .env",
            );
        }
        if self.include.len() > INCLUDE_MAX {
            say("`include` has more than 64 patterns", "name folders or fewer files");
        }
        if let Some(path) = self.dependencies.iter().find(|path| !is_folder_below(path)) {
            say(
                &format!("`{}` is not a dependency folder", path.escape_debug()),
                "give its path from the top of the repository, as in tools/lib",
            );
        }
        if self.dependencies.len() > DEPENDENCIES_MAX {
            say("`dependencies` has more than 64 folders", "name a folder around them");
        }
        if self.economy == Economy::Batch {
            say("batch delivery is not there yet", "leave `economy` out or say live");
        }
        if self.max_diff_lines == Some(0) || self.max_files == Some(0) {
            say("a limit of zero lines or files forbids every change", "use --plan for a read-only job");
        }
        if let Err(error) = Borders::of(self) {
            say(&error.to_string(), "write globs like src/auth/** or tests/*.py");
        }
    }
}

pub(crate) fn is_no_command(text: &str) -> bool {
    text.trim().is_empty() || text.contains('\0')
}

/// Whether this is a path below the top of the repository, written in one way.
fn is_folder_below(path: &str) -> bool {
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(char::is_control);
    path.trim_end_matches('/').split('/').all(is_name)
}

fn complete_check(check: DraftCheck, problems: &mut Vec<Problem>) -> Option<Check> {
    let full = match check {
        DraftCheck::Command(run) => DraftFullCheck { run, repeat: None, baseline: None, timeout_s: None },
        DraftCheck::Full(full) => full,
    };
    let check = Check {
        run: full.run.trim().to_owned(),
        repeat: full.repeat.unwrap_or(1),
        baseline: full.baseline.unwrap_or(Baseline::MustPass),
        timeout_s: full.timeout_s.unwrap_or(600),
    };
    let problem = if is_no_command(&check.run) {
        Some(("a check is empty", "give a command, as in --check \"cargo test\""))
    } else if !(1..=REPEAT_MAX).contains(&check.repeat) {
        Some(("a check repeats less than once or more than 1000 times", "choose a number in between"))
    } else if !(1..=6 * 3600).contains(&check.timeout_s) {
        Some(("a check's time limit is not between a second and six hours", "choose a number in between"))
    } else {
        None
    };
    if let Some((text, hint)) = problem {
        problems.push(Problem { text: text.to_owned(), hint: hint.to_owned() });
        return None;
    }
    Some(check)
}

pub(crate) fn joined<T: PartialEq>(mut upper: Vec<T>, lower: Vec<T>) -> Vec<T> {
    for item in lower {
        if !upper.contains(&item) {
            upper.push(item);
        }
    }
    upper
}

pub(crate) fn tighter(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(draft: Draft, goal: &str) -> Vec<String> {
        draft.complete(goal).err().unwrap_or_default().into_iter().map(|problem| problem.text).collect()
    }

    #[test]
    fn a_goal_alone_is_a_contract() {
        let contract = Draft::default().complete("  fix it ").unwrap();
        assert_eq!(contract.goal, "fix it");
        assert_eq!(contract.budget, Budget { dollars: Pico(2_000_000_000_000), steps: 80, minutes: 45 });
        assert_eq!(contract.model, "sonnet");
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let draft = Draft {
            mode: Some(Mode::Plan),
            checks: vec![DraftCheck::Command(" ".into()), DraftCheck::Command("make".into())],
            regression: Some("\n".into()),
            allow: vec!["src/[".into()],
            network: ["registry.example", "*.example.org", "a.b:0"].map(String::from).to_vec(),
            budget: DraftBudget { usd: Some(-1.0), steps: Some(0), minutes: None },
            ..Draft::default()
        };
        assert_eq!(
            problems(draft, " "),
            [
                "a check is empty",
                "the goal is empty",
                "the budget is not an amount above zero",
                "the regression command is empty",
                "a budget of zero steps or minutes allows nothing",
                "a plan or an answer changes nothing, so there is nothing to check",
                "`*.example.org` in `network` has a wildcard",
                "`a.b:0` in `network` has a port that is not a number from 1 to 65535",
                "`src/[` is not a path pattern",
            ]
        );
    }

    #[test]
    fn names_are_granted_as_they_are_written() {
        let with = |network: Vec<String>| Draft { network, ..Draft::default() };
        let network = vec!["registry.example".to_owned(), "example.org:8443".to_owned()];
        assert_eq!(with(network.clone()).complete("x").unwrap().network, network);
        let many = (0..65).map(|n| format!("a{n}.example")).collect();
        assert_eq!(problems(with(many), "x"), ["`network` grants more than 64 names"]);
        assert_eq!(
            with(vec!["\u{1b}[2m".into()]).complete("x").unwrap_err().first().unwrap().to_string(),
            "`\\x1b[2m` in `network` has characters that no host name has; write the full host in lower case, as in \
             registry.example"
        );
    }

    #[test]
    fn the_tighter_limit_and_every_check_hold() {
        let upper = Draft { max_files: Some(9), checks: vec![DraftCheck::Command("a".into())], ..Draft::default() };
        let lower = Draft {
            max_files: Some(4),
            checks: vec![DraftCheck::Command("a".into()), DraftCheck::Command("b".into())],
            protect: vec!["x".into()],
            ..Draft::default()
        };
        let merged = upper.over(lower);
        assert_eq!(merged.max_files, Some(4));
        assert_eq!(merged.checks.len(), 2);
        assert_eq!(merged.protect, ["x"]);
    }

    #[test]
    fn setup_is_one_sources_and_its_names_belong_to_it() {
        let setup = |run: &str, name: &str| Draft {
            setup: vec![run.to_owned()],
            setup_network: vec![name.to_owned()],
            ..Draft::default()
        };
        let merged = setup(" npm ci ", "a.example").over(setup("make deps", "b.example")).complete("x").unwrap();
        assert_eq!((merged.setup, merged.setup_network), (vec!["npm ci".to_owned()], vec!["a.example".to_owned()]));
        let network_alone = Draft { setup_network: vec!["a.example".into()], ..Draft::default() };
        assert_eq!(problems(network_alone, "x"), ["`setup_network` is for setup commands, and there are none"]);
        assert_eq!(
            problems(setup("\0", "Not A Name"), "x"),
            ["`Not A Name` in `setup_network` has upper case letters", "a setup command is empty"]
        );
    }

    #[test]
    fn private_files_are_named_by_every_source() {
        let include = |pattern: &str| Draft { include: vec![pattern.to_owned()], ..Draft::default() };
        assert_eq!(include(".env").over(include("/secrets")).complete("x").unwrap().include, [".env", "/secrets"]);
        for wrong in [" ", "a\nb", "a\0b"] {
            assert_eq!(problems(include(wrong), "x"), ["a pattern for private files is empty or has more than a line"]);
        }
        let many = Draft { include: (0..65).map(|n| format!("a{n}")).collect(), ..Draft::default() };
        assert_eq!(problems(many, "x"), ["`include` has more than 64 patterns"]);
    }

    #[test]
    fn dependency_folders_are_named_by_every_source() {
        let names = |path: &str| Draft { dependencies: vec![path.to_owned()], ..Draft::default() };
        let contract = names("tools/lib").over(names("cache/")).complete("x").unwrap();
        assert_eq!(contract.dependencies, ["tools/lib", "cache/"]);
        let stored = serde_json::to_value(&contract).unwrap();
        assert_eq!(stored["dependencies"], serde_json::json!(["tools/lib", "cache/"]));
        assert_eq!(serde_json::from_value::<Contract>(stored).unwrap(), contract);
        for wrong in ["", "/", "/etc", "..", "a/../b", "./a", "a//b", "a\nb"] {
            let problems = problems(names(wrong), "x");
            assert_eq!(problems, [format!("`{}` is not a dependency folder", wrong.escape_debug())], "{wrong:?}");
        }
        let many = Draft { dependencies: (0..65).map(|n| format!("a{n}")).collect(), ..Draft::default() };
        assert_eq!(problems(many, "x"), ["`dependencies` has more than 64 folders"]);
    }

    #[test]
    fn a_contract_without_setup_is_stored_as_before_there_was_any() {
        let stored = serde_json::to_string(&Draft::default().complete("x").unwrap()).unwrap();
        for later in ["setup", "include", "dependencies"] {
            assert!(!stored.contains(later), "{stored}");
        }
        let read: Contract = serde_json::from_str(&stored).unwrap();
        assert!(read.setup.is_empty() && read.setup_network.is_empty() && read.include.is_empty());
        assert!(read.dependencies.is_empty());
    }
}
