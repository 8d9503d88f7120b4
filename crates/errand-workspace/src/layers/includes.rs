//! Private files of the checkout that a person lets a task have: files the repository ignores, named by patterns.
//!
//! Finding and copying are apart: what was found is shown in the contract, and exactly that is copied, each path opened
//! anew without following links. Files of the base, dependency folders and git's own data are never among them.

use super::LayersError;
use super::table::row_of;
use crate::beneath::{self, Beneath, Links, stat_at};
use crate::ignores::{Ignores, Patterns};
use crate::ledger::{Ledger, LedgerError};
use crate::limits::{
    DEPTH, IGNORE_FILE_BYTES, INCLUDE_BYTES, INCLUDE_ENTRIES_LOOKED, INCLUDE_FILE_BYTES, INCLUDE_FILES,
};
use crate::paths;
use crate::state_dir;
use crate::trees::{self, TreeEntry};
use errand_task::id::TreeId;
use errand_task::private_values;
use errand_task::repository_config::WORKTREE_INCLUDE;
use rustix::fs::{Dir, Timespec, Timestamps, UTIME_OMIT};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

/// What the patterns stand for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Paths in the checkout, sorted.
    pub files: Vec<String>,
    /// Sentences for the person: what was not taken, and why.
    pub notes: Vec<String>,
}

/// What was copied.
#[derive(Debug, Default)]
pub struct Included {
    pub files: Vec<String>,
    /// What no text may show from now on.
    pub values: Vec<String>,
    pub notes: Vec<String>,
}

/// The patterns that the base's own `.worktreeinclude` has.
pub fn patterns_of_base(ledger: &Ledger, base: &TreeId) -> Result<Vec<String>, LedgerError> {
    let entries = ledger.list_tree(base)?;
    let file = trees::find(&entries, WORKTREE_INCLUDE.as_bytes());
    let Some(entry) = file.filter(|entry| entry.mode.is_file() && entry.size <= IGNORE_FILE_BYTES) else {
        return Ok(Vec::new());
    };
    let text = ledger.read_blob(&entry.id)?;
    let text = String::from_utf8_lossy(&text);
    let is_pattern = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    Ok(text.trim_start_matches('\u{feff}').lines().filter(is_pattern).map(str::to_owned).collect())
}

/// The files of `checkout` that `base` ignores and the patterns, written as in a `.gitignore`, name.
pub fn find_includes(
    ledger: &Ledger,
    checkout: &Path,
    base: &TreeId,
    patterns: &[String],
) -> Result<Found, LayersError> {
    if patterns.is_empty() {
        return Ok(Found::default());
    }
    let failed = |source| LayersError::Io { path: checkout.to_owned(), source };
    let opened = Beneath::open(checkout).map_err(failed)?;
    let entries = ledger.list_tree(base)?;
    let ignores = Ignores::of(ledger, &entries)?;
    let patterns = Patterns::of(&patterns.join("\n"));
    let found = Found::default();
    let mut search = Search { base: &entries, ignores: &ignores, patterns: &patterns, n_looked: 0, n_bytes: 0, found };
    let top = opened.folder(b"", Links::Refuse).map_err(failed)?;
    search.folder(&top, &mut Vec::new(), 0, Inherited::default());
    search.found.files.sort();
    Ok(search.found)
}

/// Copies files that were found into `<into>/tree/`; what is there already stays. One that is gone, became something else
/// or grew too large is left out with a note.
pub fn copy_includes(checkout: &Path, files: &[String], into: &Path) -> Result<Included, LayersError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| LayersError::Io { path, source }
    };
    let opened = Beneath::open(checkout).map_err(at(checkout))?;
    state_dir::create_dir(&into.join("tree")).map_err(at(into))?;
    let target = Beneath::open(&into.join("tree")).map_err(at(into))?;
    let mut included = Included::default();
    let mut n_bytes = 0;
    for file in files {
        let path = file.as_bytes();
        let content = match paths::check(path) {
            Err(error) => Err(error.to_string()),
            Ok(()) => match opened.read(path, Links::Refuse, INCLUDE_FILE_BYTES + 1) {
                Ok(content) if content.bytes.len() as u64 + n_bytes > INCLUDE_BYTES => Err("too many bytes".to_owned()),
                Ok(content) if content.bytes.len() as u64 > INCLUDE_FILE_BYTES => Err("it is too large".to_owned()),
                Ok(content) => Ok(content),
                Err(error) => Err(error.to_string()),
            },
        };
        match content {
            Err(why_not) => included.notes.push(format!("`{file}` is not copied in: {why_not}")),
            Ok(content) => {
                n_bytes += content.bytes.len() as u64;
                write(&target, path, &content).map_err(at(&into.join("tree").join(file)))?;
                included.values.extend(private_values::of(&content.bytes));
                included.files.push(file.clone());
            }
        }
    }
    included.values.sort();
    included.values.dedup();
    Ok(included)
}

fn write(target: &Beneath, path: &[u8], content: &beneath::Content) -> std::io::Result<()> {
    let (folder, name) = target.parent(path, beneath::Parents::Make)?;
    let written = match beneath::write_new(folder.as_fd(), name, &content.bytes, content.stat.mode & 0o777) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    };
    let (seconds, nanos) = content.stat.mtime;
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanos.into() },
    };
    Ok(rustix::fs::futimens(&written, &times)?)
}

/// What the folder around an entry says about it.
#[derive(Clone, Copy, Default)]
struct Inherited {
    is_ignored: bool,
    is_named: bool,
}

struct Search<'a> {
    base: &'a [TreeEntry],
    ignores: &'a Ignores,
    patterns: &'a Patterns,
    n_looked: usize,
    n_bytes: u64,
    found: Found,
}

impl Search<'_> {
    fn folder(&mut self, folder: &OwnedFd, path: &mut Vec<u8>, depth: usize, around: Inherited) {
        // What cannot be read has nothing to give.
        let Ok(entries) = Dir::read_from(folder) else { return };
        let n_above = path.len();
        for name in entries.flatten().map(|entry| entry.file_name().to_owned()) {
            if matches!(name.to_bytes(), b"." | b"..") || paths::is_dot_git(name.to_bytes()) {
                continue;
            }
            self.n_looked += 1;
            if self.n_looked > INCLUDE_ENTRIES_LOOKED {
                let text =
                    format!("private files were looked for among the first {INCLUDE_ENTRIES_LOOKED} entries only");
                if !self.found.notes.contains(&text) {
                    self.found.notes.push(text);
                }
                return;
            }
            if n_above > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            if let Ok(stat) = stat_at(folder.as_fd(), name.to_bytes()) {
                let inside = Inherited {
                    is_ignored: around.is_ignored || self.ignores.is_ignored(path, stat.is_folder()),
                    is_named: self.patterns.names(path, stat.is_folder()).unwrap_or(around.is_named),
                };
                if stat.is_regular() && inside.is_ignored && inside.is_named {
                    self.file(path, stat.size);
                } else if stat.is_folder()
                    && depth + 1 < DEPTH
                    && !(inside.is_ignored && row_of(path).is_some())
                    && let Ok(inner) = beneath::open_inner(folder, &name)
                {
                    self.folder(&inner, path, depth + 1, inside);
                }
            }
            path.truncate(n_above);
        }
    }

    fn file(&mut self, path: &[u8], size: u64) {
        if trees::find(self.base, path).is_some() {
            return;
        }
        let why_not = match std::str::from_utf8(path) {
            Err(_) => "its name is not UTF-8",
            Ok(_) if size > INCLUDE_FILE_BYTES => "it is too large",
            Ok(_) if self.found.files.len() >= INCLUDE_FILES || self.n_bytes + size > INCLUDE_BYTES => {
                "there are too many, name fewer"
            }
            Ok(path) => {
                self.n_bytes += size;
                self.found.files.push(path.to_owned());
                return;
            }
        };
        self.found.notes.push(format!("`{}` is not copied in: {why_not}", paths::shown(path)));
    }
}
