//! A result as a commit on a new branch of the person's repository.
//!
//! The person's git is not asked to fetch: its configuration could run something. The few objects that the base does not
//! have are written as loose objects by us, then `update-ref` makes the branch, which runs nothing.

use crate::beneath::Beneath;
use crate::git::GitError;
use crate::ledger::{Ledger, LedgerError};
use crate::objects::{Kind, ObjectStore, Oid};
use crate::paths;
use crate::source::Source;
use crate::trees::EntryMode;
use errand_task::id::{CommitId, TreeId};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum BranchError {
    #[error("`{0}` is not a branch name")]
    BadName(String),
    #[error("branch `{0}` exists already")]
    Exists(String),
    #[error("branch `{0}` cannot stand beside another one that is a part of its name")]
    Clashes(String),
    #[error("`{}` leads outside the repository", .0.display())]
    Foreign(PathBuf),
    #[error("`{0}` is a path errand never writes")]
    UnsafePath(String),
    #[error("the repository no longer has commit {0}, which the result is based on")]
    ParentGone(CommitId),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// What becomes a commit.
#[derive(Clone, Debug)]
pub struct NewCommit<'a> {
    pub parent: &'a CommitId,
    pub tree: &'a TreeId,
    pub message: &'a str,
    /// Seconds since 1970.
    pub at: i64,
}

/// Makes the commit in the ledger, by errand <errand@localhost>. The same values give the same commit.
pub fn commit(ledger: &Ledger, new: &NewCommit<'_>) -> Result<CommitId, LedgerError> {
    let bytes = commit_bytes(new);
    let stored = ledger.objects().put(Kind::Commit, bytes.as_bytes()).and_then(|id| {
        ledger.objects().sync()?;
        Ok(id)
    });
    stored.map(|id| id.commit_id()).map_err(|source| LedgerError::Io { path: ledger.work_git(), source })
}

pub(crate) fn commit_bytes(new: &NewCommit<'_>) -> String {
    let NewCommit { parent, tree, message, at } = new;
    let who = format!("errand <errand@localhost> {at} +0000");
    let message = message.trim_end().replace('\0', "");
    format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{message}\n")
}

/// Makes branch `name` with the commit in the person's repository, which has the parent.
pub fn write_branch(
    ledger: &Ledger,
    source: &Source,
    name: &str,
    new: &NewCommit<'_>,
) -> Result<CommitId, BranchError> {
    let reference = format!("refs/heads/{name}");
    check_name(ledger, name, &reference)?;
    if exists(ledger, source, &reference)? {
        return Err(BranchError::Exists(name.to_owned()));
    }
    let common = source.common_dir();
    let objects = common.join("objects");
    if !exists(ledger, source, &format!("{}^{{tree}}", new.parent))? {
        return Err(BranchError::ParentGone(new.parent.clone()));
    }
    check_plain(source.git_dir(), &reference)?;
    check_plain(common, &reference)?;
    let commit = commit(ledger, new)?;
    let store = ObjectStore::new(objects.clone(), ledger.format());
    copy_objects(ledger, &store, new, &objects)?;
    let zero = "0".repeat(commit.as_str().len());
    let args = ["update-ref", &reference, commit.as_str(), &zero];
    let mut call = ledger.git().call("update-ref", source.git_dir()).args(args);
    // Else the reflog's line has the name that the repository's configuration gives.
    call.command.envs([("GIT_COMMITTER_NAME", "errand"), ("GIT_COMMITTER_EMAIL", "errand@localhost")]);
    match call.output() {
        Err(GitError::Failed { stderr, .. }) if stderr.contains("cannot create") => {
            Err(BranchError::Clashes(name.to_owned()))
        }
        Err(GitError::Failed { stderr, .. }) if stderr.contains("already exists") => {
            Err(BranchError::Exists(name.to_owned()))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(commit),
    }
}

fn check_name(ledger: &Ledger, name: &str, reference: &str) -> Result<(), BranchError> {
    let bad = || BranchError::BadName(name.chars().take(200).collect());
    if name.starts_with('-') || name == "HEAD" || name.contains('\0') {
        return Err(bad());
    }
    let call = ledger.git().call("check-ref-format", &ledger.work_git()).args(["check-ref-format", reference]);
    let (code, _) = call.code_and_output()?;
    if code == 0 { Ok(()) } else { Err(bad()) }
}

/// Nothing we or `update-ref` write to may be or lie behind a link: git follows links, and a reflog that is a link to a
/// start file of the person's shell would get a line that the repository has a hand in.
fn check_plain(git_dir: &Path, reference: &str) -> Result<(), BranchError> {
    let at = |source| BranchError::Io { path: git_dir.to_owned(), source };
    let root = Beneath::open(git_dir).map_err(at)?;
    let fan_out = (0..=255).map(|first_byte: u8| format!("objects/{first_byte:02x}"));
    let fixed = ["objects", "objects/pack", "refs", "logs", "logs/HEAD", "packed-refs", "reftable"];
    let named = [reference.to_owned(), format!("logs/{reference}")];
    for path in fixed.map(str::to_owned).into_iter().chain(named).chain(fan_out) {
        let is_plain = match root.stat(path.as_bytes()) {
            Ok(stat) => !stat.is_some_and(|stat| stat.is_link()),
            Err(error) if is_behind_link(&error) => false,
            Err(error) => return Err(at(error)),
        };
        if !is_plain {
            return Err(BranchError::Foreign(git_dir.join(path)));
        }
    }
    Ok(())
}

fn is_behind_link(error: &io::Error) -> bool {
    error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) == Some(rustix::io::Errno::LOOP)
}

fn exists(ledger: &Ledger, source: &Source, revision: &str) -> Result<bool, GitError> {
    let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", revision];
    let (code, _) = ledger.git().call("rev-parse", source.git_dir()).args(args).code_and_output()?;
    Ok(code == 0)
}

/// Writes what the parent's tree does not have there: changed blobs, the trees of their folders, the commit.
fn copy_objects(ledger: &Ledger, store: &ObjectStore, new: &NewCommit<'_>, objects: &Path) -> Result<(), BranchError> {
    let at = |source| BranchError::Io { path: objects.to_owned(), source };
    let comparison = ledger.compare(&ledger.tree_of(new.parent)?, new.tree)?;
    // A file that only moved is in their repository already.
    let theirs: HashSet<Oid> = comparison.differences.iter().filter_map(|d| d.old.as_ref()).map(|old| old.id).collect();
    for entry in comparison.differences.iter().filter_map(|difference| difference.new.as_ref()) {
        if paths::check_entry(&entry.path, entry.mode).is_err() {
            return Err(BranchError::UnsafePath(entry.shown()));
        }
        if entry.mode != EntryMode::Submodule && !theirs.contains(&entry.id) {
            store.put(Kind::Blob, &ledger.read_blob(&entry.id)?).map_err(at)?;
        }
    }
    for folder in &comparison.new_folders {
        store.put(Kind::Tree, folder.bytes()).map_err(at)?;
    }
    store.put(Kind::Commit, commit_bytes(new).as_bytes()).map_err(at)?;
    store.sync().map_err(at)
}
