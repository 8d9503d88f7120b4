//! Private files of the person's checkout in a task: found when a job is examined, copied beside the workspace when it is
//! laid out, and their values known to the redactor before anything of the task can show one.
//!
//! The copy is kept as long as the workspace: a clean checkout gets the same bytes, and after a restart the values are
//! those the task has, not those the checkout has by then.

use crate::refusal::Refusal;
use crate::secrets::Secrets;
use crate::shared::Shared;
use errand_task::facts::Source as SourceFacts;
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

/// Copies the files into the folder beside the workspace `dir`, once, and makes their values known.
pub(crate) fn keep(secrets: &Secrets, checkout: &Path, files: &[String], dir: &Path) -> Result<(), String> {
    let kept = folder(dir);
    if !files.is_empty() && !kept.exists() {
        let building = kept.with_extension("new");
        state_dir::discard(dir, &building).map_err(|error| error.to_string())?;
        let included = layers::copy_includes(checkout, files, &building).map_err(|error| error.to_string())?;
        // The contract says that they are there.
        if let Some(note) = included.notes.into_iter().next() {
            return Err(format!("{note}; hand the job off again"));
        }
        std::fs::rename(&building, &kept).map_err(|error| format!("`{}`: {error}", kept.display()))?;
    }
    know(secrets, files, dir);
    Ok(())
}

/// Puts what is kept beside the workspace `kept_in` into the workspace `dir`; what is there already stays.
pub(crate) fn lay_out(files: &[String], kept_in: &Path, dir: &Path) -> Result<(), String> {
    if files.is_empty() {
        return Ok(());
    }
    layers::copy_includes(&folder(kept_in).join("tree"), files, dir).map(drop).map_err(|error| error.to_string())
}

/// Makes the values of what is kept beside the workspace `dir` known.
pub(crate) fn know(secrets: &Secrets, files: &[String], dir: &Path) {
    // What cannot be read here was not copied, or nothing in the task can read it either.
    let read = |file: &String| std::fs::read(folder(dir).join("tree").join(file)).ok();
    let values = files.iter().filter_map(read).flat_map(|bytes| private_values::of(&bytes));
    secrets.add_all(values.map(SecretString::from));
}

/// Outside of everything that commands see.
fn folder(dir: &Path) -> PathBuf {
    dir.join("include")
}
