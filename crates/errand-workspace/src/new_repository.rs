//! A new repository with one commit, made from files in memory: what `errand demo` starts from.

use crate::git::{Git, GitError};
use crate::state_dir;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum NewRepositoryError {
    #[error("`{}` exists already", .0.display())]
    Exists(PathBuf),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// A file to begin with; its path is plain and relative.
#[derive(Clone, Copy, Debug)]
pub struct NewFile<'a> {
    pub path: &'a str,
    pub bytes: &'a [u8],
}

/// Makes `dir` with the files committed on branch `main`, by errand <errand@localhost>.
pub fn create(git: &Git, dir: &Path, files: &[NewFile<'_>], message: &str) -> Result<(), NewRepositoryError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| NewRepositoryError::Io { path, source }
    };
    if dir.symlink_metadata().is_ok() {
        return Err(NewRepositoryError::Exists(dir.to_owned()));
    }
    state_dir::create_dir(dir).map_err(at(dir))?;
    for file in files {
        let path = dir.join(file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(at(folder))?;
        }
        std::fs::write(&path, file.bytes).map_err(at(&path))?;
    }
    let git_dir = dir.join(".git");
    let work_tree = format!("--work-tree={}", dir.display());
    git.call("init", &git_dir).args(["init", "--quiet", "--template=", "--initial-branch=main"]).output()?;
    // Made for a folder named by --git-dir alone, it would call itself bare.
    git.call("config", &git_dir).args(["config", "core.bare", "false"]).output()?;
    git.call("add", &git_dir).args([work_tree.as_str(), "add", "--all", "."]).output()?;
    let who = ["-c", "user.name=errand", "-c", "user.email=errand@localhost"];
    let commit = git.call("commit", &git_dir).args(who).args([work_tree.as_str(), "commit", "--quiet", "-m", message]);
    commit.output()?;
    Ok(())
}
