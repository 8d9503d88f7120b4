//! Git's index file, versions 2 to 4: read from the person's repository for its stat data, written for scratch ones.
//!
//! What is read is a hint that saves hashing, never a truth: an index can say anything.

use crate::objects::{ObjectFormat, Oid};
use crate::trees::EntryMode;
use crate::walk::Stat;
use rustix::fs::{CWD, Mode, OFlags};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Largest index that is read.
const INDEX_BYTES: u64 = 256 << 20;

/// What the index says about one path.
#[derive(Clone, Debug)]
pub(crate) struct IndexEntry {
    pub id: Oid,
    pub mtime: (u32, u32),
    pub ctime: (u32, u32),
    pub inode: u32,
    pub size: u32,
    /// Left out of the checkout on purpose.
    pub is_skipped: bool,
}

/// The stage-0 entries by path, and when the index was written.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub entries: HashMap<Vec<u8>, IndexEntry>,
    pub written_at: (i64, i64),
}

impl Index {
    /// The id of the file if it surely has not changed since the index was written.
    pub fn unchanged(&self, path: &[u8], stat: &Stat) -> Option<Oid> {
        let entry = self.entries.get(path)?;
        let same = |seconds: i64, nanos: u32, stored: (u32, u32)| {
            // An index may store no nanoseconds.
            seconds as u32 == stored.0 && (nanos == stored.1 || stored.1 == 0)
        };
        let is_same = same(stat.mtime.0, stat.mtime.1, entry.mtime)
            && same(stat.ctime.0, stat.ctime.1, entry.ctime)
            && (stat.inode as u32 == entry.inode || entry.inode == 0)
            && stat.size as u32 == entry.size
            && (stat.mtime.0, i64::from(stat.mtime.1)) < self.written_at;
        is_same.then_some(entry.id)
    }
}

/// Reads an index; `None` when there is none or it is not understood.
pub(crate) fn read(path: &Path, format: ObjectFormat) -> Option<Index> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()?);
    let stat = rustix::fs::fstat(&file).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(INDEX_BYTES).read_to_end(&mut bytes).ok()?;
    let entries = parse(&bytes, format)?;
    Some(Index { entries, written_at: (stat.st_mtime as i64, stat.st_mtime_nsec as i64) })
}

fn parse(bytes: &[u8], format: ObjectFormat) -> Option<HashMap<Vec<u8>, IndexEntry>> {
    let mut rest = bytes.strip_prefix(b"DIRC")?;
    let version = take_u32(&mut rest)?;
    let n_entries = take_u32(&mut rest)?;
    if !(2..=4).contains(&version) {
        return None;
    }
    let mut entries = HashMap::with_capacity(usize::try_from(n_entries).ok()?.min(bytes.len() / 62));
    let mut path: Vec<u8> = Vec::new();
    for _ in 0..n_entries {
        let start = rest;
        let ctime = (take_u32(&mut rest)?, take_u32(&mut rest)?);
        let mtime = (take_u32(&mut rest)?, take_u32(&mut rest)?);
        let (_device, inode) = (take_u32(&mut rest)?, take_u32(&mut rest)?);
        let (_mode, _uid, _gid) = (take_u32(&mut rest)?, take_u32(&mut rest)?, take_u32(&mut rest)?);
        let size = take_u32(&mut rest)?;
        let id = Oid::from_bytes(take(&mut rest, format.id_bytes())?)?;
        let flags = take_u16(&mut rest)?;
        let more = if flags & 0x4000 != 0 { take_u16(&mut rest)? } else { 0 };
        if version == 4 {
            let n_dropped = take_varint(&mut rest)?;
            path.truncate(path.len().checked_sub(n_dropped)?);
        } else {
            path.clear();
        }
        let end = rest.iter().position(|&byte| byte == 0)?;
        path.extend_from_slice(take(&mut rest, end)?);
        let n_padding = if version == 4 { 1 } else { 8 - (start.len() - rest.len()) % 8 };
        take(&mut rest, n_padding)?;
        if flags & 0x3000 == 0 {
            let is_skipped = more & 0x4000 != 0;
            entries.insert(path.clone(), IndexEntry { id, mtime, ctime, inode, size, is_skipped });
        }
    }
    Some(entries)
}

fn take<'a>(rest: &mut &'a [u8], n_bytes: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(n_bytes)?;
    *rest = tail;
    Some(head)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest, 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn take_u16(rest: &mut &[u8]) -> Option<u16> {
    take(rest, 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// Git's offset encoding.
fn take_varint(rest: &mut &[u8]) -> Option<usize> {
    let mut byte = *take(rest, 1)?.first()?;
    let mut value = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = *take(rest, 1)?.first()?;
        value = value.checked_add(1)?.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
    }
    Some(value)
}

/// The bytes of a version 2 index with these entries, which are sorted by path.
pub(crate) fn encode<'a>(
    entries: impl ExactSizeIterator<Item = (&'a [u8], EntryMode, Oid, Stat)>,
    format: ObjectFormat,
) -> io::Result<Vec<u8>> {
    let n_entries = u32::try_from(entries.len()).map_err(io::Error::other)?;
    let mut bytes = b"DIRC\0\0\0\x02".to_vec();
    bytes.extend_from_slice(&n_entries.to_be_bytes());
    for (path, mode, id, stat) in entries {
        let start = bytes.len();
        let mode = u32::from_str_radix(mode.as_str(), 8).map_err(io::Error::other)?;
        let (ctime, mtime) = (stat.ctime, stat.mtime);
        let numbers = [
            ctime.0 as u32,
            ctime.1,
            mtime.0 as u32,
            mtime.1,
            stat.device as u32,
            stat.inode as u32,
            mode,
            stat.uid,
            stat.gid,
            stat.size as u32,
        ];
        for number in numbers {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&u16::try_from(path.len()).unwrap_or(0xfff).min(0xfff).to_be_bytes());
        bytes.extend_from_slice(path);
        let n_padding = 8 - (bytes.len() - start) % 8;
        bytes.resize(bytes.len() + n_padding, 0);
    }
    match format {
        ObjectFormat::Sha1 => bytes.extend_from_slice(&Sha1::digest(&bytes)),
        ObjectFormat::Sha256 => bytes.extend_from_slice(&Sha256::digest(&bytes)),
    }
    Ok(bytes)
}
