//! Where a search or a listing starts: a plain path of the workspace, outside of git's own data.

use crate::context::Context;
use crate::echo::{bounded, quoted};
use errand_workspace::files::{FileError, FileKind, Refusal};
use errand_workspace::paths::is_dot_git;

/// The path as diffs name it, and what is there; `done` says what cannot be done with others: `searched`, `listed`.
pub fn start(context: &Context, path: &str, done: &str) -> Result<(String, FileKind), String> {
    let path = context.files.normalize(path).map_err(bounded)?;
    if path.split('/').any(|part| is_dot_git(part.as_bytes())) {
        return Err(format!("{} cannot be {done}: it is git's own data", quoted(&path)));
    }
    match context.files.stat(&path) {
        Ok(Some(stat)) => match stat.kind {
            FileKind::File | FileKind::Executable | FileKind::Folder => Ok((path, stat.kind)),
            FileKind::Link => Err(format!("{} cannot be {done}: it is a link", quoted(&path))),
            FileKind::Special => Err(format!("{} is neither a file nor a folder", quoted(&path))),
        },
        Ok(None) => Err(format!("{} does not exist", quoted(&path))),
        Err(FileError::Refused(Refusal::Link(path))) => {
            Err(format!("{} cannot be {done}: it leads through a link", quoted(&path)))
        }
        Err(error) => Err(bounded(error)),
    }
}
