//! The shape of a folder: what is in it to a depth, how large, and which folders are ignored.

use crate::{BadGlob, glob, shown, walk};
use std::collections::BTreeSet;
use std::path::Path;

/// Lines are counted in files up to this size.
const COUNT_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root.
    pub path: String,
    pub kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// `None` where the file is large or not text.
    File {
        n_bytes: u64,
        n_lines: Option<u64>,
    },
    /// A folder at the depth limit, with the number of files below it.
    Folder {
        n_files: usize,
    },
    Link,
    /// An ignored folder or file: named, not entered.
    Ignored,
}

/// Lists `start` (relative to `root`) down to `depth` levels, in path order.
pub fn list(root: &Path, start: &Path, depth: usize) -> Vec<Entry> {
    let top = root.join(start);
    let mut entries = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in walk(&top).build().flatten() {
        if entry.depth() == 0 {
            continue;
        }
        seen.insert(entry.path().to_path_buf());
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        if entry.depth() > depth {
            if !is_folder && let Some(Entry { kind: Kind::Folder { n_files }, .. }) = entries.last_mut() {
                *n_files += 1;
            }
            continue;
        }
        let kind = match entry.file_type() {
            Some(kind) if kind.is_symlink() => Kind::Link,
            // Only a folder at the limit is an entry of its own; others show by what is in them.
            Some(kind) if kind.is_dir() && entry.depth() < depth => continue,
            Some(kind) if kind.is_dir() => Kind::Folder { n_files: 0 },
            _ => file(entry.path()),
        };
        entries.push(Entry { path: shown(root, entry.path()), kind });
    }
    add_ignored(root, &top, depth, &seen, &mut entries);
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

/// Lists the files and links below `start` that fit `pattern`, at most `depth` levels down, in path order.
pub fn list_matching(root: &Path, start: &Path, depth: usize, pattern: &str) -> Result<Vec<Entry>, BadGlob> {
    let glob = glob(pattern)?;
    let mut entries = Vec::new();
    for entry in walk(&root.join(start)).max_depth(Some(depth)).build().flatten() {
        let path = shown(root, entry.path());
        let kind = match entry.file_type() {
            Some(kind) if kind.is_dir() => continue,
            _ if !glob.is_match(&path) => continue,
            Some(kind) if kind.is_symlink() => Kind::Link,
            _ => file(entry.path()),
        };
        entries.push(Entry { path, kind });
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn file(path: &Path) -> Kind {
    let n_bytes = path.symlink_metadata().map(|metadata| metadata.len()).unwrap_or(0);
    let text = (n_bytes <= COUNT_BYTES_MAX).then(|| std::fs::read(path).ok()).flatten();
    let n_lines = text.filter(|bytes| !bytes.contains(&0)).map(|bytes| {
        let n_ends = bytes.iter().filter(|&&byte| byte == b'\n').count();
        (n_ends + usize::from(bytes.last().is_some_and(|&byte| byte != b'\n'))) as u64
    });
    Kind::File { n_bytes, n_lines }
}

/// What the walk left out in the folders it entered is there, but ignored.
fn add_ignored(root: &Path, top: &Path, depth: usize, seen: &BTreeSet<std::path::PathBuf>, entries: &mut Vec<Entry>) {
    let mut folders: Vec<_> = vec![(top.to_path_buf(), 1)];
    while let Some((folder, level)) = folders.pop() {
        let Ok(inside) = std::fs::read_dir(&folder) else { continue };
        for entry in inside.flatten() {
            let path = entry.path();
            if entry.file_name() == ".git" {
                continue;
            }
            if !seen.contains(&path) {
                entries.push(Entry { path: shown(root, &path), kind: Kind::Ignored });
            } else if level < depth && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push((path, level + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_at_the_limit_are_counted_and_ignored_ones_named() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("a.txt", "one\ntwo"),
            ("src/lib.rs", "x\n"),
            ("src/deep/er.rs", "x\n"),
            ("src/deep/er/est.rs", "x\n"),
            ("target/out", "x"),
            (".gitignore", "/target\n"),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let file = |n_bytes, n_lines| Kind::File { n_bytes, n_lines: Some(n_lines) };
        let expected = [
            (".gitignore", file(8, 1)),
            ("a.txt", file(7, 2)),
            ("src/deep", Kind::Folder { n_files: 2 }),
            ("src/lib.rs", file(2, 1)),
            ("target", Kind::Ignored),
        ];
        let expected: Vec<_> = expected.into_iter().map(|(path, kind)| Entry { path: path.to_owned(), kind }).collect();
        assert_eq!(list(dir.path(), Path::new(""), 2), expected);
        let matching = |depth, pattern| {
            let entries = list_matching(dir.path(), Path::new(""), depth, pattern).unwrap();
            entries.into_iter().map(|entry| entry.path).collect::<Vec<_>>()
        };
        assert_eq!(matching(9, "*.rs"), ["src/deep/er.rs", "src/deep/er/est.rs", "src/lib.rs"]);
        assert_eq!(matching(2, "*.rs"), ["src/lib.rs"]);
        assert_eq!(matching(9, "src/*.rs"), ["src/lib.rs"]);
    }
}
