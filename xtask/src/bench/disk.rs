//! What the state of a finished task takes on disk, in allocated blocks. The floor is the checkout's files once more.

use super::figure::{Figure, Spread, Unit};
use super::script;
use super::stage::{self, Place, Stage};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const GROUP: &str = "disk: state of a finished 30-step task; floor: a plain checkout";
const N_FILES: usize = 2_000;
/// Tasks after the first one, which brings what they share.
const N_TASKS: usize = 4;

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    eprintln!("disk: {} tasks", N_TASKS + 1);
    let repository = stage.repository(N_FILES)?;
    let sim = stage::sim(&script::job(&script::mixed()))?;
    let home = stage.home(Place::Disk, &sim)?;
    let finish_one = || home.hand_off(&repository).and_then(|task| home.finish(&task));
    finish_one()?;
    let first = by_entry(&home.state())?;
    for _ in 0..N_TASKS {
        finish_one()?;
    }
    let all = by_entry(&home.state())?;
    let checkout = total(&by_entry(&repository.dir)?, |name| name != ".git");
    let floor = Spread::of([checkout]);
    let figure = |name: &str, bytes: f64| {
        Figure::new(GROUP, name, Unit::Bytes, Spread { median: bytes, min: bytes, max: bytes })
    };
    let each = |is_meant: &dyn Fn(&str) -> bool| (total(&all, is_meant) - total(&first, is_meant)) / N_TASKS as f64;
    let is_journal = |name: &str| name.starts_with("journal");
    let places = ["workspaces", "checks", "ledgers"];
    Ok(vec![
        figure("a further task", each(&|_| true)).floor(floor),
        figure("  of it workspaces", each(&|name| name == "workspaces")),
        figure("  of it clean checkouts for checks", each(&|name| name == "checks")),
        figure("  of it ledger of the repository", each(&|name| name == "ledgers")),
        figure("  of it journal", each(&is_journal)),
        figure("  of it the rest", each(&|name| !is_journal(name) && !places.contains(&name))),
        figure("the first task, with the repository's ledger", total(&first, |_| true)).floor(floor),
    ])
}

/// Allocated bytes by top entry.
fn by_entry(dir: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        found.insert(entry.file_name().to_string_lossy().into_owned(), allocated(&entry.path())?);
    }
    Ok(found)
}

fn total(by_entry: &BTreeMap<String, u64>, is_meant: impl Fn(&str) -> bool) -> f64 {
    by_entry.iter().filter(|(name, _)| is_meant(name)).map(|(_, &bytes)| bytes as f64).sum()
}

fn allocated(path: &Path) -> anyhow::Result<u64> {
    let metadata = std::fs::symlink_metadata(path)?;
    let mut bytes = metadata.blocks() * 512;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            bytes += allocated(&entry?.path())?;
        }
    }
    Ok(bytes)
}
