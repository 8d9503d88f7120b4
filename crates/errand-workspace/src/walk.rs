//! Our own walk over a tree of files: what is there, what the base's ignore rules leave out, what cannot be stored.
//!
//! Index flags, nested repositories and ignore files of the workspace hide nothing from it. A path of the base is always
//! found, ignored or not; an untracked path that the base ignores is counted, and an ignored folder is not entered
//! unless the base has files in it.

use crate::beneath::{self, Beneath, Links};
use crate::ignores::Ignores;
use crate::index_file::Index;
use crate::limits::{DEPTH, FILE_BYTES, FILES_PER_SNAPSHOT, LINK_BYTES, PATH_BYTES, SKIPPED_NAMED};
use crate::objects::{Kind, ObjectFormat, Oid, hash};
use crate::paths;
use crate::trees::{self, EntryMode, TreeEntry};
use rustix::fs::{AtFlags, FileType};
use std::collections::HashSet;
use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What lstat says, as far as it tells whether a file changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    pub device: u64,
    pub inode: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: (i64, u32),
    pub ctime: (i64, u32),
}

impl Stat {
    #[allow(clippy::unnecessary_cast, reason = "the field types differ between architectures")]
    pub fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            mode: stat.st_mode as u32,
            uid: stat.st_uid as u32,
            gid: stat.st_gid as u32,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }

    pub fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    pub fn is_regular(&self) -> bool {
        self.file_type() == FileType::RegularFile
    }

    pub fn is_folder(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    pub fn is_link(&self) -> bool {
        self.file_type() == FileType::Symlink
    }

    /// As which entry a tree holds this; `None` for what a tree cannot hold.
    pub fn entry_mode(&self) -> Option<EntryMode> {
        if self.is_link() {
            Some(EntryMode::Link)
        } else if !self.is_regular() {
            None
        } else if self.mode & 0o100 != 0 {
            Some(EntryMode::Executable)
        } else {
            Some(EntryMode::Regular)
        }
    }
}

/// Why a path is not in a snapshot although nothing ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Git data below the root; the files around it are in the snapshot.
    NestedRepository,
    /// Files inside a submodule.
    Submodule,
    /// A FIFO, socket or device.
    Special,
    TooLarge,
    TooDeep,
    Unreadable,
}

impl SkipReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NestedRepository => "a nested repository",
            Self::Submodule => "files inside a submodule",
            Self::Special => "not a regular file",
            Self::TooLarge => "too large",
            Self::TooDeep => "nested too deep",
            Self::Unreadable => "not readable",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Bytes that are not UTF-8 stand as `\xNN`.
    pub path: String,
    pub reason: SkipReason,
}

/// The base a walk is measured against.
#[derive(Debug)]
pub(crate) struct Rules {
    pub base: Arc<Vec<TreeEntry>>,
    ignores: Ignores,
}

impl Rules {
    pub fn new(base: Arc<Vec<TreeEntry>>, ignores: Ignores) -> Self {
        Self { base, ignores }
    }

    /// Adds the ignore file of a folder.
    pub fn ignore(&mut self, folder: &[u8], text: &str) {
        self.ignores.add(folder, text);
    }

    fn has_files_below(&self, folder: &[u8]) -> bool {
        let prefix = [folder, b"/"].concat();
        let start = self.base.partition_point(|entry| entry.path < prefix);
        // tidy: text, not a path
        self.base.get(start).is_some_and(|entry| entry.path.starts_with(&prefix))
    }
}

/// A file or link that belongs into a tree.
#[derive(Debug)]
pub(crate) struct Found {
    pub path: Vec<u8>,
    pub mode: EntryMode,
    pub stat: Stat,
}

/// What a walk found, sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub found: Vec<Found>,
    /// Submodules of the base that are still folders.
    pub submodules: Vec<TreeEntry>,
    /// Ignored files and folders; a folder counts once.
    pub n_ignored: usize,
    pub skipped: Vec<Skipped>,
    pub n_skipped: usize,
    /// Folders without any file of the base, when asked not to enter them.
    pub new_folders: Vec<Vec<u8>>,
}

impl Walk {
    /// Takes a file or link that belongs into the tree; the answer is why it cannot.
    pub fn file(&mut self, path: &[u8], stat: Stat) -> io::Result<Option<SkipReason>> {
        let Some(mode) = stat.entry_mode() else { return Ok(Some(SkipReason::Special)) };
        if path.len() > PATH_BYTES {
            return Ok(Some(SkipReason::TooDeep));
        }
        if stat.size > FILE_BYTES {
            return Ok(Some(SkipReason::TooLarge));
        }
        if self.found.len() >= FILES_PER_SNAPSHOT {
            return Err(io::Error::other(format!("more than {FILES_PER_SNAPSHOT} files")));
        }
        self.found.push(Found { path: path.to_owned(), mode, stat });
        Ok(None)
    }

    /// Looks at a folder that stands for a submodule: what is in it is in no tree.
    pub fn submodule(&mut self, above: &OwnedFd, name: &CStr, path: &[u8]) {
        let names = beneath::open_inner(above, name).and_then(|inner| beneath::names_in(&inner));
        if names.map_or(true, |names| !names.is_empty()) {
            self.skip(path, SkipReason::Submodule);
        }
    }

    pub fn skip(&mut self, path: &[u8], reason: SkipReason) {
        self.n_skipped += 1;
        if self.skipped.len() < SKIPPED_NAMED {
            self.skipped.push(Skipped { path: paths::shown(path), reason });
        }
    }
}

/// Whether folders that the base knows nothing of are entered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewFolders {
    Enter,
    /// Entered, but for those that are repositories of their own.
    EnterOwn,
    Count,
}

/// Walks everything below `root`.
pub(crate) fn walk(root: &Beneath, rules: &Rules, new_folders: NewFolders) -> io::Result<Walk> {
    let mut walker = Walker { rules, new_folders, walk: Walk::default() };
    walker.folder(root.folder(b"", Links::Refuse)?, &mut Vec::new(), 0, false)?;
    walker.walk.found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(walker.walk)
}

struct Walker<'a> {
    rules: &'a Rules,
    new_folders: NewFolders,
    walk: Walk,
}

impl Walker<'_> {
    fn folder(&mut self, folder: OwnedFd, path: &mut Vec<u8>, depth: usize, is_ignored: bool) -> io::Result<()> {
        let names = beneath::names_in(&folder)?;
        let n_above = path.len();
        let is_repository = || names.iter().any(|name| paths::is_dot_git(name.to_bytes()));
        if self.new_folders == NewFolders::EnterOwn
            && n_above > 0
            && is_repository()
            && !self.rules.has_files_below(path)
        {
            self.skip(path, SkipReason::NestedRepository);
            return Ok(());
        }
        for name in names {
            if n_above > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            if paths::is_dot_git(name.to_bytes()) {
                // The root's own `.git` is the scratch repository or the person's; everywhere else it is worth a word.
                if n_above > 0 || name.to_bytes() != b".git" {
                    self.skip(path, SkipReason::NestedRepository);
                }
            } else {
                match rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => self.entry(&folder, &name, path, depth, is_ignored, Stat::of(&stat))?,
                    // Gone since the folder was read.
                    Err(rustix::io::Errno::NOENT) => {}
                    Err(_) => self.skip(path, SkipReason::Unreadable),
                }
            }
            path.truncate(n_above);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        folder: &OwnedFd,
        name: &CStr,
        path: &mut Vec<u8>,
        depth: usize,
        is_ignored: bool,
        stat: Stat,
    ) -> io::Result<()> {
        let tracked = trees::find(&self.rules.base, path);
        if stat.is_folder() {
            let ignored = is_ignored || self.rules.ignores.is_ignored(path, true);
            if let Some(submodule) = tracked.filter(|entry| entry.mode == EntryMode::Submodule) {
                self.walk.submodules.push(submodule.clone());
                self.walk.submodule(folder, name, path);
                return Ok(());
            }
            if !self.rules.has_files_below(path) {
                if ignored {
                    self.walk.n_ignored += 1;
                    return Ok(());
                }
                if self.new_folders == NewFolders::Count {
                    self.walk.new_folders.push(path.clone());
                    return Ok(());
                }
            }
            if depth + 1 >= DEPTH || path.len() > PATH_BYTES {
                self.skip(path, SkipReason::TooDeep);
                return Ok(());
            }
            return match beneath::open_inner(folder, name) {
                Ok(inner) => self.folder(inner, path, depth + 1, ignored),
                Err(_) => {
                    self.skip(path, SkipReason::Unreadable);
                    Ok(())
                }
            };
        }
        if tracked.is_none() && (is_ignored || self.rules.ignores.is_ignored(path, false)) {
            self.walk.n_ignored += 1;
            return Ok(());
        }
        if let Some(reason) = self.walk.file(path, stat)? {
            self.skip(path, reason);
        }
        Ok(())
    }

    fn skip(&mut self, path: &[u8], reason: SkipReason) {
        self.walk.skip(path, reason);
    }
}

/// The bytes a tree stores for a found path: a file's content or a link's target.
pub(crate) fn content(root: &Beneath, found: &Found) -> io::Result<(Vec<u8>, Stat)> {
    match found.mode {
        EntryMode::Link => {
            let target = root.read_link(&found.path)?;
            if target.len() > LINK_BYTES {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            Ok((target, found.stat))
        }
        EntryMode::Regular | EntryMode::Executable | EntryMode::Submodule => {
            let content = root.read(&found.path, Links::Refuse, FILE_BYTES + 1)?;
            if content.bytes.len() as u64 > FILE_BYTES {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            Ok((content.bytes, content.stat))
        }
    }
}

/// What of a checkout is not in a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uncommitted {
    /// In order, a folder with `/` at its end.
    pub paths: Vec<String>,
    /// All of them, also those that are not named.
    pub n: u32,
}

/// Which paths a walk of a checkout found to differ from the base; nothing is stored.
pub(crate) fn changes(
    root: &Beneath,
    walk: Walk,
    base: &[TreeEntry],
    index: &Index,
    format: ObjectFormat,
) -> Uncommitted {
    let id_of = |found: &Found| -> io::Result<Oid> {
        if let Some(id) = index.unchanged(&found.path, &found.stat) {
            return Ok(id);
        }
        Ok(hash(format, Kind::Blob, &content(root, found)?.0))
    };
    let mut paths: Vec<_> = walk.new_folders.iter().map(|path| format!("{}/", paths::shown(path))).collect();
    let n_unnamed = walk.n_skipped - walk.skipped.len();
    let skipped: HashSet<_> = walk.skipped.into_iter().map(|skipped| skipped.path).collect();
    let mut seen = HashSet::with_capacity(walk.found.len());
    for found in &walk.found {
        seen.insert(found.path.as_slice());
        // A file that cannot be read is not the base's.
        let is_same = trees::find(base, &found.path)
            .is_some_and(|entry| entry.mode == found.mode && id_of(found).is_ok_and(|id| id == entry.id));
        if !is_same {
            paths.push(paths::shown(&found.path));
        }
    }
    let is_left_out = |entry: &TreeEntry| {
        entry.mode == EntryMode::Submodule || index.entries.get(&entry.path).is_some_and(|entry| entry.is_skipped)
    };
    let gone = base.iter().filter(|entry| !seen.contains(entry.path.as_slice()) && !is_left_out(entry));
    paths.extend(gone.map(TreeEntry::shown).filter(|path| !skipped.contains(path)));
    paths.extend(skipped);
    paths.sort();
    let n = u32::try_from(paths.len() + n_unnamed).unwrap_or(u32::MAX);
    Uncommitted { paths, n }
}
