//! The writing half of apply: a list of file replacements, done whole or not at all, and reversible later.
//!
//! ```text
//! <state>/applies/<id>/record.json   what is replaced by what, and how far it got
//! <state>/applies/<id>/<n>.old       the bytes before
//! ```
//! Order: old bytes and record on disk (`started`) → each file by rename → record `done`. A record that is found
//! `started` or `undoing` after a crash is finished backwards. Each replacement swaps the new file in, then looks at what
//! it displaced: if that is not what was expected, it swaps back, so an edit made in this moment is never lost.

use crate::beneath::{self, Beneath, Links, Parents};
use crate::limits::APPLY_FILE_BYTES;
use crate::paths;
use crate::state_dir;
use crate::trees::EntryMode;
use errand_task::id::{Digest, hex};
use rustix::fs::{AtFlags, RenameFlags};
use serde::{Deserialize, Serialize};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

/// A file or link with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub kind: ContentKind,
    pub bytes: Vec<u8>,
    pub permissions: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContentKind {
    File,
    Link,
}

/// What identifies a content: enough to recognise it, not to write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    kind: ContentKind,
    digest: Digest,
    permissions: u32,
}

impl Content {
    pub fn mark(&self) -> Mark {
        Mark { kind: self.kind, digest: Digest::of(&self.bytes), permissions: self.permissions }
    }

    pub fn mode(&self) -> EntryMode {
        match self.kind {
            ContentKind::Link => EntryMode::Link,
            ContentKind::File if self.permissions & 0o100 != 0 => EntryMode::Executable,
            ContentKind::File => EntryMode::Regular,
        }
    }
}

/// One replacement; `None` means that nothing is there.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub path: Vec<u8>,
    pub old: Option<Content>,
    pub new: Option<Content>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Progress {
    Started,
    Done,
    Undoing,
    Undone,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub progress: Progress,
    /// Absolute path of the checkout.
    pub checkout: PathBuf,
    files: Vec<RecordedFile>,
    #[serde(skip)]
    pub dir: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RecordedFile {
    path_hex: String,
    old: Option<Mark>,
    new: Option<Mark>,
}

impl Record {
    /// Stores what is about to happen. Nothing has happened to the checkout when this returns.
    pub fn begin(state_dir: &Path, checkout: &Path, changes: &[Change]) -> io::Result<Self> {
        let applies = state_dir::folder(state_dir, "applies")?;
        let name = state_dir::temporary_name().replacen("new", "apply", 1);
        let building = state_dir::folder(&applies, &format!("tmp-{name}"))?;
        let mut files = Vec::with_capacity(changes.len());
        for (position, change) in changes.iter().enumerate() {
            if let Some(old) = &change.old {
                let mut file = state_dir::create_file(&building.join(format!("{position}.old")))?;
                file.write_all(&old.bytes)?;
                file.sync_all()?;
            }
            let mark = |content: &Option<Content>| content.as_ref().map(Content::mark);
            files.push(RecordedFile { path_hex: hex(&change.path), old: mark(&change.old), new: mark(&change.new) });
        }
        let mut record = Self { progress: Progress::Started, checkout: checkout.to_owned(), files, dir: building };
        record.save(Progress::Started)?;
        let dir = applies.join(name);
        std::fs::rename(&record.dir, &dir)?;
        state_dir::sync_dir(&applies)?;
        record.dir = dir;
        Ok(record)
    }

    pub fn load(dir: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(dir.join("record.json"))?;
        let record: Self = serde_json::from_slice(&bytes)?;
        Ok(Self { dir: dir.to_owned(), ..record })
    }

    pub fn save(&mut self, progress: Progress) -> io::Result<()> {
        self.progress = progress;
        state_dir::write_durably(&self.dir.join("record.json"), &serde_json::to_vec_pretty(self)?)
    }

    pub fn id(&self) -> String {
        self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Writes the changes; on the first that cannot be written, takes back the ones before it.
    pub fn carry_out(&mut self, root: &Beneath, changes: &[Change]) -> Result<(), Stopped> {
        let id = self.id();
        for (position, change) in changes.iter().enumerate() {
            let expected = change.old.as_ref().map(Content::mark);
            let replaced =
                replace(root, &change.path, expected.as_ref(), change.new.as_ref(), &temporary(&id, position));
            if let Err(source) = replaced {
                let left = self.take_back(root, position);
                return Err(Stopped { path: paths::shown(&change.path), source, left });
            }
        }
        self.save(Progress::Done).map_err(|source| Stopped { path: "record".to_owned(), source, left: Vec::new() })
    }

    /// Puts back the old content of the first `n_files` wherever the new one stands; returns the paths that hold neither
    /// and stay as they are.
    pub fn take_back(&mut self, root: &Beneath, n_files: usize) -> Vec<String> {
        let id = self.id();
        let mut left = Vec::new();
        for (position, file) in self.files.iter().enumerate().take(n_files).rev() {
            let path = unhex(&file.path_hex);
            if self.take_back_one(root, position, file, &path, &id).is_err() {
                left.push(paths::shown(&path));
            }
        }
        if left.is_empty() && self.save(Progress::Undone).is_err() {
            left.push(self.dir.display().to_string());
        }
        left.reverse();
        left
    }

    fn take_back_one(
        &self,
        root: &Beneath,
        position: usize,
        file: &RecordedFile,
        path: &[u8],
        id: &str,
    ) -> io::Result<()> {
        let now = match current(root, path) {
            // No file was here before, and none is now.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory && file.old.is_none() => None,
            other => other?.map(|content| content.mark()),
        };
        if now != file.old {
            let old = match &file.old {
                None => None,
                Some(mark) => {
                    let bytes = std::fs::read(self.dir.join(format!("{position}.old")))?;
                    Some(Content { kind: mark.kind, bytes, permissions: mark.permissions })
                }
            };
            let temporary = format!("{}-undo", temporary(id, position));
            replace(root, path, file.new.as_ref(), old.as_ref(), &temporary)?;
        }
        self.sweep(root, path, file, &temporary(id, position))
    }

    /// Removes the temporary file of an interrupted replacement, unless it holds something else than we put there.
    fn sweep(&self, root: &Beneath, path: &[u8], file: &RecordedFile, name: &str) -> io::Result<()> {
        let above = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        for name in [name.to_owned(), format!("{name}-undo")] {
            let beside = [path.get(..above).unwrap_or_default(), name.as_bytes()].concat();
            let Some(content) = current(root, &beside)? else { continue };
            let mark = Some(content.mark());
            // A cut write leaves less than the whole; it is ours because it was never in place.
            let is_ours = mark == file.old || mark == file.new || content.permissions == 0o600;
            if !is_ours {
                return Err(io::Error::other("someone's edit is in the temporary file"));
            }
            root.remove(&beside)?;
        }
        Ok(())
    }

    /// The paths that are not what apply wrote.
    pub fn changed_since(&self, root: &Beneath) -> Vec<String> {
        let written: Vec<_> =
            self.files.iter().filter(|file| file.new.is_some()).map(|file| unhex(&file.path_hex)).collect();
        let is_changed = |file: &&RecordedFile| {
            let path = unhex(&file.path_hex);
            match current(root, &path) {
                Ok(now) => now.map(|content| content.mark()) != file.new,
                // A deleted file made room for a folder; it can come back when nothing else is in that folder.
                Err(error) if error.kind() == io::ErrorKind::IsADirectory && file.new.is_none() => {
                    !holds_only(root, &path, &written).unwrap_or(false)
                }
                Err(_) => true,
            }
        };
        self.files.iter().filter(is_changed).map(|file| paths::shown(&unhex(&file.path_hex))).collect()
    }

    pub fn n_files(&self) -> usize {
        self.files.len()
    }
}

/// Why carrying out ended early.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub path: String,
    pub source: io::Error,
    /// Paths that could not be put back.
    pub left: Vec<String>,
}

/// What is at `path` now; a folder or special file is an error of kind `IsADirectory` or `InvalidInput`.
pub(crate) fn current(root: &Beneath, path: &[u8]) -> io::Result<Option<Content>> {
    let Some(stat) = root.stat(path)? else { return Ok(None) };
    if stat.is_link() {
        let bytes = root.read_link(path)?;
        return Ok(Some(Content { kind: ContentKind::Link, bytes, permissions: 0o777 }));
    }
    if stat.is_folder() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let content = root.read(path, Links::Refuse, APPLY_FILE_BYTES + 1)?;
    if content.bytes.len() as u64 > APPLY_FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let permissions = content.stat.mode & 0o777;
    Ok(Some(Content { kind: ContentKind::File, bytes: content.bytes, permissions }))
}

/// Whether every file below the folder is one of `files`.
fn holds_only(root: &Beneath, folder: &[u8], files: &[Vec<u8>]) -> io::Result<bool> {
    for entry in rustix::fs::Dir::read_from(root.folder(folder, Links::Refuse)?)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let path = [folder, b"/", name].concat();
        let is_folder = root.stat(&path)?.is_some_and(|stat| stat.is_folder());
        let is_known = if is_folder { holds_only(root, &path, files)? } else { files.contains(&path) };
        if !is_known {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Replaces what is expected at `path` by `new`; nothing has changed when this fails.
fn replace(
    root: &Beneath,
    path: &[u8],
    expected: Option<&Mark>,
    new: Option<&Content>,
    temporary: &str,
) -> io::Result<()> {
    let parents = if new.is_some() { Parents::Make } else { Parents::Expect };
    let (folder, name) = root.parent(path, parents)?;
    let aside = (folder.as_fd(), temporary.as_bytes());
    let place = (folder.as_fd(), name);
    if let Some(new) = new {
        write_aside(aside, new)?;
    }
    let (forth, back) = match (expected, new) {
        (None, None) => return Ok(()),
        (None, Some(_)) => ((aside, place, RenameFlags::NOREPLACE), None),
        (Some(_), Some(_)) => ((aside, place, RenameFlags::EXCHANGE), Some((aside, place, RenameFlags::EXCHANGE))),
        (Some(_), None) => ((place, aside, RenameFlags::NOREPLACE), Some((aside, place, RenameFlags::NOREPLACE))),
    };
    let moved = clear_empty_folder(place, expected).and_then(|()| beneath::rename(forth.0, forth.1, forth.2));
    let is_plain = moved.as_ref().is_err_and(lacks_flags);
    let moved = if is_plain { replace_plainly(root, path, expected, new, aside, place) } else { moved };
    if let Err(error) = moved {
        if new.is_some() {
            rustix::fs::unlinkat(aside.0, aside.1, AtFlags::empty())?;
        }
        return Err(error);
    }
    if let Some(back) = back.filter(|_| !is_plain) {
        let above = path.len() - name.len();
        let beside = [path.get(..above).unwrap_or_default(), temporary.as_bytes()].concat();
        let displaced = current(root, &beside).map(|content| content.map(|content| content.mark()));
        if !displaced.is_ok_and(|displaced| displaced.as_ref() == expected) {
            beneath::rename(back.0, back.1, back.2)?;
            if new.is_some() {
                rustix::fs::unlinkat(aside.0, aside.1, AtFlags::empty())?;
            }
            return Err(io::Error::other("it changed while it was being replaced"));
        }
        rustix::fs::unlinkat(aside.0, aside.1, AtFlags::empty())?;
    }
    rustix::fs::fsync(&folder)?;
    if new.is_none() {
        root.remove_empty_above(path);
    }
    Ok(())
}

/// Network and some virtual file systems know no rename but the plain one.
fn lacks_flags(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}

/// Looks first and renames then: between the two a moment is left in which an edit could be lost.
fn replace_plainly(
    root: &Beneath,
    path: &[u8],
    expected: Option<&Mark>,
    new: Option<&Content>,
    aside: (BorrowedFd<'_>, &[u8]),
    place: (BorrowedFd<'_>, &[u8]),
) -> io::Result<()> {
    if current(root, path)?.map(|content| content.mark()).as_ref() != expected {
        return Err(io::Error::other("it changed while it was being replaced"));
    }
    match new {
        Some(_) => beneath::rename(aside, place, RenameFlags::empty()),
        None => Ok(rustix::fs::unlinkat(place.0, place.1, AtFlags::empty())?),
    }
}

/// An empty folder gives way to a file; one that is not empty stays and the rename says so.
fn clear_empty_folder(place: (BorrowedFd<'_>, &[u8]), expected: Option<&Mark>) -> io::Result<()> {
    if expected.is_none() && beneath::stat_at(place.0, place.1).is_ok_and(|stat| stat.is_folder()) {
        rustix::fs::unlinkat(place.0, place.1, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

fn write_aside(aside: (BorrowedFd<'_>, &[u8]), new: &Content) -> io::Result<()> {
    match new.kind {
        ContentKind::Link => Ok(rustix::fs::symlinkat(new.bytes.as_slice(), aside.0, aside.1)?),
        ContentKind::File => beneath::write_new(aside.0, aside.1, &new.bytes, new.permissions)
            .and_then(|file| file.sync_all())
            .inspect_err(|_| {
                // The write's error is the one to report.
                let _ = rustix::fs::unlinkat(aside.0, aside.1, AtFlags::empty());
            }),
    }
}

fn temporary(id: &str, position: usize) -> String {
    format!(".errand-{id}-{position}")
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
    text.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |byte, half| byte << 4 | digit(half))).collect()
}
