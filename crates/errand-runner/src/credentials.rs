//! Keys of endpoints, kept while an unfinished task needs them so that it can go on after a restart.
//!
//! A file per endpoint and key, readable by the owner alone, named by a random id that the journal refers to. The key is
//! in no event, no log and no sandbox.

use crate::secrets::Secrets;
use errand_task::id::CredentialId;
use errand_workspace::state_dir;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub struct Credentials {
    dir: PathBuf,
    known: Mutex<HashMap<CredentialId, SecretString>>,
    secrets: Secrets,
}

impl Credentials {
    /// Reads the kept keys at once: a task that goes on may print one before it needs it.
    pub fn open(state: &Path, secrets: Secrets) -> io::Result<Self> {
        let dir = state.join("credentials");
        state_dir::create_dir(&dir)?;
        let mut known = HashMap::new();
        for entry in std::fs::read_dir(&dir)?.flatten() {
            // What cannot be read is not used either: `find` says so to the task that needs it.
            let Ok(key) = std::fs::read_to_string(entry.path()).map(SecretString::from) else { continue };
            secrets.add(&key);
            if let Ok(name) = entry.file_name().into_string() {
                known.insert(CredentialId::new(name), key);
            }
        }
        Ok(Self { dir, known: Mutex::new(known), secrets })
    }

    /// Keeps the key under an id; the same key gets the same id while this process lives.
    pub fn keep(&self, key: SecretString) -> io::Result<CredentialId> {
        self.secrets.add(&key);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known.iter().find(|(_, kept)| kept.expose_secret() == key.expose_secret());
        if let Some((id, _)) = same {
            return Ok(id.clone());
        }
        let id = CredentialId::new(uuid::Uuid::new_v4().simple().to_string());
        state_dir::write_durably(&self.path(&id), key.expose_secret().as_bytes())?;
        known.insert(id.clone(), key);
        Ok(id)
    }

    /// The key, if it is still kept.
    pub fn find(&self, id: &CredentialId) -> Option<SecretString> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(id) {
            return Some(key.clone());
        }
        let key = SecretString::from(std::fs::read_to_string(self.path(id)).ok()?);
        self.secrets.add(&key);
        known.insert(id.clone(), key.clone());
        Some(key)
    }

    /// Forgets every key that none of these ids names.
    pub fn retain(&self, needed: &[CredentialId]) {
        let names: Vec<_> = needed.iter().map(CredentialId::as_str).collect();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| names.contains(&id.as_str()));
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_none_or(|name| !names.contains(&name)) {
                // A file that stays is tried again at the next start.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, id: &CredentialId) -> PathBuf {
        self.dir.join(id.as_str())
    }
}
