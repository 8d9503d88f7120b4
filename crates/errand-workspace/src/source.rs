//! The person's repository: found, asked for commits, never trusted and never written.
//!
//! The top folder and git directory are found by looking at the file system, not by the repository's configuration,
//! which could name a foreign folder. A `.git` that leads elsewhere counts only when that place points back.

use crate::beneath::Beneath;
use crate::dirty;
use crate::git::{Git, GitError};
use crate::index_file;
use crate::ledger::{Ledger, LedgerError};
use crate::limits::IGNORE_FILE_BYTES;
use crate::objects::{ObjectFormat, Oid};
use crate::walk::{self, NewFolders};
use errand_task::id::CommitId;

pub use crate::walk::Uncommitted;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum SourceError {
    #[error("`{}` does not exist", .0.display())]
    NotFound(PathBuf),
    #[error("`{}` is not in a git repository", .0.display())]
    NotARepository(PathBuf),
    #[error("`{}` is a bare repository, errand needs a checkout", .0.display())]
    Bare(PathBuf),
    #[error("the repository at `{}` has no commits yet", .0.display())]
    NoCommits(PathBuf),
    #[error("the path of the repository is not UTF-8: {}", .0.display())]
    NotUtf8(PathBuf),
    #[error("`{}` leads to a git directory that does not point back to it", .0.display())]
    Foreign(PathBuf),
    #[error("`{revision}` names no commit of this repository")]
    NoSuchRevision { revision: String },
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("`{}` cannot be read: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// A commit and what the person called it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    pub commit: CommitId,
    /// A branch, a tag, or the short commit id.
    pub name: String,
}

/// A checkout of the person's with at least one commit.
#[derive(Clone, Debug)]
pub struct Source {
    git: Git,
    top: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    head: Base,
}

impl Source {
    /// Finds the repository that `path` is in, from any folder of it.
    pub fn open(git: &Git, path: &Path) -> Result<Self, SourceError> {
        let start = path.canonicalize().map_err(|_| SourceError::NotFound(path.to_owned()))?;
        let (top, git_dir) = find(&start)?;
        if top.to_str().is_none() {
            return Err(SourceError::NotUtf8(top));
        }
        let common_dir = common_dir(&top, &git_dir)?;
        let head = read_head(git, &git_dir, &top)?;
        Ok(Self { git: git.clone(), top, git_dir, common_dir, head })
    }

    /// Absolute path of the checkout, without links.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// The checkout's path as events store it.
    pub fn repository(&self) -> String {
        self.top.to_string_lossy().into_owned()
    }

    /// Name of the checkout's folder.
    pub fn name(&self) -> String {
        self.top.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// What HEAD was when the source was opened.
    pub fn head(&self) -> &Base {
        &self.head
    }

    /// The commit that `revision` names.
    pub fn resolve(&self, revision: &str) -> Result<Base, SourceError> {
        let unknown = || SourceError::NoSuchRevision { revision: revision.chars().take(200).collect() };
        if revision == "HEAD" {
            return Ok(self.head.clone());
        }
        if revision.is_empty() || revision.starts_with('-') || revision.contains(['\0', '\n', ':']) {
            return Err(unknown());
        }
        let wanted = format!("{revision}^{{commit}}");
        let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted];
        let (code, output) = self.git.call("rev-parse", &self.git_dir).args(args).code_and_output()?;
        let text = String::from_utf8_lossy(&output);
        let id = Oid::parse(text.trim()).filter(|_| code == 0).ok_or_else(unknown)?;
        Ok(Base { commit: id.commit_id(), name: revision.to_owned() })
    }

    /// Which paths differ from `base`: changed, added or gone files, a wholly untracked folder as one.
    ///
    /// The ledger must hold `base`. Stat data of the person's index saves reading unchanged files. Files that git converts
    /// at checkout (line endings, filters) count as changed only when their times say so too.
    pub fn uncommitted(
        &self,
        ledger: &Ledger,
        base: &CommitId,
        excludes: Option<&Path>,
    ) -> Result<Uncommitted, LedgerError> {
        let tree = ledger.tree_of(base)?;
        let entries = ledger.list_tree(&tree)?;
        let index = index_file::read(&self.git_dir.join("index"), ledger.format()).unwrap_or_default();
        let changes = Beneath::open(&self.top).and_then(|root| {
            let (_, walk) = dirty::rules_of(self, &root, &entries, &index, excludes, NewFolders::Count)?;
            Ok(walk::changes(&root, walk, &entries, &index, ledger.format()))
        });
        changes.map_err(|source| LedgerError::Io { path: self.top.clone(), source })
    }

    pub(crate) fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    pub(crate) fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    pub(crate) fn format(&self) -> ObjectFormat {
        ObjectFormat::of_hex(self.head.commit.as_str()).unwrap_or(ObjectFormat::Sha1)
    }
}

/// The top folder and the git directory.
fn find(start: &Path) -> Result<(PathBuf, PathBuf), SourceError> {
    for dir in start.ancestors() {
        let dot_git = dir.join(".git");
        if let Ok(metadata) = std::fs::symlink_metadata(&dot_git) {
            if metadata.is_dir() && is_git_dir(&dot_git) {
                // Only the git directory of a linked worktree has this file; here it would lead to a foreign repository.
                let leads_away = std::fs::symlink_metadata(dot_git.join("commondir")).is_ok();
                return if leads_away { Err(SourceError::Foreign(dot_git)) } else { Ok((dir.to_owned(), dot_git)) };
            }
            if metadata.is_file() {
                let git_dir = follow_git_file(&dot_git)?;
                return Ok((dir.to_owned(), git_dir));
            }
            if metadata.is_symlink() {
                return Err(SourceError::Foreign(dot_git));
            }
        }
        if is_git_dir(dir) {
            return Err(SourceError::Bare(dir.to_owned()));
        }
    }
    Err(SourceError::NotARepository(start.to_owned()))
}

fn is_git_dir(dir: &Path) -> bool {
    (dir.join("objects").is_dir() || dir.join("commondir").is_file())
        && (dir.join("refs").is_dir() || dir.join("commondir").is_file())
        && std::fs::symlink_metadata(dir.join("HEAD")).is_ok()
}

/// A `.git` file is a linked worktree or a submodule; it counts when the place it names belongs to this checkout.
fn follow_git_file(dot_git: &Path) -> Result<PathBuf, SourceError> {
    let foreign = || SourceError::Foreign(dot_git.to_owned());
    let top = dot_git.parent().unwrap_or(Path::new("/"));
    let text = read_small(dot_git).map_err(|source| SourceError::Io { path: dot_git.to_owned(), source })?;
    let named = text.strip_prefix("gitdir:").ok_or_else(foreign)?.trim();
    let git_dir = top.join(named).canonicalize().map_err(|_| foreign())?;
    if !is_git_dir(&git_dir) {
        return Err(SourceError::NotARepository(top.to_owned()));
    }
    let points_back = read_small(&git_dir.join("gitdir"))
        .is_ok_and(|back| git_dir.join(back.trim()).canonicalize().is_ok_and(|back| back == dot_git));
    let is_submodule = top.ancestors().skip(1).any(|above| git_dir.strip_prefix(above.join(".git/modules")).is_ok());
    if points_back || is_submodule { Ok(git_dir) } else { Err(foreign()) }
}

/// Where objects and refs are: the git directory itself, or the one that a linked worktree is registered in. A git
/// directory that names any other would hand out, and write to, a repository that does not know this checkout.
fn common_dir(top: &Path, git_dir: &Path) -> Result<PathBuf, SourceError> {
    let file = git_dir.join("commondir");
    if std::fs::symlink_metadata(&file).is_err() {
        return Ok(git_dir.to_owned());
    }
    let text = read_small(&file).map_err(|source| SourceError::Io { path: file, source })?;
    let path = git_dir.join(text.trim());
    let common = path.canonicalize().map_err(|source| SourceError::Io { path, source })?;
    let is_registered = git_dir.parent() == Some(&common.join("worktrees"));
    if is_registered { Ok(common) } else { Err(SourceError::Foreign(top.join(".git"))) }
}

fn read_head(git: &Git, git_dir: &Path, top: &Path) -> Result<Base, SourceError> {
    let args = ["rev-parse", "HEAD^{commit}", "--symbolic-full-name", "HEAD"];
    let output = match git.call("rev-parse", git_dir).args(args).output() {
        Err(GitError::Failed { stderr, .. }) if stderr.contains("unknown revision") => {
            return Err(SourceError::NoCommits(top.to_owned()));
        }
        other => other?,
    };
    let text = String::from_utf8_lossy(&output);
    let mut lines = text.lines();
    let commit = lines.next().and_then(Oid::parse).ok_or(GitError::Garbled { what: "rev-parse" })?.commit_id();
    let name = match lines.next().and_then(|full| full.strip_prefix("refs/heads/")) {
        Some(branch) => branch.to_owned(),
        None => commit.as_str().chars().take(8).collect(),
    };
    Ok(Base { commit, name })
}

/// A small text file of a repository; a FIFO in its place must not block us.
pub(crate) fn read_small(path: &Path) -> io::Result<String> {
    use rustix::fs::{CWD, Mode, OFlags};
    let fd = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let file = std::fs::File::from(fd);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut text = String::new();
    file.take(IGNORE_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
