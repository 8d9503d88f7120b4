//! The layers of one ledger: made, found again, listed.
//!
//! One lock serves all of it, apart from the ledger's own: a copy may take a minute, and bringing a base must not wait
//! for it. The second of two tasks that want the same folder waits, and then finds the layer.

use super::LayersError;
use super::copy::{self, Copied, Stopped};
use super::open_folder;
use crate::beneath::Beneath;
use crate::ledger::Ledger;
use crate::state_dir;
use crate::stock;
use errand_task::id::Digest;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const FOLDER: &str = "layers";
const MANIFEST: &str = "layer.json";
/// Largest manifest read, in bytes.
const MANIFEST_BYTES: u64 = 64 << 10;

/// A read-only copy of a folder of the checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The name of [`Layer::dir`], unique in its ledger.
    pub id: String,
    /// Holds `tree/`, which in turn holds the folder at its path.
    pub dir: PathBuf,
    /// In the checkout and in `tree/`.
    pub path: String,
    pub bytes: u64,
    /// What of it took room on the disk when it was made; nothing where its files are clones.
    pub copied_bytes: u64,
    pub n_files: u64,
    /// Of all its files, seconds and nanoseconds; times that were to come when it was made do not count.
    pub newest_mtime: (i64, u32),
    manifest: Manifest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    path: String,
    key: Digest,
    bytes: u64,
    copied_bytes: u64,
    n_files: u64,
    newest_mtime: (i64, u32),
    /// Seconds since 1970.
    captured_at: u64,
    n_secret: u64,
    n_unreadable: u64,
    n_special: u64,
}

impl Layer {
    /// The time of its youngest file.
    pub fn newest(&self) -> SystemTime {
        let (seconds, nanos) = self.newest_mtime;
        SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(seconds).unwrap_or(0), nanos)
    }

    /// What is not in it.
    pub(super) fn notes(&self) -> Option<String> {
        let counts = [
            (self.manifest.n_secret, "that hold secrets by their names or content"),
            (self.manifest.n_unreadable, "that cannot be read"),
            (self.manifest.n_special, "that are no files, links or folders of its disk"),
        ];
        let parts: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, which)| format!("{n} {which}")).collect();
        (!parts.is_empty()).then(|| format!("`{}` is used without some entries: {}", self.path, parts.join(", ")))
    }
}

/// The layer of this path and key; the inner error says why it cannot be made.
pub(super) fn reuse_or_capture(
    ledger: &Ledger,
    checkout: &Beneath,
    path: &[u8],
    key: &Digest,
) -> Result<Result<Layer, String>, LayersError> {
    let Ok(shown) = std::str::from_utf8(path) else { return Ok(Err("its path is not UTF-8".to_owned())) };
    let dir = ledger.dir().join(FOLDER);
    let failed = |source| LayersError::Io { path: dir.clone(), source };
    let is_it = |layer: &Layer| layer.path == shown && layer.manifest.key == *key;
    // One that is removed at this moment is none.
    let ready = || -> io::Result<Option<Layer>> {
        let found = all(&dir)?.into_iter().find(is_it);
        Ok(match found {
            Some(layer) => stock::mark_used(&layer.dir)?.then_some(layer),
            None => None,
        })
    };
    if let Some(layer) = ready().map_err(failed)? {
        return Ok(Ok(layer));
    }
    state_dir::create_dir(&dir).map_err(failed)?;
    let _lock = state_dir::lock(&dir.join("lock")).map_err(failed)?;
    // Made while this waited.
    if let Some(layer) = ready().map_err(failed)? {
        return Ok(Ok(layer));
    }
    let source = match open_folder(checkout, path) {
        Ok(source) => source,
        Err(error) => return Ok(Err(format!("it cannot be opened ({error})"))),
    };
    let building = dir.join(state_dir::temporary_name());
    let made = build(&building, path, &source).and_then(|copied| {
        let manifest = Manifest::of(shown, key, &copied);
        let id = id(shown, key, &building);
        finish(&dir, &building, &id, &manifest)?;
        stock::mark_used(&dir.join(&id))?;
        Ok(manifest.layer(&dir, id))
    });
    Ok(made.map_err(|stopped| {
        // The first error is the one to report; what is left has a temporary name.
        let _ = state_dir::remove_tree(&building);
        stopped.to_string()
    }))
}

/// Every layer of the ledger in `ledger_dir`, sorted by path, those made last first.
pub fn list(ledger_dir: &Path) -> io::Result<Vec<Layer>> {
    all(&ledger_dir.join(FOLDER))
}

fn all(dir: &Path) -> io::Result<Vec<Layer>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut layers = Vec::new();
    for entry in entries {
        let Ok(id) = entry?.file_name().into_string() else { continue };
        // Half made or half removed: no manifest, or not the final name.
        let is_final = !id.starts_with(state_dir::TEMPORARY);
        layers.extend(Manifest::read(&dir.join(&id)).filter(|_| is_final).map(|manifest| manifest.layer(dir, id)));
    }
    layers.sort_by(|a, b| {
        a.path.cmp(&b.path).then(b.manifest.captured_at.cmp(&a.manifest.captured_at)).then(a.id.cmp(&b.id))
    });
    Ok(layers)
}

impl Manifest {
    fn of(path: &str, key: &Digest, copied: &Copied) -> Self {
        Self {
            path: path.to_owned(),
            key: key.clone(),
            bytes: copied.bytes,
            copied_bytes: copied.copied_bytes,
            n_files: copied.n_files,
            newest_mtime: copied.newest,
            captured_at: SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs()),
            n_secret: copied.n_secret,
            n_unreadable: copied.n_unreadable,
            n_special: copied.n_special,
        }
    }

    fn read(layer: &Path) -> Option<Self> {
        let bytes = Beneath::open(layer)
            .and_then(|dir| dir.read(MANIFEST.as_bytes(), crate::beneath::Links::Refuse, MANIFEST_BYTES))
            .ok()?
            .bytes;
        serde_json::from_slice(&bytes).ok()
    }

    fn layer(self, dir: &Path, id: String) -> Layer {
        Layer {
            dir: dir.join(&id),
            id,
            path: self.path.clone(),
            bytes: self.bytes,
            copied_bytes: self.copied_bytes,
            n_files: self.n_files,
            newest_mtime: self.newest_mtime,
            manifest: self,
        }
    }
}

/// Short, because a mount names all its layers in one page. No two captures share one, also not of the same key.
fn id(path: &str, key: &Digest, building: &Path) -> String {
    let text = format!("{path}\0{key}\0{}", building.display());
    Digest::of(text.as_bytes()).as_str().chars().take(16).collect()
}

fn build(building: &Path, path: &[u8], source: &OwnedFd) -> Result<Copied, Stopped> {
    state_dir::create_dir(building)?;
    let mut folder = OwnedFd::from(File::open(building)?);
    // As lower layers these folders show through where the base has none of them.
    for part in std::iter::once(&b"tree"[..]).chain(path.split(|&byte| byte == b'/')) {
        rustix::fs::mkdirat(&folder, part, Mode::RWXU)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = rustix::fs::openat(&folder, part, flags, Mode::empty())?;
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o755))?;
    }
    copy::copy(source, &folder, &copy::TERMS)
}

/// Gives a built layer its name, after everything in it is on disk: an empty file in it would be believed for ever.
fn finish(dir: &Path, building: &Path, id: &str, manifest: &Manifest) -> Result<(), Stopped> {
    rustix::fs::syncfs(File::open(building)?)?;
    let text = serde_json::to_vec(manifest).map_err(io::Error::from)?;
    state_dir::write_durably(&building.join(MANIFEST), &text)?;
    std::fs::rename(building, dir.join(id))?;
    Ok(state_dir::sync_dir(dir)?)
}
