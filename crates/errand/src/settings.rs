//! The person's own settings: `config.toml` in their config directory, read when the daemon starts.
//!
//! Strict: a word that is not known here is an error that names the file, never a setting that quietly does nothing.

use crate::failure::Failure;
use crate::{home, trust_file};
use errand_task::verdict::ExitCode;
use errand_workspace::toolchains::{Added, unfit};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read as _};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// Largest file read, in bytes.
const FILE_BYTES: u64 = 64 * 1024;

#[derive(Debug, Default)]
pub struct Settings {
    /// Folders that commands see beyond the usual ones.
    pub added: Added,
    /// Folders of the file that are not there: they are left out, and `doctor` says so.
    pub missing: Vec<PathBuf>,
    pub workspaces: Workspaces,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workspaces {
    /// How long one stays after its task has ended.
    pub keep_days: u32,
    /// What one may take of the disk before no command starts in it.
    max_gib: NonZeroU32,
}

impl Default for Workspaces {
    fn default() -> Self {
        Self { keep_days: 14, max_gib: NonZeroU32::MIN.saturating_add(15) }
    }
}

impl Workspaces {
    pub fn max_bytes(self) -> u64 {
        u64::from(self.max_gib.get()) << 30
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    sandbox: SandboxPart,
    #[serde(default)]
    workspaces: Workspaces,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SandboxPart {
    #[serde(default)]
    read_only: Vec<String>,
    #[serde(default)]
    caches: Vec<String>,
}

impl Settings {
    pub fn read(state_dir: &Path) -> Result<Self, Failure> {
        let Some(dir) = home::config_dir() else { return Ok(Self::default()) };
        let path = dir.join("config.toml");
        let Some(text) = text(&path, &dir).map_err(|why| unusable(&path, &why))? else { return Ok(Self::default()) };
        let content: Content = toml::from_str(&text).map_err(|error| unusable(&path, error.message()))?;
        let Content { sandbox: SandboxPart { read_only, caches }, workspaces } = content;
        let mut settings = Self { workspaces, ..Self::default() };
        for (given, is_cache) in
            read_only.iter().map(|given| (given, false)).chain(caches.iter().map(|given| (given, true)))
        {
            let folder = folder(given, state_dir).map_err(|why| unusable(&path, &why))?;
            if !folder.exists() {
                settings.missing.push(folder);
            } else if is_cache {
                settings.added.caches.push(folder);
            } else {
                settings.added.read_only.push(folder);
            }
        }
        Ok(settings)
    }
}

/// May be a link, as managers of settings make them; a file that others could have written is not believed.
fn text(path: &Path, dir: &Path) -> Result<Option<String>, String> {
    let said = |error: io::Error| error.to_string();
    let is_file = match path.metadata() {
        Ok(metadata) => metadata.is_file(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(said(error)),
    };
    if !is_file {
        return Err("it is not a file".to_owned());
    }
    let file = File::open(path).map_err(said)?;
    let metadata = file.metadata().map_err(said)?;
    let folder = dir.metadata().map_err(said)?;
    if !trust_file::is_ours_alone(&metadata) || !trust_file::is_ours_alone(&folder) {
        return Err("others can write it, or its folder".to_owned());
    }
    let mut text = String::new();
    let n_read = file.take(FILE_BYTES + 1).read_to_string(&mut text).map_err(said)?;
    if n_read as u64 > FILE_BYTES { Err("it is larger than 64 KiB".to_owned()) } else { Ok(Some(text)) }
}

/// `~` is the person's home. What must never be seen inside is refused, not left out.
fn folder(given: &str, state_dir: &Path) -> Result<PathBuf, String> {
    let home = home::of_person();
    let folder = match (given.strip_prefix('~'), &home) {
        (Some(""), Some(home)) => home.clone(),
        (Some(below), Some(home)) if below.len() > 1 && below.starts_with('/') => home.join(&below[1..]),
        (Some(_), _) => return Err(format!("`{given}` is not understood; only ~/ is the home directory")),
        (None, _) => PathBuf::from(given),
    };
    match unfit(&folder, home.as_deref(), state_dir) {
        Some(why) => Err(format!("`{given}` cannot be shown to commands: {why}")),
        None => Ok(folder),
    }
}

fn unusable(path: &Path, why: &str) -> Failure {
    let why = why.lines().collect::<Vec<_>>().join(" ");
    Failure::new(ExitCode::EnvironmentNotReady, format!("{} cannot be used: {why}", path.display()))
        .hint("correct it, see docs/toolchains.md: [sandbox] with read_only and caches, lists of folders; [workspaces] with keep_days and max_gib, numbers")
}
