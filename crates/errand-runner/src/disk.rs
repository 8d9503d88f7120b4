//! What lies on the disk, by task and by repository. Folders are measured as they are found, whatever is put there later.

use crate::refusal::Refusal;
use crate::supervisor::Supervisor;
use errand_task::summary::Summary;
use errand_workspace::disk::Meter;
use errand_workspace::ledger::Ledger;
use errand_workspace::objects::ObjectFormat;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes on the disk below errand's state directory.
#[derive(Debug)]
pub struct DiskUse {
    /// Largest first.
    pub tasks: Vec<TaskUse>,
    /// Largest first.
    pub repositories: Vec<RepositoryUse>,
    pub trash: u64,
    /// The journal, records of applies, the log.
    pub other: u64,
}

/// A task that has something on the disk.
#[derive(Debug)]
pub struct TaskUse {
    /// The folder's name, which is the task's id.
    pub id: String,
    /// Absent when the lists do not have the task.
    pub task: Option<Summary>,
    pub n_bytes: u64,
}

/// What errand keeps of one repository.
#[derive(Debug)]
pub struct RepositoryUse {
    /// The checkout's path, or the folder's name where no task tells.
    pub repository: String,
    /// Each folder of its ledger by name.
    pub parts: BTreeMap<String, u64>,
    pub n_bytes: u64,
}

impl DiskUse {
    /// All of it.
    pub fn total(&self) -> u64 {
        let tasks: u64 = self.tasks.iter().map(|task| task.n_bytes).sum();
        let repositories: u64 = self.repositories.iter().map(|repository| repository.n_bytes).sum();
        tasks + repositories + self.trash + self.other
    }
}

impl Supervisor {
    /// Walks everything below the state directory.
    pub async fn disk(&self) -> Result<DiskUse, Refusal> {
        let listed = self.shared.store.summaries().await?;
        let removed = self.shared.store.removed().await?;
        let mut repositories: Vec<_> = listed.iter().map(|task| task.repository.clone()).collect();
        repositories.extend(removed.into_iter().map(|removed| removed.summary.repository));
        repositories.sort();
        repositories.dedup();
        let home = self.shared.home.clone();
        let measure = move || measure(&home, listed, &repositories);
        tokio::task::spawn_blocking(measure).await.map_err(Refusal::internal)
    }
}

fn measure(home: &Path, listed: Vec<Summary>, repositories: &[String]) -> DiskUse {
    let mut meter = Meter::default();
    let mut by_task: BTreeMap<String, u64> = BTreeMap::new();
    let mut found = DiskUse { tasks: Vec::new(), repositories: Vec::new(), trash: 0, other: 0 };
    for (name, path) in inside(home) {
        match name.as_str() {
            "workspaces" | "checks" | "private" => {
                for (id, path) in inside(&path) {
                    *by_task.entry(id).or_default() += meter.used(&path);
                }
            }
            "ledgers" => {
                let ledgers = inside(&path).into_iter().map(|(name, path)| ledger(&mut meter, name, &path));
                found.repositories = ledgers.collect();
            }
            "trash" => found.trash = meter.used(&path),
            _ => found.other += meter.used(&path),
        }
    }
    name_repositories(home, &mut found.repositories, repositories);
    let mut listed: BTreeMap<_, _> = listed.into_iter().map(|task| (task.id.to_string(), task)).collect();
    found.tasks = by_task.into_iter().map(|(id, n_bytes)| TaskUse { task: listed.remove(&id), id, n_bytes }).collect();
    found.tasks.sort_by_key(|task| std::cmp::Reverse(task.n_bytes));
    found.repositories.sort_by_key(|repository| std::cmp::Reverse(repository.n_bytes));
    found
}

fn ledger(meter: &mut Meter, name: String, path: &Path) -> RepositoryUse {
    let mut parts: BTreeMap<String, u64> = BTreeMap::new();
    for (name, path) in inside(path) {
        let is_folder = path.is_dir();
        let n_bytes = meter.used(&path);
        // Lock and settings are a block each.
        *parts.entry(if is_folder { name } else { "files".to_owned() }).or_default() += n_bytes;
    }
    RepositoryUse { repository: name, n_bytes: parts.values().sum(), parts }
}

/// A ledger's folder does not say whose it is; the repositories of tasks do.
fn name_repositories(home: &Path, found: &mut [RepositoryUse], repositories: &[String]) {
    for repository in repositories {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let folder = Ledger::folder(home, Path::new(repository), format);
            let is_its =
                |ledger: &&mut RepositoryUse| folder.file_name().is_some_and(|name| name == ledger.repository.as_str());
            if let Some(ledger) = found.iter_mut().find(is_its) {
                ledger.repository.clone_from(repository);
            }
        }
    }
}

/// Names and paths in a folder; none when it cannot be read.
fn inside(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
}
