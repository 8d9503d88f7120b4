//! The `.git` inside a workspace that the agent's own git works on.
//!
//! Written by hand, no process: objects borrowed from the ledger's base history (which commands see at [`HISTORY`]), one
//! branch, an index whose stat data matches the files by size and time, which a copy-on-write view does not change. The agent may do with it what it likes; errand never reads it.

use crate::beneath::{self, Beneath};
use crate::index_file;
use crate::ledger::{self, Ledger};
use crate::sandbox::HISTORY;
use crate::state_dir;
use crate::trees::{EntryMode, TreeEntry};
use crate::walk::Stat;
use errand_task::id::CommitId;
use rustix::fs::RenameFlags;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

/// Makes `.git` below `root`; one that is there already stays. It is built in `staging`, on the same file system.
pub(crate) fn create(
    ledger: &Ledger,
    commit: &CommitId,
    entries: &[TreeEntry],
    root: &Beneath,
    staging: &Path,
) -> io::Result<()> {
    if root.stat(b".git")?.is_some() {
        return Ok(());
    }
    let name = state_dir::temporary_name();
    let building = staging.join(&name);
    ledger::create_git_dir(&building, ledger.format())?;
    let borrowed = format!("{HISTORY}\n");
    let config = std::fs::read_to_string(building.join("config"))?.replace("bare = true", "bare = false")
        + "[user]\n\tname = errand\n\temail = errand@localhost\n[core]\n\tcheckStat = minimal\n\ttrustCtime = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";
    let head = format!("{commit}\n");
    for (name, text) in [
        ("objects/info/alternates", borrowed.as_str()),
        ("config", &config),
        ("HEAD", "ref: refs/heads/errand\n"),
        ("refs/heads/errand", &head),
    ] {
        std::fs::write(building.join(name), text)?;
    }
    std::fs::write(building.join("index"), index(ledger, entries, root)?)?;
    if let Ok(shallow) = std::fs::read(ledger.work_git().join("shallow")) {
        std::fs::write(building.join("shallow"), shallow)?;
    }
    let staging = Beneath::open(staging)?;
    beneath::rename((staging.root(), name.as_bytes()), (root.root().as_fd(), b".git"), RenameFlags::NOREPLACE)
}

fn index(ledger: &Ledger, entries: &[TreeEntry], root: &Beneath) -> io::Result<Vec<u8>> {
    let none = Stat::default();
    let with_stat = entries
        .iter()
        .map(|entry| {
            // A file that differs from the base keeps empty stat data, and git looks at its content.
            let stat = root.stat(&entry.path)?.filter(|stat| {
                stat.entry_mode() == Some(entry.mode) && (entry.mode == EntryMode::Link || stat.size == entry.size)
            });
            Ok((entry.path.as_slice(), entry.mode, entry.id, stat.unwrap_or(none)))
        })
        .collect::<io::Result<Vec<_>>>()?;
    index_file::encode(with_stat.into_iter(), ledger.format())
}
