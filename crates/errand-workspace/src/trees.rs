//! Trees as values: entries sorted by path, the difference of two listings, the tree of one, and what edits are.

use crate::objects::{Kind, ObjectFormat, ObjectStore, Oid, hash};
use crate::paths;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::convert::Infallible;
use std::io;
use std::path::Path;

/// What an entry of a tree is; a folder is not an entry of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryMode {
    Regular,
    Executable,
    Link,
    /// A commit of another repository; its files are never in a workspace.
    Submodule,
}

impl EntryMode {
    /// The mode as git writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
            Self::Submodule => "160000",
        }
    }

    /// Older trees hold modes such as 100664; git takes them by the owner's executable bit, and so do we.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match u32::from_str_radix(text, 8).ok()? {
            0o120000 => Some(Self::Link),
            0o160000 => Some(Self::Submodule),
            mode if mode & 0o170000 == 0o100000 && mode & 0o100 != 0 => Some(Self::Executable),
            mode if mode & 0o170000 == 0o100000 => Some(Self::Regular),
            _ => None,
        }
    }

    pub fn is_file(self) -> bool {
        match self {
            Self::Regular | Self::Executable => true,
            Self::Link | Self::Submodule => false,
        }
    }
}

/// One file, link or submodule of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Relative, with `/` between the parts; any bytes.
    pub path: Vec<u8>,
    pub mode: EntryMode,
    pub id: Oid,
    /// Bytes of the blob; 0 for a submodule.
    pub size: u64,
}

impl TreeEntry {
    pub fn path(&self) -> &Path {
        paths::as_path(&self.path)
    }

    /// The path with bytes that are not UTF-8 as `\xNN`.
    pub fn shown(&self) -> String {
        paths::shown(&self.path)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.mode == other.mode
    }
}

/// The entry of that path in a sorted listing.
pub fn find<'a>(entries: &'a [TreeEntry], path: &[u8]) -> Option<&'a TreeEntry> {
    let index = entries.binary_search_by(|entry| entry.path.as_slice().cmp(path)).ok()?;
    entries.get(index)
}

/// What a tree holds at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    Folder { id: Oid },
    Entry { mode: EntryMode, id: Oid },
}

/// One change of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// An entry there. What was at the path makes way, and so does a file at a folder above it.
    Put { path: Vec<u8>, mode: EntryMode, id: Oid },
    /// Nothing there any more, be it an entry or a whole folder. That nothing was there is fine.
    Remove { path: Vec<u8> },
}

impl Edit {
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Put { path, .. } | Self::Remove { path } => path,
        }
    }
}

/// One path that two trees do not agree about; at least one side is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<E = TreeEntry> {
    pub old: Option<E>,
    pub new: Option<E>,
}

impl<E: Borrow<TreeEntry>> Difference<E> {
    pub fn path(&self) -> &[u8] {
        self.old.as_ref().or(self.new.as_ref()).map_or(&[], |entry| &entry.borrow().path)
    }
}

/// The differing paths of two sorted listings, in order.
pub fn differences<'a>(old: &'a [TreeEntry], new: &'a [TreeEntry]) -> Vec<Difference<&'a TreeEntry>> {
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    let mut found = Vec::new();
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return found,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.path.cmp(&b.path),
        };
        let difference = match order {
            Ordering::Less => Difference { old: left.next(), new: None },
            Ordering::Greater => Difference { old: None, new: right.next() },
            Ordering::Equal => Difference { old: left.next(), new: right.next() },
        };
        match difference {
            Difference { old: Some(old), new: Some(new) } if old.is_same(new) => {}
            difference => found.push(difference),
        }
    }
}

/// Writes the tree objects of a sorted listing whose blobs are stored, and returns the root's id.
pub fn write(store: &ObjectStore, entries: &[TreeEntry]) -> io::Result<Oid> {
    fold_folder(entries, 0, &mut |content| store.put(Kind::Tree, content))
}

/// The ids of all tree objects of a sorted listing.
pub(crate) fn ids(format: ObjectFormat, entries: &[TreeEntry]) -> Vec<Oid> {
    let mut ids = Vec::new();
    let folded: Result<Oid, Infallible> = fold_folder(entries, 0, &mut |content| {
        let id = hash(format, Kind::Tree, content);
        ids.push(id);
        Ok(id)
    });
    match folded {
        Ok(_) => ids,
    }
}

/// Calls `take` with the content of each folder's tree object, inner ones first. All `entries` share their first `depth`
/// bytes, which end in `/` unless `depth` is 0.
fn fold_folder<E>(
    entries: &[TreeEntry],
    depth: usize,
    take: &mut impl FnMut(&[u8]) -> Result<Oid, E>,
) -> Result<Oid, E> {
    let mut content = Vec::with_capacity(entries.len() * 48);
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let below = first.path.get(depth..).unwrap_or_default();
        let (mode, name, id, n_used) = match below.iter().position(|&byte| byte == b'/') {
            None => (first.mode.as_str(), below, first.id, 1),
            Some(end) => {
                let prefix = first.path.get(..=depth + end).unwrap_or_default();
                // tidy: text, not a path
                let n_inside = rest.partition_point(|entry| entry.path.starts_with(prefix));
                let inside = rest.get(..n_inside).unwrap_or_default();
                let id = fold_folder(inside, prefix.len(), take)?;
                ("40000", below.get(..end).unwrap_or_default(), id, n_inside)
            }
        };
        content.extend_from_slice(mode.as_bytes());
        content.push(b' ');
        content.extend_from_slice(name);
        content.push(0);
        content.extend_from_slice(id.as_bytes());
        rest = rest.get(n_used..).unwrap_or_default();
    }
    take(&content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, content: &str) -> TreeEntry {
        let id = hash(ObjectFormat::Sha1, Kind::Blob, content.as_bytes());
        TreeEntry { path: path.into(), mode: EntryMode::Regular, id, size: content.len() as u64 }
    }

    #[test]
    fn differences_are_those_of_paths_ids_and_modes() {
        let old = [entry("a", "1"), entry("b", "1"), entry("c/d", "1")];
        let new = [entry("b", "2"), entry("c", "1"), entry("c/d", "1")];
        let found: Vec<_> = differences(&old, &new)
            .iter()
            .map(|d| (paths::shown(d.path()), d.old.is_some(), d.new.is_some()))
            .collect();
        assert_eq!(found, [("a".into(), true, false), ("b".into(), true, true), ("c".into(), false, true)]);
    }
}
