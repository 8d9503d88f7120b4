//! The open sessions, spread over shards by user name.
//!
//! Lookups outnumber logins by far. A shard is therefore an immutable map behind an `Arc`: a lookup holds the lock just
//! long enough to take a reference, and cleaning up or counting in a shard never makes a request wait.

use std::collections::hash_map::{HashMap, RandomState};
use std::hash::BuildHasher;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crate::token::Token;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub user: String,
    pub opened_at: Duration,
    pub expires_at: Duration,
}

/// The sessions of all users whose names fall into the same shard.
#[derive(Clone, Default)]
pub struct Shard {
    sessions: HashMap<Token, Session>,
}

impl Shard {
    pub fn get(&self, token: &Token) -> Option<&Session> {
        self.sessions.get(token)
    }

    pub fn count(&self, user: &str) -> usize {
        self.sessions.values().filter(|session| session.user == user).count()
    }

    pub fn insert(&mut self, token: Token, session: Session) {
        self.sessions.insert(token, session);
    }

    pub fn remove(&mut self, token: &Token) -> Option<Session> {
        self.sessions.remove(token)
    }

    pub fn remove_user(&mut self, user: &str) {
        self.sessions.retain(|_, session| session.user != user);
    }

    pub fn remove_expired(&mut self, now: Duration) {
        self.sessions.retain(|_, session| session.expires_at > now);
    }
}

pub struct SessionTable {
    shards: Vec<RwLock<Arc<Shard>>>,
    hasher: RandomState,
}

impl SessionTable {
    pub fn new(n_shards: usize) -> Self {
        let shards = (0..n_shards.max(1)).map(|_| RwLock::default()).collect();
        Self { shards, hasher: RandomState::new() }
    }

    /// The user's shard as it is now.
    pub fn snapshot(&self, user: &str) -> Arc<Shard> {
        Arc::clone(&self.shard_of(user).read().unwrap())
    }

    /// Makes `shard` the one that lookups for this user see from now on.
    pub fn publish(&self, user: &str, shard: Shard) {
        *self.shard_of(user).write().unwrap() = Arc::new(shard);
    }

    fn shard_of(&self, user: &str) -> &RwLock<Arc<Shard>> {
        let index = self.hasher.hash_one(user) as usize % self.shards.len();
        &self.shards[index]
    }
}
