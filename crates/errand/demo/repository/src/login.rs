//! The front door: register, log in, authenticate, log out.

use std::time::Duration;

use crate::clock::Clock;
use crate::rate_limit::RateLimiter;
use crate::session::{Session, SessionTable, Shard};
use crate::store::{AccountStore, RegisterError};
use crate::token::Token;

#[derive(Clone, Debug)]
pub struct Config {
    pub session_ttl: Duration,
    pub max_sessions_per_user: usize,
    pub max_attempts: u32,
    pub attempt_window: Duration,
    /// More shards, less copying per login.
    pub n_session_shards: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            session_ttl: Duration::from_secs(8 * 60 * 60),
            max_sessions_per_user: 5,
            max_attempts: 5,
            attempt_window: Duration::from_secs(60),
            n_session_shards: 32,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum LoginError {
    /// The same answer for an unknown name and a wrong password.
    WrongCredentials,
    TooManyAttempts,
    TooManySessions,
}

#[derive(Debug, PartialEq, Eq)]
pub enum SessionError {
    Unknown,
    Expired,
}

pub struct Gatehouse {
    config: Config,
    clock: Box<dyn Clock>,
    accounts: AccountStore,
    limiter: RateLimiter,
    sessions: SessionTable,
}

impl Gatehouse {
    pub fn new(config: Config, clock: impl Clock + 'static) -> Self {
        Self {
            clock: Box::new(clock),
            accounts: AccountStore::default(),
            limiter: RateLimiter::new(config.max_attempts, config.attempt_window),
            sessions: SessionTable::new(config.n_session_shards),
            config,
        }
    }

    pub fn register(&self, user: &str, password: &str) -> Result<(), RegisterError> {
        self.accounts.add(user, password)
    }

    pub fn login(&self, user: &str, password: &str) -> Result<Token, LoginError> {
        let now = self.clock.now();
        if !self.limiter.admit(user, now) {
            return Err(LoginError::TooManyAttempts);
        }
        let expected = self.accounts.password_of(user).ok_or(LoginError::WrongCredentials)?;

        // The cheap question comes first: a user at the limit should not cost us a password check.
        let mut shard = Shard::clone(&self.sessions.snapshot(user));
        shard.remove_expired(now);
        if shard.count(user) >= self.config.max_sessions_per_user {
            return Err(LoginError::TooManySessions);
        }

        if !expected.matches(password) {
            return Err(LoginError::WrongCredentials);
        }
        self.limiter.clear(user);

        let token = Token::mint(user);
        let session = Session { user: user.to_owned(), opened_at: now, expires_at: now + self.config.session_ttl };
        shard.insert(token.clone(), session);
        self.sessions.publish(user, shard);
        Ok(token)
    }

    /// The session behind a token, for every request after the login.
    pub fn authenticate(&self, token: &Token) -> Result<Session, SessionError> {
        let shard = self.sessions.snapshot(token.user());
        let session = shard.get(token).ok_or(SessionError::Unknown)?;
        if session.expires_at <= self.clock.now() {
            return Err(SessionError::Expired);
        }
        Ok(session.clone())
    }

    pub fn logout(&self, token: &Token) -> Result<(), SessionError> {
        let mut shard = Shard::clone(&self.sessions.snapshot(token.user()));
        shard.remove(token).ok_or(SessionError::Unknown)?;
        self.sessions.publish(token.user(), shard);
        Ok(())
    }

    /// Ends every session of one user, for a lost device or a changed password.
    pub fn logout_everywhere(&self, user: &str) {
        let mut shard = Shard::clone(&self.sessions.snapshot(user));
        shard.remove_user(user);
        self.sessions.publish(user, shard);
    }
}
