//! Apply: from base tree and result tree to a list of files, checked against the person's checkout, written whole or not.
//!
//! Never `git apply`. Every path is checked part by part; the checkout's file must equal the base, or a clean three-way
//! merge exists, else that file blocks the apply and nothing is written. The writing is in the module `undo`.

use crate::beneath::Beneath;
use crate::git::GitError;
use crate::ledger::{Ledger, LedgerError};
use crate::objects::Kind;
use crate::paths;
use crate::source::Source;
use crate::state_dir;
use crate::trees::{Difference, EntryMode, TreeEntry};
use crate::undo::{self, Change, Content, ContentKind, Progress, Record, Stopped};
use errand_task::id::TreeId;
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

pub use crate::diff::Selection;

#[derive(Debug, Error)]
pub enum ApplyError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("`{path}` could not be written, nothing was applied: {source}")]
    RolledBack { path: String, source: io::Error },
    #[error("`{path}` could not be written and these could not be put back: {}", left.join(", "))]
    HalfDone { path: String, left: Vec<String> },
    #[error("there is no apply record `{0}`")]
    NoRecord(String),
    #[error("apply `{0}` was undone already or never finished")]
    NotApplied(String),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl From<GitError> for ApplyError {
    fn from(error: GitError) -> Self {
        Self::Ledger(error.into())
    }
}

/// Why one file keeps the whole result from being applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockReason {
    /// The checkout's file changed since the base, and the changes overlap.
    Conflict,
    /// The checkout does not have the file any more.
    Gone,
    /// Something stands where the result has a new file.
    InTheWay,
    /// The path is one that errand never writes.
    UnsafePath,
    /// A link; it is applied only when it is chosen by name.
    Link,
    /// The way to it leads through a link.
    BehindLink,
    /// It cannot be read.
    Unreadable,
}

impl fmt::Display for BlockReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "changed in the checkout since the base, and both changes touch the same lines",
            Self::Gone => "is gone from the checkout",
            Self::InTheWay => "exists in the checkout already",
            Self::UnsafePath => "is a path errand never writes",
            Self::Link => "is a link; choose it by name to apply it",
            Self::BehindLink => "lies behind a link in the checkout",
            Self::Unreadable => "cannot be read in the checkout",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    pub path: String,
    pub reason: BlockReason,
}

/// What happens to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Write,
    /// Written with the person's own changes merged in.
    Merge,
    Delete,
    /// The checkout has it already.
    Nothing,
    /// Submodules are never applied.
    SkipSubmodule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile {
    pub path: String,
    pub deed: Deed,
}

/// What an apply would do. Making one writes nothing.
#[derive(Debug)]
pub struct Plan {
    checkout: PathBuf,
    root: Beneath,
    changes: Vec<Change>,
    files: Vec<PlannedFile>,
    blockers: Vec<Blocker>,
}

/// The name of an apply's record, for `undo`.
pub type RecordId = String;

/// How an apply went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Applied {
        record: RecordId,
        files: Vec<PlannedFile>,
    },
    /// Nothing was written.
    Blocked(Vec<Blocker>),
}

/// How an undo went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    Undone {
        n_files: usize,
    },
    /// These are not what apply wrote any more; nothing was changed.
    Blocked(Vec<String>),
}

/// Compares every chosen file of `base` → `result` with the person's checkout.
pub fn plan(
    ledger: &Ledger,
    source: &Source,
    state_dir: &Path,
    base: &TreeId,
    result: &TreeId,
    selection: Selection<'_>,
) -> Result<Plan, ApplyError> {
    let checkout = source.top().to_owned();
    let root = Beneath::open(&checkout).map_err(|source| ApplyError::Io { path: checkout.clone(), source })?;
    let mut plan = Plan { checkout, root, changes: Vec::new(), files: Vec::new(), blockers: Vec::new() };
    let differences: Vec<_> = ledger
        .compare(base, result)?
        .differences
        .into_iter()
        .filter(|difference| match selection {
            Selection::All => true,
            Selection::Only(names) => names.contains(&paths::shown(difference.path())),
        })
        .collect();
    for difference in &differences {
        let path = paths::shown(difference.path());
        let is_by_name = matches!(selection, Selection::Only(_));
        match plan.judge(ledger, state_dir, difference, &differences, is_by_name)? {
            Ok((deed, change)) => {
                plan.files.push(PlannedFile { path, deed });
                plan.changes.extend(change);
            }
            Err(reason) => plan.blockers.push(Blocker { path, reason }),
        }
    }
    // Deletions first: a file may stand where a folder was, and the other way round.
    plan.changes.sort_by_key(|change| change.new.is_some());
    Ok(plan)
}

type Judged = Result<(Deed, Option<Change>), BlockReason>;

impl Plan {
    /// What keeps it from being applied; empty when nothing does.
    pub fn blockers(&self) -> &[Blocker] {
        &self.blockers
    }

    pub fn files(&self) -> &[PlannedFile] {
        &self.files
    }

    /// Writes everything, or nothing when something blocks or fails.
    pub fn apply(self, state_dir: &Path) -> Result<Outcome, ApplyError> {
        if !self.blockers.is_empty() {
            return Ok(Outcome::Blocked(self.blockers));
        }
        let at = |source| ApplyError::Io { path: state_dir.join("applies"), source };
        let applies = state_dir::folder(state_dir, "applies").map_err(at)?;
        let _lock = state_dir::lock(&applies.join("lock")).map_err(at)?;
        let mut record = Record::begin(state_dir, &self.checkout, &self.changes).map_err(at)?;
        match record.carry_out(&self.root, &self.changes) {
            Ok(()) => Ok(Outcome::Applied { record: record.id(), files: self.files }),
            Err(Stopped { path, left, .. }) if !left.is_empty() => Err(ApplyError::HalfDone { path, left }),
            Err(Stopped { path, source, .. }) => Err(ApplyError::RolledBack { path, source }),
        }
    }

    fn judge(
        &self,
        ledger: &Ledger,
        state_dir: &Path,
        difference: &Difference,
        all: &[Difference],
        is_by_name: bool,
    ) -> Result<Judged, ApplyError> {
        let path = difference.path();
        let (old, new) = (difference.old.as_ref(), difference.new.as_ref());
        let is_submodule = |entry: Option<&TreeEntry>| entry.is_some_and(|entry| entry.mode == EntryMode::Submodule);
        if is_submodule(old) || is_submodule(new) {
            return Ok(Ok((Deed::SkipSubmodule, None)));
        }
        let is_unsafe = |entry: Option<&TreeEntry>| entry.is_some_and(|e| paths::check_entry(&e.path, e.mode).is_err());
        if paths::check(path).is_err() || is_unsafe(new) {
            return Ok(Err(BlockReason::UnsafePath));
        }
        if !is_by_name && new.is_some_and(|entry| entry.mode == EntryMode::Link) {
            return Ok(Err(BlockReason::Link));
        }
        let now = match undo::current(&self.root, path) {
            Ok(now) => now,
            // Where a file is to go, a folder is as good as nothing; where one is to come, it must become empty.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory && (new.is_none() || empties(path, all)) => None,
            Err(error) => return Ok(Err(block_reason(&error))),
        };
        let wanted = new.map(|entry| content_of(ledger, entry, now.as_ref())).transpose()?;
        let is_as_wanted = |a: &Content, b: &Content| a.bytes == b.bytes && a.mode() == b.mode();
        match (&now, &wanted) {
            (None, None) => return Ok(Ok((Deed::Nothing, None))),
            (Some(now), Some(wanted)) if is_as_wanted(now, wanted) => return Ok(Ok((Deed::Nothing, None))),
            (_, _) => {}
        }
        let is_base = match (&now, old) {
            (None, None) => true,
            (Some(now), Some(old)) => {
                let is_same_kind = (now.kind == ContentKind::Link) == (old.mode == EntryMode::Link);
                is_same_kind && ledger.objects().hash(Kind::Blob, &now.bytes) == old.id
            }
            (_, _) => false,
        };
        let change = |new: Option<Content>, now| Some(Change { path: path.to_owned(), old: now, new });
        if is_base {
            let deed = if wanted.is_some() { Deed::Write } else { Deed::Delete };
            return Ok(Ok((deed, change(wanted, now))));
        }
        match (now, old, wanted) {
            (None, _, _) => Ok(Err(BlockReason::Gone)),
            (Some(_), None, _) => Ok(Err(BlockReason::InTheWay)),
            (Some(now), Some(old), Some(wanted))
                if old.mode.is_file() && now.kind == ContentKind::File && wanted.kind == ContentKind::File =>
            {
                let base = ledger.read_blob(&old.id)?;
                match merge(ledger, state_dir, [&now.bytes, &base, &wanted.bytes])? {
                    Some(bytes) => Ok(Ok((Deed::Merge, change(Some(Content { bytes, ..wanted }), Some(now))))),
                    None => Ok(Err(BlockReason::Conflict)),
                }
            }
            (Some(_), Some(_), _) => Ok(Err(BlockReason::Conflict)),
        }
    }
}

/// Whether the result deletes something below `path`.
fn empties(path: &[u8], all: &[Difference]) -> bool {
    let folder = [path, b"/"].concat();
    // tidy: text, not a path
    all.iter().any(|difference| difference.new.is_none() && difference.path().starts_with(&folder))
}

fn block_reason(error: &io::Error) -> BlockReason {
    use rustix::io::Errno;
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::LOOP | Errno::XDEV) => BlockReason::BehindLink,
        _ if error.kind() == io::ErrorKind::IsADirectory => BlockReason::InTheWay,
        _ => BlockReason::Unreadable,
    }
}

/// The result's content, with the permissions the person's file has except for the executable bit.
fn content_of(ledger: &Ledger, entry: &TreeEntry, now: Option<&Content>) -> Result<Content, LedgerError> {
    let bytes = ledger.read_blob(&entry.id)?;
    if entry.mode == EntryMode::Link {
        return Ok(Content { kind: ContentKind::Link, bytes, permissions: 0o777 });
    }
    let theirs = now.filter(|now| now.kind == ContentKind::File).map_or(0o644, |now| now.permissions);
    let permissions = match entry.mode {
        // Whoever may read it may run it.
        EntryMode::Executable => theirs | (theirs & 0o444) >> 2,
        EntryMode::Regular | EntryMode::Link | EntryMode::Submodule => theirs & !0o111,
    };
    Ok(Content { kind: ContentKind::File, bytes, permissions })
}

/// The clean three-way merge of the person's, the base's and the result's bytes, if there is one.
pub(crate) fn merge(ledger: &Ledger, state_dir: &Path, sides: [&[u8]; 3]) -> Result<Option<Vec<u8>>, ApplyError> {
    if sides.iter().any(|side| side.contains(&0)) {
        return Ok(None);
    }
    let dir = state_dir.join("merge").join(state_dir::temporary_name());
    let at = |source| ApplyError::Io { path: dir.clone(), source };
    state_dir::create_dir(&dir).map_err(at)?;
    let names = ["ours", "base", "theirs"].map(|name| dir.join(name));
    let write = |(path, bytes): (&PathBuf, _)| state_dir::create_file(path)?.write_all(bytes);
    let written = names.iter().zip(sides).try_for_each(write);
    let call = ledger.git().call("merge-file", &ledger.work_git()).args(["merge-file", "-p", "--quiet"]).args(&names);
    let merged = written.map_err(at).and_then(|()| Ok(call.code_and_output()?));
    std::fs::remove_dir_all(&dir).map_err(at)?;
    let (code, bytes) = merged?;
    Ok((code == 0).then_some(bytes))
}

/// Puts back what an apply replaced, if every file is still what it wrote.
pub fn undo(state_dir: &Path, record: &str) -> Result<Undone, ApplyError> {
    let no_record = || ApplyError::NoRecord(record.to_owned());
    if record.contains(['/', '\0']) || !record.starts_with("apply-") {
        return Err(no_record());
    }
    let applies = state_dir.join("applies");
    let at = |source| ApplyError::Io { path: applies.clone(), source };
    let _lock = state_dir::lock(&applies.join("lock")).map_err(|_| no_record())?;
    let mut record = Record::load(&applies.join(record)).map_err(|_| no_record())?;
    if record.progress != Progress::Done {
        return Err(ApplyError::NotApplied(record.id()));
    }
    let root = open_checkout(&record)?;
    let changed = record.changed_since(&root);
    if !changed.is_empty() {
        return Ok(Undone::Blocked(changed));
    }
    record.save(Progress::Undoing).map_err(at)?;
    take_back(&mut record, &root)
}

/// Applies and undos that a crash interrupted.
pub fn unfinished(state_dir: &Path) -> Result<Vec<RecordId>, ApplyError> {
    let applies = state_dir.join("applies");
    let at = |source| ApplyError::Io { path: applies.clone(), source };
    let entries = match std::fs::read_dir(&applies) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(at)?.path();
        match Record::load(&path) {
            Ok(record) if matches!(record.progress, Progress::Started | Progress::Undoing) => found.push(record.id()),
            // The lock file, or a record that was never begun.
            Ok(_) | Err(_) => {}
        }
    }
    found.retain(|id| id.starts_with("apply-"));
    found.sort();
    Ok(found)
}

/// Finishes an interrupted apply or undo backwards: the checkout is as it was before the apply.
pub fn finish_backwards(state_dir: &Path, record: &str) -> Result<Undone, ApplyError> {
    let no_record = || ApplyError::NoRecord(record.to_owned());
    if record.contains(['/', '\0']) || !record.starts_with("apply-") {
        return Err(no_record());
    }
    let applies = state_dir.join("applies");
    let _lock = state_dir::lock(&applies.join("lock")).map_err(|_| no_record())?;
    let mut record = Record::load(&applies.join(record)).map_err(|_| no_record())?;
    if !matches!(record.progress, Progress::Started | Progress::Undoing) {
        return Err(ApplyError::NotApplied(record.id()));
    }
    let root = open_checkout(&record)?;
    take_back(&mut record, &root)
}

fn open_checkout(record: &Record) -> Result<Beneath, ApplyError> {
    Beneath::open(&record.checkout).map_err(|source| ApplyError::Io { path: record.checkout.clone(), source })
}

fn take_back(record: &mut Record, root: &Beneath) -> Result<Undone, ApplyError> {
    let left = record.take_back(root, record.n_files());
    if left.is_empty() { Ok(Undone::Undone { n_files: record.n_files() }) } else { Ok(Undone::Blocked(left)) }
}
