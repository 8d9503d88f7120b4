//! What the scripted model does: jobs against a generated repository, step by step.

use super::repository::{code_line, source_path};
use serde_json::{Value, json};

/// What a step asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Edit,
    List,
    Read,
    Run,
    Search,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Edit, Self::List, Self::Read, Self::Run, Self::Search];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::List => "list",
            Self::Read => "read",
            Self::Run => "run",
            Self::Search => "search",
        }
    }

    fn call(self, index: usize) -> (&'static str, Value) {
        let path = source_path(index);
        match self {
            Self::Edit => {
                let edit = json!({ "path": path, "old": code_line(index, 0), "new": code_line(index, index) });
                ("edit", json!({ "edits": [edit] }))
            }
            Self::List => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
                ("list", json!({ "path": folder }))
            }
            Self::Read => ("read", json!({ "files": [{ "path": path }] })),
            Self::Run => ("run", json!({ "command": "true" })),
            Self::Search => ("search", json!({ "pattern": format!("fn item_{index:05}") })),
        }
    }
}

/// 30 steps: 15 reads, 5 searches and 3 lists, 5 edits, 2 commands.
pub fn mixed() -> Vec<Kind> {
    let block = |last| [Kind::Read, Kind::Search, Kind::Read, Kind::Edit, Kind::Read, last];
    [Kind::List, Kind::List, Kind::Run, Kind::List, Kind::Run].into_iter().flat_map(block).collect()
}

/// 30 steps that only read.
pub fn reads() -> Vec<Kind> {
    vec![Kind::Read; 30]
}

/// The steps, then the end of the job.
pub fn job(kinds: &[Kind]) -> String {
    let outcome = if kinds.contains(&Kind::Edit) { "done" } else { "nothing_to_change" };
    let finish = json!({ "outcome": outcome, "summary": "Nothing was meant to be done." });
    format!("{}{}", steps(kinds), call("finish", &finish))
}

/// The steps, then an answer that never comes.
pub fn job_that_waits(kinds: &[Kind]) -> String {
    format!("{}=== wait\n@delay 86400000\nToo late.\n", steps(kinds))
}

fn steps(kinds: &[Kind]) -> String {
    let calls = kinds.iter().enumerate().map(|(position, kind)| kind.call(position + 1));
    calls.map(|(name, input)| call(name, &input)).collect()
}

fn call(name: &str, input: &Value) -> String {
    format!("=== {name}\nNext comes {name}.\n@call {name}\n@input\n{input}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use errand_sim::Script;

    #[test]
    fn the_mixed_job_is_the_one_the_aim_speaks_of() {
        let count = |kind| mixed().iter().filter(|&&each| each == kind).count();
        assert_eq!(Kind::ALL.map(count), [5, 3, 15, 2, 5]);
    }

    #[test]
    fn jobs_are_scripts() {
        assert_eq!(Script::parse(&job(&mixed())).unwrap().n_steps(), 31);
        assert_eq!(Script::parse(&job_that_waits(&reads())).unwrap().n_steps(), 31);
    }
}
