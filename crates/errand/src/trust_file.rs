//! The person's own list of what repositories may run and take: `trust.toml` in their config directory.
//!
//! A line is about one repository's path and one content. Nothing is inherited: not from a folder above, not by another
//! clone, not by a name. A file that others could have written is not believed.

use crate::failure::Failure;
use crate::home;
use errand_task::id::Digest;
use errand_task::repository_config::Trust;
use errand_task::verdict::ExitCode;
use errand_workspace::state_dir;
use rustix::fs::{CWD, Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Largest file read, in bytes.
const FILE_BYTES: u64 = 4 * 1024 * 1024;
const HEAD: &str = "# What the files of repositories may run and take out of your checkouts, by your word. Written by `errand trust`.\n\n";

pub struct TrustFile {
    /// Absent where the person has no config directory: then nothing is trusted.
    dir: Option<PathBuf>,
}

/// One yes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub repository: String,
    pub sha256: Digest,
    /// When the person said it.
    pub trusted_at: String,
    /// What would run, for people.
    pub commands: Vec<String>,
    /// What would be copied out of the checkout, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    trusted: Vec<Entry>,
}

impl TrustFile {
    pub fn find() -> Self {
        Self { dir: home::config_dir() }
    }

    pub fn trusts(&self) -> Result<Vec<Trust>, Failure> {
        let trust = |entry: Entry| Trust { repository: entry.repository, digest: entry.sha256 };
        Ok(self.entries()?.into_iter().map(trust).collect())
    }

    pub fn entries(&self) -> Result<Vec<Entry>, Failure> {
        match &self.dir {
            Some(dir) => read(dir),
            None => Ok(Vec::new()),
        }
    }

    /// Adds a yes; on disk when this returns.
    pub fn add(&self, entry: Entry) -> Result<(), Failure> {
        self.change(|entries| {
            entries.retain(|known| known.repository != entry.repository || known.sha256 != entry.sha256);
            entries.push(entry);
        })
    }

    /// Takes back every yes for this repository; answers with how many there were.
    pub fn remove(&self, repository: &str) -> Result<usize, Failure> {
        let mut n_removed = 0;
        self.change(|entries| {
            let n_before = entries.len();
            entries.retain(|entry| entry.repository != repository);
            n_removed = n_before - entries.len();
        })?;
        Ok(n_removed)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Entry>)) -> Result<(), Failure> {
        let dir = self.dir.as_ref().ok_or_else(|| {
            Failure::usage("neither XDG_CONFIG_HOME nor HOME is set").hint("set HOME to your home directory")
        })?;
        let path = dir.join("trust.toml");
        let failed = |error: io::Error| unusable(&path, &error.to_string());
        state_dir::create_dir(dir).map_err(failed)?;
        let _lock = state_dir::lock(&dir.join("trust.lock")).map_err(failed)?;
        let mut content = Content { trusted: read(dir)? };
        change(&mut content.trusted);
        let text = toml::to_string(&content).map_err(Failure::internal)?;
        state_dir::write_durably(&path, format!("{HEAD}{text}").as_bytes()).map_err(failed)
    }
}

fn read(dir: &Path) -> Result<Vec<Entry>, Failure> {
    let path = dir.join("trust.toml");
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::openat(CWD, &path, flags, Mode::empty()) {
        Ok(handle) => File::from(handle),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(Vec::new()),
        Err(rustix::io::Errno::LOOP) => return Err(unusable(&path, "it is a link")),
        Err(error) => return Err(unusable(&path, &error.to_string())),
    };
    let failed = |error: io::Error| unusable(&path, &error.to_string());
    let metadata = file.metadata().map_err(failed)?;
    let folder = std::fs::metadata(dir).map_err(failed)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES {
        return Err(unusable(&path, "it is not a file of at most 4 MiB"));
    }
    if !is_ours_alone(&metadata) || !is_ours_alone(&folder) {
        return Err(unusable(&path, "others can write it, or its folder"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let content: Content = toml::from_str(&text).map_err(|error| unusable(&path, error.message()))?;
    Ok(content.trusted)
}

/// Nobody else can have put words into it.
pub fn is_ours_alone(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

fn unusable(path: &Path, why: &str) -> Failure {
    let why = why.lines().collect::<Vec<_>>().join(" ");
    Failure::new(ExitCode::EnvironmentNotReady, format!("{} cannot be used: {why}", path.display()))
        .hint("correct it (it is yours alone, mode 600), or delete it and trust again")
}
