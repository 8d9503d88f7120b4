//! Git object ids, and loose objects that we write ourselves so that snapshots need no git process.
//!
//! Objects are content-addressed: writing one twice is harmless, and a half-written one never has its final name.
//! [`ObjectStore::sync`] makes everything written since the last call survive a power cut; callers do it before an id
//! is told to anyone.

use crate::limits::OBJECTS_SYNCED_SINGLY;
use errand_task::id::{CommitId, TreeId, hex};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use rustix::fs::{CWD, Mode, OFlags};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Which hash a repository uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectFormat {
    Sha1,
    Sha256,
}

impl ObjectFormat {
    /// Bytes of an id.
    pub fn id_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The format whose ids have this many hex characters.
    pub fn of_hex(id: &str) -> Option<Self> {
        match id.len() {
            40 => Some(Self::Sha1),
            64 => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// The id of a git object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid {
    bytes: [u8; 32],
    format_bytes: u8,
}

impl Oid {
    /// The id written as 40 or 64 hex characters.
    pub fn parse(text: &str) -> Option<Self> {
        ObjectFormat::of_hex(text)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let bytes = text
            .as_bytes()
            .chunks_exact(2)
            .map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?))
            .collect::<Option<Vec<_>>>()?;
        Self::from_bytes(&bytes)
    }

    /// The id as it stands in trees and indexes.
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        bytes.get_mut(..raw.len())?.copy_from_slice(raw);
        matches!(raw.len(), 20 | 32).then(|| Self { bytes, format_bytes: raw.len() as u8 })
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.format_bytes)).unwrap_or(&self.bytes)
    }

    pub fn tree_id(&self) -> TreeId {
        TreeId::new(self.to_string())
    }

    pub fn commit_id(&self) -> CommitId {
        CommitId::new(self.to_string())
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.as_bytes()))
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Blob,
    Tree,
    Commit,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
        }
    }
}

/// The id that `bytes` have as an object.
pub fn hash(format: ObjectFormat, kind: Kind, bytes: &[u8]) -> Oid {
    let header = header(kind, bytes.len());
    let mut id = [0; 32];
    match format {
        ObjectFormat::Sha1 => {
            let digest = Sha1::new().chain_update(header).chain_update(bytes).finalize();
            id[..20].copy_from_slice(&digest);
        }
        ObjectFormat::Sha256 => {
            let digest = Sha256::new().chain_update(header).chain_update(bytes).finalize();
            id.copy_from_slice(&digest);
        }
    }
    Oid { bytes: id, format_bytes: format.id_bytes() as u8 }
}

fn header(kind: Kind, n_bytes: usize) -> String {
    format!("{} {n_bytes}\0", kind.as_str())
}

/// One `objects` folder of a git directory.
#[derive(Debug)]
pub struct ObjectStore {
    dir: PathBuf,
    format: ObjectFormat,
    /// Objects that are known to be there, loose or packed or in an alternate.
    known: Mutex<HashSet<Oid>>,
    /// Files written since the last sync.
    unsynced: Mutex<Vec<PathBuf>>,
}

impl ObjectStore {
    pub fn new(dir: PathBuf, format: ObjectFormat) -> Self {
        Self { dir, format, known: Mutex::default(), unsynced: Mutex::default() }
    }

    pub fn format(&self) -> ObjectFormat {
        self.format
    }

    /// Remembers that these objects need not be written.
    pub fn note_known(&self, ids: impl IntoIterator<Item = Oid>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    pub fn hash(&self, kind: Kind, bytes: &[u8]) -> Oid {
        hash(self.format, kind, bytes)
    }

    /// Writes the object unless it is there.
    pub fn put(&self, kind: Kind, bytes: &[u8]) -> io::Result<Oid> {
        let id = self.hash(kind, bytes);
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&id) {
            return Ok(id);
        }
        let path = self.path(&id);
        // One that is there may be from a run that ended before its sync. What is no file is no object.
        if !std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            self.write(&path, kind, bytes)?;
        }
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        self.note_known([id]);
        Ok(id)
    }

    /// The object if it is loose here.
    pub fn read_loose(&self, id: &Oid, limit: u64) -> io::Result<Option<(Kind, Vec<u8>)>> {
        let file = match File::open(self.path(id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut raw = Vec::new();
        ZlibDecoder::new(file).take(limit.saturating_add(64)).read_to_end(&mut raw)?;
        let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("object {id} is damaged"));
        let end = raw.iter().position(|&byte| byte == 0).ok_or_else(broken)?;
        let head = String::from_utf8_lossy(raw.get(..end).unwrap_or_default()).into_owned();
        let (kind, size) = head.split_once(' ').ok_or_else(broken)?;
        let kind = match kind {
            "blob" => Kind::Blob,
            "tree" => Kind::Tree,
            "commit" => Kind::Commit,
            _ => return Err(broken()),
        };
        raw.drain(..=end);
        if size.parse() != Ok(raw.len()) {
            let too_long = size.parse::<u64>().is_ok_and(|size| size > limit);
            return Err(if too_long { io::Error::from(io::ErrorKind::FileTooLarge) } else { broken() });
        }
        Ok(Some((kind, raw)))
    }

    /// Returns when everything put since the last call is on disk.
    pub fn sync(&self) -> io::Result<()> {
        let paths = std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        if paths.is_empty() {
            return Ok(());
        }
        let synced = if paths.len() > OBJECTS_SYNCED_SINGLY {
            File::open(&self.dir).and_then(|dir| Ok(rustix::fs::syncfs(&dir)?))
        } else {
            sync_each(&paths, &self.dir)
        };
        if synced.is_err() {
            // They stay owed: an id must not be told as long as this fails.
            self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
        }
        synced
    }

    fn path(&self, id: &Oid) -> PathBuf {
        let text = id.to_string();
        let (folder, name) = text.split_at(2);
        self.dir.join(folder).join(name)
    }

    fn write(&self, path: &Path, kind: Kind, bytes: &[u8]) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.dir);
        let temporary = self.dir.join(format!("tmp_obj_{}", crate::state_dir::temporary_name()));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(CWD, &temporary, flags, Mode::from_raw_mode(0o444))?);
        let mut encoder = ZlibEncoder::new(file, Compression::fast());
        let written = encoder
            .write_all(header(kind, bytes.len()).as_bytes())
            .and_then(|()| encoder.write_all(bytes))
            .and_then(|()| encoder.finish())
            .and_then(|_| match std::fs::rename(&temporary, path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    std::fs::create_dir_all(folder)?;
                    std::fs::rename(&temporary, path)
                }
                renamed => renamed,
            });
        if written.is_err() {
            // The first error is the one to report.
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }
}

fn sync_each(paths: &[PathBuf], dir: &Path) -> io::Result<()> {
    for path in paths {
        File::open(path)?.sync_all()?;
    }
    let folders: BTreeSet<_> = paths.iter().filter_map(|path| path.parent()).collect();
    for folder in folders {
        crate::state_dir::sync_dir(folder)?;
    }
    crate::state_dir::sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_gits() {
        let id = hash(ObjectFormat::Sha1, Kind::Blob, b"");
        assert_eq!(id.to_string(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(Oid::parse(&id.to_string()), Some(id));
        let id = hash(ObjectFormat::Sha256, Kind::Tree, b"");
        assert_eq!(id.to_string(), "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321");
        assert_eq!(Oid::parse("e69de29"), None);
        assert_eq!(Oid::parse(&"zz".repeat(20)), None);
    }
}
