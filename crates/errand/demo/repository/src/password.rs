//! Password hashes: salted, and stretched so that guessing is slow.
//!
//! The mixing is SipHash from the standard library, which keeps the crate free of dependencies. It stands where a
//! memory-hard function belongs in production.

use std::collections::hash_map::{DefaultHasher, RandomState};
use std::hash::{BuildHasher, Hasher};

const STRETCH_ROUNDS: u32 = 30_000;

#[derive(Clone)]
pub struct PasswordHash {
    salt: u64,
    digest: u64,
}

impl PasswordHash {
    pub fn new(password: &str) -> Self {
        let salt = RandomState::new().build_hasher().finish();
        Self { salt, digest: stretch(password, salt) }
    }

    pub fn matches(&self, password: &str) -> bool {
        stretch(password, self.salt) == self.digest
    }
}

fn stretch(password: &str, salt: u64) -> u64 {
    let mut digest = salt;
    for round in 0..STRETCH_ROUNDS {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(digest);
        hasher.write_u32(round);
        hasher.write(password.as_bytes());
        digest = hasher.finish();
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_only_the_password_it_was_made_from() {
        let hash = PasswordHash::new("open sesame");
        assert!(hash.matches("open sesame"));
        assert!(!hash.matches("open sesame "));
    }

    #[test]
    fn equal_passwords_get_different_hashes() {
        assert_ne!(PasswordHash::new("same").digest, PasswordHash::new("same").digest);
    }
}
