//! The accounts: who may log in, and with which password hash.

use std::collections::hash_map::{Entry, HashMap};
use std::sync::RwLock;

use crate::password::PasswordHash;

#[derive(Debug, PartialEq, Eq)]
pub enum RegisterError {
    /// Names are lower-case letters, digits and dashes, so that they fit into a token.
    InvalidName,
    NameTaken,
}

#[derive(Default)]
pub struct AccountStore {
    accounts: RwLock<HashMap<String, PasswordHash>>,
}

impl AccountStore {
    pub fn add(&self, user: &str, password: &str) -> Result<(), RegisterError> {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if user.is_empty() || !user.chars().all(valid) {
            return Err(RegisterError::InvalidName);
        }
        let hash = PasswordHash::new(password);
        match self.accounts.write().unwrap().entry(user.to_owned()) {
            Entry::Occupied(_) => Err(RegisterError::NameTaken),
            Entry::Vacant(slot) => {
                slot.insert(hash);
                Ok(())
            }
        }
    }

    pub fn password_of(&self, user: &str) -> Option<PasswordHash> {
        self.accounts.read().unwrap().get(user).cloned()
    }
}
