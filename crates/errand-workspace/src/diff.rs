//! What a result changes: counted per file, as a git patch, and as hunks of one text for tool results.
//!
//! Renames are a deletion and an addition: contracts count lines, and a rename must not hide any.

use crate::git::GitError;
use crate::ledger::{Ledger, LedgerError};
use crate::paths;
use crate::trees::{Difference, Edit, Node};
use errand_task::facts::{ChangeKind, FileChange};
use errand_task::id::TreeId;
use similar::TextDiff;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

const DIFF: [&str; 8] = [
    "diff-tree",
    "-r",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--no-color",
    "--diff-algorithm=histogram",
    "--ignore-submodules=none",
];

/// The files that `result` changes, sorted by path, with git's line counts.
pub fn diff(ledger: &Ledger, base: &TreeId, result: &TreeId) -> Result<Vec<FileChange>, LedgerError> {
    let differences = ledger.compare(base, result)?.differences;
    if differences.is_empty() {
        return Ok(Vec::new());
    }
    let args = DIFF.into_iter().chain(["-z", "--numstat", base.as_str(), result.as_str()]);
    let output = ledger.git().call("diff-tree", &ledger.work_git()).args(args).output()?;
    let counts = parse_counts(&output).ok_or(GitError::Garbled { what: "diff-tree" })?;
    Ok(differences.iter().map(|difference| change(difference, &counts)).collect())
}

/// Added and removed lines; `None` for a binary file.
type Counts<'a> = HashMap<&'a [u8], Option<(u32, u32)>>;

/// `<added>\t<removed>\t<path>`, or dashes for the numbers.
fn parse_counts(output: &[u8]) -> Option<Counts<'_>> {
    let parse = |line: &'_ [u8]| -> Option<(usize, Option<(u32, u32)>)> {
        let first = line.iter().position(|&byte| byte == b'\t')?;
        let second = first + 1 + line.get(first + 1..)?.iter().position(|&byte| byte == b'\t')?;
        let number = |from: usize, to: usize| std::str::from_utf8(line.get(from..to)?).ok()?.parse().ok();
        Some((second + 1, number(0, first).zip(number(first + 1, second))))
    };
    let lines = output.split(|&byte| byte == 0).filter(|line| !line.is_empty());
    lines.map(|line| parse(line).and_then(|(start, counts)| Some((line.get(start..)?, counts)))).collect()
}

fn change(difference: &Difference, counts: &Counts<'_>) -> FileChange {
    let kind = match (&difference.old, &difference.new) {
        (None, _) => ChangeKind::Added,
        (Some(_), None) => ChangeKind::Deleted,
        (Some(old), Some(new)) if old.id == new.id => ChangeKind::Mode,
        (Some(_), Some(_)) => ChangeKind::Modified,
    };
    let counted = counts.get(difference.path());
    let (added, removed) = counted.copied().flatten().unwrap_or((0, 0));
    let is_binary = matches!(counted, Some(None));
    FileChange { path: paths::shown(difference.path()), kind, added, removed, is_binary }
}

/// Which files a patch shows.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    All,
    /// Paths as [`FileChange::path`] names them.
    Only(&'a [String]),
}

/// A plain git patch from `base` to `result`, binary files included, with full ids.
pub fn patch(
    ledger: &Ledger,
    base: &TreeId,
    result: &TreeId,
    selection: Selection<'_>,
) -> Result<Vec<u8>, LedgerError> {
    let differences = ledger.compare(base, result)?.differences;
    let chosen: Vec<&[u8]> = match selection {
        Selection::All => Vec::new(),
        Selection::Only(names) => {
            let paths = differences.iter().map(Difference::path);
            paths.filter(|path| names.contains(&paths::shown(path))).collect()
        }
    };
    if differences.is_empty() || (chosen.is_empty() && matches!(selection, Selection::Only(_))) {
        return Ok(Vec::new());
    }
    let more = ["-p", "--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/"];
    let args = DIFF.into_iter().chain(more).chain([base.as_str(), result.as_str(), "--"]);
    let call = ledger.git().call("diff-tree", &ledger.work_git()).args(args);
    Ok(call.args(chosen.into_iter().map(OsStr::from_bytes)).output()?)
}

/// The tree of `base` with the chosen paths (as [`FileChange::path`] names them) taken from `result`.
pub fn mix_trees(ledger: &Ledger, base: &TreeId, result: &TreeId, chosen: &[String]) -> Result<TreeId, LedgerError> {
    let differences = ledger.compare(base, result)?.differences;
    let is_chosen = |difference: &Difference| chosen.contains(&paths::shown(difference.path()));
    let edit = |difference: Difference| match (difference.old, difference.new) {
        (_, Some(new)) => Some(Edit::Put { path: new.path, mode: new.mode, id: new.id }),
        (Some(old), None) => Some(Edit::Remove { path: old.path }),
        (None, None) => None,
    };
    let edits: Vec<_> = differences.into_iter().filter(is_chosen).filter_map(edit).collect();
    ledger.edit_tree(base, &edits)
}

/// A file's content in a tree by its shown path; `None` when it is not there or no file.
pub fn file_in(ledger: &Ledger, tree: &TreeId, path: &str) -> Result<Option<Vec<u8>>, LedgerError> {
    let mut node = ledger.entry_at(tree, path.as_bytes())?;
    if node.is_none() && path.contains("\\x") {
        // It may stand for bytes that are not UTF-8; such paths are rare enough to look at all.
        let entries = ledger.list_tree(tree)?;
        let entry = entries.iter().find(|entry| entry.shown() == path);
        node = entry.map(|entry| Node::Entry { mode: entry.mode, id: entry.id });
    }
    match node {
        Some(Node::Entry { mode, id }) if mode.is_file() => ledger.read_blob(&id).map(Some),
        Some(Node::Entry { .. } | Node::Folder { .. }) | None => Ok(None),
    }
}

/// Hunks of one text with two lines around, and the added and removed lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunks {
    /// Unified, without file headers; empty when nothing changed.
    pub text: String,
    pub added: u32,
    pub removed: u32,
}

/// What changed between two versions of a text.
pub fn hunks(before: &str, after: &str) -> Hunks {
    let diff = TextDiff::from_lines(before, after);
    let count = |tag| {
        let n_lines = diff.iter_all_changes().filter(|change| change.tag() == tag).count();
        u32::try_from(n_lines).unwrap_or(u32::MAX)
    };
    Hunks {
        text: diff.unified_diff().context_radius(2).to_string(),
        added: count(similar::ChangeTag::Insert),
        removed: count(similar::ChangeTag::Delete),
    }
}
