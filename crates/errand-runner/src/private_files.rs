//! Private files of the person's checkout in a task: found when a job is examined, copied when its workspace is laid out,
//! and their values known to the redactor before anything of the task can show one.
//!
//! The copy is kept as long as the task: every workspace of it shows the same bytes, and after a restart the values are
//! those the task has, not those the checkout has by then.

use crate::refusal::Refusal;
use crate::secrets::Secrets;
use crate::shared::Shared;
use errand_task::facts::Source as SourceFacts;
use errand_task::id::TaskId;
use errand_task::private_values;
use errand_workspace::layers;
use errand_workspace::state_dir;
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// The files that the patterns stand for, and what the person should know of it.
pub(crate) fn find(
    shared: &Shared,
    facts: &SourceFacts,
    patterns: &[String],
) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let ledger = shared.ledger_of_task(facts).map_err(Refusal::internal)?;
    let tree = ledger.tree_of(&facts.base_commit).map_err(Refusal::internal)?;
    let found = layers::find_includes(&ledger, ledger.checkout(), &tree, patterns).map_err(Refusal::internal)?;
    let mut notices = found.notes;
    if found.files.is_empty() {
        notices.push(format!(
            "no private file is copied in: your checkout has none that the repository ignores and {} names",
            patterns.join(" ")
        ));
    }
    Ok((found.files, notices))
}

/// Copies the files into the folder `kept`, once, and makes their values known.
pub(crate) fn keep(secrets: &Secrets, checkout: &Path, files: &[String], kept: &Path) -> Result<(), String> {
    if !files.is_empty() && !kept.exists() {
        let building = kept.with_extension("new");
        let above = kept.parent().unwrap_or(Path::new("/"));
        state_dir::create_dir(above).map_err(|error| error.to_string())?;
        state_dir::discard(above, &building).map_err(|error| error.to_string())?;
        let included = layers::copy_includes(checkout, files, &building).map_err(|error| error.to_string())?;
        // The contract says that they are there.
        if let Some(note) = included.notes.into_iter().next() {
            return Err(format!("{note}; hand the job off again"));
        }
        std::fs::rename(&building, kept).map_err(|error| format!("`{}`: {error}", kept.display()))?;
    }
    know(secrets, files, kept);
    Ok(())
}

/// Makes the values of what is kept known.
pub(crate) fn know(secrets: &Secrets, files: &[String], kept: &Path) {
    // What cannot be read here was not copied, or nothing in the task can read it either.
    let read = |file: &String| std::fs::read(kept.join("tree").join(file)).ok();
    let values = files.iter().filter_map(read).flat_map(|bytes| private_values::of(&bytes));
    secrets.add_all(values.map(SecretString::from));
}

/// Where a task's private files are kept, in a folder `tree`.
pub(crate) fn private_dir(shared: &Shared, task: &TaskId) -> PathBuf {
    shared.home.join("private").join(task.as_str())
}
