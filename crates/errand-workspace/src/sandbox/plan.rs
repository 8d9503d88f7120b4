//! What a command may see, use up and reach: one value that both backends read.

use super::backend::WAYS;
use super::stand::Stand;
use crate::limits::{
    COMMAND_DISK_BYTES, COMMAND_DISK_FILES, COMMAND_FILE_BYTES, COMMAND_OUTPUT_BYTES, COMMAND_SHM_BYTES, COMMAND_TASKS,
    COMMAND_TIME,
};
use crate::paths::{self, BadPath};
use crate::state_dir;
use errand_task::network::Name;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a command may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub wall: Duration,
    pub output_bytes: usize,
    /// Processes and threads at one moment.
    pub tasks: u32,
    /// Resident memory of all its processes together.
    pub memory_bytes: u64,
    /// One file.
    pub file_bytes: u64,
    /// What the file system that holds the workspace may lose while it runs.
    pub disk_bytes: u64,
    /// Files and folders by which that file system may grow.
    pub disk_files: u64,
    /// Shared memory (`/dev/shm`), a tmpfs.
    pub shm_bytes: u64,
}

impl Limits {
    /// The usual limits with this wall time.
    pub fn of(wall: Duration) -> Self {
        Self {
            wall,
            output_bytes: COMMAND_OUTPUT_BYTES,
            tasks: COMMAND_TASKS,
            memory_bytes: half_of_memory(),
            file_bytes: COMMAND_FILE_BYTES,
            disk_bytes: COMMAND_DISK_BYTES,
            disk_files: COMMAND_DISK_FILES,
            shm_bytes: COMMAND_SHM_BYTES,
        }
    }

    /// The usual limits.
    pub fn usual() -> Self {
        Self::of(COMMAND_TIME)
    }
}

/// Half of what the machine has.
fn half_of_memory() -> u64 {
    let system = rustix::system::sysinfo();
    u64::from(system.mem_unit) * system.totalram / 2
}

/// What is at a place of the view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A folder or file of the machine that can only be read.
    ReadOnly(PathBuf),
    /// A folder of errand's state that can be written.
    Writable(PathBuf),
    /// A folder of the machine below a private layer that takes the writes. Where overlays cannot be made it is read-only.
    Cache { lower: PathBuf, layer: PathBuf },
    /// The files of a workspace: read-only folders, the first over the others, below a private layer that takes the
    /// writes. Only their `tree` is shown.
    Layered { lowers: Vec<PathBuf>, layer: PathBuf },
    /// A symbolic link.
    Link(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute, as the command sees it.
    pub at: PathBuf,
    pub what: What,
}

impl Mount {
    pub fn new(at: impl Into<PathBuf>, what: What) -> Self {
        Self { at: at.into(), what }
    }
}

/// Everything that decides how a command runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxPlan {
    /// Parents before what is below them.
    pub mounts: Vec<Mount>,
    /// The same places, mounted already.
    #[serde(skip)]
    pub(super) stand: Option<Arc<Stand>>,
    /// Where it starts, as it sees it.
    pub dir: PathBuf,
    /// The first word is an absolute path, as it sees it.
    pub argv: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub limits: Limits,
    /// What it can reach beyond its own loopback, by way of our proxy. An empty list means nothing.
    pub network: Vec<Name>,
    /// The folder of that proxy among the ways out of its workspace.
    pub(crate) way: Option<String>,
    /// Held, shared, as long as anything of the command lives.
    pub lock: PathBuf,
    /// A folder on the file system whose space the command may use up.
    pub storage: PathBuf,
}

impl SandboxPlan {
    /// The same plan, started in a folder of the workspace.
    pub fn in_dir(mut self, dir: &str) -> Result<Self, BadPath> {
        let dir = paths::normalize(dir)?;
        self.dir = self.dir.join(paths::as_path(dir.as_bytes()));
        Ok(self)
    }

    /// The same plan with names that it may reach.
    pub fn reaching(mut self, names: Vec<Name>) -> Self {
        self.network = names;
        self
    }

    /// The same plan with a mount more.
    pub fn with(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self.mounts.sort_by(|a, b| a.at.cmp(&b.at));
        self
    }

    /// The folder of the machine for the ways out of its workspace's commands.
    pub(crate) fn ways(&self) -> Option<&Path> {
        self.mounts.iter().find_map(|mount| match &mount.what {
            What::ReadOnly(source) if mount.at == Path::new(WAYS) => Some(source.as_path()),
            _ => None,
        })
    }

    /// The view that stands already.
    pub(crate) fn stand(&self) -> Option<&Stand> {
        self.stand.as_deref()
    }

    /// The folders of errand's state that the command writes to.
    pub(crate) fn written_folders(&self) -> Vec<PathBuf> {
        let folder = |mount: &Mount| match &mount.what {
            What::Writable(path) => Some(path.clone()),
            What::Cache { layer, .. } | What::Layered { layer, .. } => Some(layer.clone()),
            What::ReadOnly(_) | What::Link(_) => None,
        };
        let mut all: Vec<_> = self.mounts.iter().filter_map(folder).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Makes the folders of errand's state that the mounts name and that are not there yet.
pub(crate) fn make_folders(mounts: &[Mount]) -> io::Result<()> {
    for mount in mounts {
        let folders = match &mount.what {
            What::Writable(path) => vec![path.clone()],
            What::ReadOnly(path) if mount.at == Path::new(WAYS) => vec![path.clone()],
            What::Cache { layer, .. } | What::Layered { layer, .. } => vec![layer.join("upper"), layer.join("work")],
            What::ReadOnly(_) | What::Link(_) => continue,
        };
        for folder in folders.iter().filter(|folder| !folder.is_dir()) {
            state_dir::create_dir(folder)?;
        }
    }
    Ok(())
}
