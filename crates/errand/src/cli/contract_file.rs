//! A contract file: YAML between two lines of `---`, then the goal in Markdown.

use crate::failure::Failure;
use errand_task::contract::Draft;
use std::path::Path;

/// Largest file read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The draft and the goal of the file.
pub fn read(path: &Path) -> Result<(Draft, String), Failure> {
    let named = |text: String| {
        Failure::usage(format!("{}: {text}", path.display()))
            .hint("give a Markdown file with the goal, as in: errand run -f job.md")
    };
    let size = std::fs::metadata(path).map_err(|error| named(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(named("larger than 1 MiB".to_owned()).hint("a contract is a page of text"));
    }
    let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| named("not UTF-8 text".to_owned()))?;
    parse(&text).map_err(|problem| {
        named(problem).hint(
            "fields: mode, checks, regression, allow, protect, max_diff_lines, max_files, network, \
             budget {usd, steps, minutes}, model, economy, setup, setup_network, include, dependencies",
        )
    })
}

fn parse(text: &str) -> Result<(Draft, String), String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let Some(rest) = text.strip_prefix("---\n") else {
        return Ok((Draft::default(), text.trim().to_owned()));
    };
    let (front, goal) = match rest.strip_prefix("---\n") {
        Some(goal) => ("", goal),
        None => rest
            .split_once("\n---\n")
            .or_else(|| rest.strip_suffix("\n---").map(|front| (front, "")))
            .ok_or("the front matter is not closed by a line of ---")?,
    };
    let draft = if front.trim().is_empty() {
        Draft::default()
    } else {
        serde_saphyr::from_str(front).map_err(|error| with_its_line(&error.to_string(), front))?
    };
    Ok((draft, goal.trim().to_owned()))
}

/// The reader's first line, with the line of the file that it is about.
fn with_its_line(error: &str, front: &str) -> String {
    let said = error.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let number = said.split_once("line ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<usize>().ok());
    let line = number.and_then(|number| front.lines().nth(number.checked_sub(1)?));
    match line {
        Some(line) => format!("{said}, in `{}`", line.trim()),
        None => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use errand_task::contract::{DraftCheck, Mode};

    #[test]
    fn a_whole_contract() {
        let (draft, goal) = parse(
            "---\nmode: change # why\nchecks:\n  - cargo test -p auth\n  - { run: \"cargo test login::\", repeat: 20, \
             baseline: may-fail }\nallow: [\"src/auth/**\"]\nmax_files: 8\nbudget: { usd: 2.00, steps: 80 }\nmodel: \
             sonnet\n---\nFind the cause.\n\nThen fix it.\n",
        )
        .unwrap();
        assert_eq!(goal, "Find the cause.\n\nThen fix it.");
        assert_eq!(draft.mode, Some(Mode::Change));
        assert_eq!(draft.checks.len(), 2);
        assert!(matches!(draft.checks.first(), Some(DraftCheck::Command(run)) if run == "cargo test -p auth"));
        assert_eq!(draft.budget.usd, Some(2.0));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("---\nmodes: plan\n---\nx", "modes"),
            ("---\nmode: fix\n---\nx", "fix"),
            ("---\nmax_files: many\n---\nx", "max_files"),
            ("---\nmode: plan\nx", "not closed"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(part), "{text:?}: {problem}");
        }
    }

    #[test]
    fn a_file_without_front_matter_is_a_goal() {
        assert_eq!(parse("Fix it.\n").unwrap().1, "Fix it.");
    }
}
