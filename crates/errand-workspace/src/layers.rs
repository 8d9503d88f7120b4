//! Layers: folders a build needs and git does not know (`node_modules`, `target`, …), copied once from the person's
//! checkout and shown, read-only, below the writes of every task whose base has the same lock files.
//!
//! ```text
//! <ledger>/layers/<id>/tree/<path>  the copy, at its path in the checkout
//! <ledger>/layers/<id>/layer.json   what it is; written last
//! <ledger>/layers/<id>.used         its time is that of the last use, see [`crate::stock`]
//! <ledger>/layers/lock              held while one is made or removed
//! ```
//! A layer never changes: one that is complete has its final name, and another state of the folder is another layer.
//! Nothing here mounts anything or decides what a task may see. What cannot be had is a note to the person, not an error:
//! a task can do without, its setup commands install what is missing.

mod copy;
mod detect;
mod includes;
mod key;
mod store;
mod table;

use crate::beneath::{Beneath, Links};
use crate::ignores::Ignores;
use crate::ledger::{Ledger, LedgerError};
use crate::paths;
use errand_task::id::TreeId;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

pub(crate) use copy::{clone, lay_over};
pub use includes::{Found, Included, copy_includes, find_includes, patterns_of_base};
pub use store::{Layer, list};

#[derive(Debug, Error)]
pub enum LayersError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// What there is for a task.
#[derive(Debug, Default)]
pub struct Captured {
    /// Sorted by path; none lies in another.
    pub layers: Vec<Layer>,
    /// Sentences for the person: what was left out, and why.
    pub notes: Vec<String>,
}

/// Finds the dependency folders of `checkout` that suit `base`, and copies those that no layer holds yet. `extra` names
/// further folders by their paths in the checkout.
///
/// A copy takes as long as a copy takes: call it where that may block.
pub fn prepare(ledger: &Ledger, checkout: &Path, base: &TreeId, extra: &[String]) -> Result<Captured, LayersError> {
    let mut captured = Captured::default();
    let opened = match Beneath::open(checkout) {
        Ok(opened) => opened,
        Err(error) => {
            let shown = checkout.display();
            captured.notes.push(format!("no dependency folder is used: `{shown}` cannot be opened ({error})"));
            return Ok(captured);
        }
    };
    let entries = ledger.list_tree(base)?;
    let ignores = Ignores::of(ledger, &entries)?;
    let candidates = detect::candidates(&opened, &entries, &ignores, extra, &mut captured.notes);
    for candidate in candidates {
        let shown = paths::shown(&candidate.path);
        let why_not = match key::of(&opened, &entries, ledger.format(), &candidate) {
            Ok(Some(key)) => match store::reuse_or_capture(ledger, &opened, &candidate.path, &key)? {
                Ok(layer) => {
                    captured.notes.extend(layer.notes());
                    captured.layers.push(layer);
                    continue;
                }
                Err(why_not) => why_not,
            },
            // A folder of that name with nothing beside it that says what is in it is something else.
            Ok(None) => continue,
            Err(why_not) => why_not,
        };
        captured.notes.push(format!("`{shown}` is not used: {why_not}"));
    }
    Ok(captured)
}

/// The folder itself, never what a link leads to.
fn open_folder(checkout: &Beneath, path: &[u8]) -> io::Result<std::os::fd::OwnedFd> {
    checkout.folder(path, Links::Refuse)
}
