//! How often one name may be tried within a window.
//!
//! An attempt counts when it starts, not when it fails, so a burst of parallel guesses cannot slip through while the
//! first one is still being checked.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

pub struct RateLimiter {
    max_attempts: u32,
    window: Duration,
    attempts: Mutex<HashMap<String, Attempts>>,
}

struct Attempts {
    since: Duration,
    n: u32,
}

impl RateLimiter {
    pub fn new(max_attempts: u32, window: Duration) -> Self {
        Self { max_attempts, window, attempts: Mutex::default() }
    }

    /// Counts one attempt and says whether it may go on.
    pub fn admit(&self, user: &str, now: Duration) -> bool {
        let mut attempts = self.attempts.lock().unwrap();
        let entry = attempts.entry(user.to_owned()).or_insert(Attempts { since: now, n: 0 });
        if now.saturating_sub(entry.since) >= self.window {
            *entry = Attempts { since: now, n: 0 };
        }
        entry.n = entry.n.saturating_add(1);
        entry.n <= self.max_attempts
    }

    /// Forgets the attempts of a user who got the password right.
    pub fn clear(&self, user: &str) {
        self.attempts.lock().unwrap().remove(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    #[test]
    fn admits_up_to_the_limit_and_again_after_the_window() {
        let limiter = RateLimiter::new(2, WINDOW);
        let start = Duration::ZERO;
        assert_eq!([1, 2, 3].map(|_| limiter.admit("porter", start)), [true, true, false]);
        assert!(limiter.admit("porter", start + WINDOW));
    }

    #[test]
    fn counts_every_one_of_many_parallel_attempts() {
        let limiter = RateLimiter::new(100, WINDOW);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..25).for_each(|_| assert!(limiter.admit("porter", Duration::ZERO))));
            }
        });
        assert!(!limiter.admit("porter", Duration::ZERO));
    }
}
