//! The files of the repository as values: what git tracks or would track, path to text.
//!
//! Checks look at a [`Tree`] and never at the disk, so their tests are small trees in memory. Without git (an unpacked
//! archive) the folder is walked instead, leaving out `target` and `.git`.

use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Debug, Default)]
pub struct Tree {
    /// Where the files are; empty for trees in memory.
    pub root: PathBuf,
    files: BTreeMap<String, String>,
}

impl Tree {
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        for path in listed_by_git(root).map_or_else(|| walked(root), Ok)? {
            let full = root.join(&path);
            if full.is_file() {
                let bytes = std::fs::read(&full).with_context(|| format!("cannot read {path}"))?;
                let is_binary = bytes.contains(&0);
                let text = if is_binary { String::new() } else { String::from_utf8_lossy(&bytes).into_owned() };
                files.insert(path, text);
            }
        }
        Ok(Self { root: root.to_owned(), files })
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { root: PathBuf::new(), files }
    }

    /// Every file with its text, sorted by path; the text of a binary file is empty.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether a file or a folder is there.
    pub fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.files().any(|(file, _)| file.starts_with(&folder))
    }

    /// Names directly inside `folder` (empty for the top) that are folders themselves.
    pub fn folders_in(&self, folder: &str) -> BTreeSet<&str> {
        self.inside(folder).filter_map(|rest| rest.split_once('/').map(|(name, _)| name)).collect()
    }

    /// Names directly inside `folder` that are files.
    pub fn files_in(&self, folder: &str) -> BTreeSet<&str> {
        self.inside(folder).filter(|rest| !rest.contains('/')).collect()
    }

    fn inside(&self, folder: &str) -> impl Iterator<Item = &str> {
        let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.files.keys().filter_map(move |path| path.strip_prefix(&start))
    }
}

/// Tracked files and those that a commit would add.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").current_dir(root).args(arguments).output().ok().filter(|o| o.status.success())?;
    let listing = String::from_utf8_lossy(&output.stdout);
    Some(listing.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walked(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(folder) = waiting.pop() {
        let entries = std::fs::read_dir(root.join(&folder)).with_context(|| format!("cannot list {folder:?}"))?;
        for entry in entries {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() && path != Path::new("target") && path != Path::new(".git") {
                waiting.push(path);
            } else if kind.is_file() {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}

/// 1-based line of the byte at `offset`.
pub fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// 1-based first line that holds `needle`, else the first line.
pub fn line_of(text: &str, needle: &str) -> usize {
    text.find(needle).map_or(1, |offset| line_at(text, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_git_is_walked() {
        let root = tempfile::tempdir().unwrap();
        for path in ["Cargo.toml", "crates/a/src/lib.rs", "target/debug/x", ".git/config"] {
            let full = root.path().join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, "x\n").unwrap();
        }
        let mut paths = walked(root.path()).unwrap();
        paths.sort();
        assert_eq!(paths, ["Cargo.toml", "crates/a/src/lib.rs"]);
    }

    #[test]
    fn folders_and_files_of_a_tree() {
        let tree = Tree::of(&[("README.md", ""), ("crates/a/src/lib.rs", "a\nb\nc"), ("docs/x.md", "")]);
        assert_eq!(tree.folders_in("").into_iter().collect::<Vec<_>>(), ["crates", "docs"]);
        assert_eq!(tree.files_in("crates/a/src").into_iter().collect::<Vec<_>>(), ["lib.rs"]);
        assert!(tree.has("crates/a") && tree.has("docs/") && !tree.has("crates/ab") && !tree.has("doc"));
        assert_eq!(line_of("a\nb\nc", "c"), 3);
    }
}
