//! The keys this daemon was given, as one redactor for journal, watchers and log.
//!
//! A key is known from the moment it arrives until the daemon ends, longer than it is kept on disk: what a task leaves
//! behind, such as the names of its files, is still told after its end.

use errand_task::redact::Redactor;
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Arc, PoisonError, RwLock};

/// Shared by everything that lets text out. Cloning shares it.
#[derive(Clone, Default)]
pub struct Secrets(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    keys: Vec<SecretString>,
    redactor: Arc<Redactor>,
}

impl Secrets {
    pub fn redactor(&self) -> Arc<Redactor> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).redactor)
    }

    pub fn add(&self, key: &SecretString) {
        self.add_all([key.clone()]);
    }

    /// At once, because knowing one more means to prepare for all of them anew.
    pub fn add_all(&self, keys: impl IntoIterator<Item = SecretString>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let n_before = known.keys.len();
        for key in keys {
            if !known.keys.iter().any(|same| same.expose_secret() == key.expose_secret()) {
                known.keys.push(key);
            }
        }
        if known.keys.len() > n_before {
            known.redactor = Arc::new(Redactor::of(known.keys.iter().map(ExposeSecret::expose_secret)));
        }
    }
}
