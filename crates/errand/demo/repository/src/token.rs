//! What a client holds while it is logged in: `<user>.<secret>`, the secret as 32 hex digits.
//!
//! The name in front tells us where to look; only the secret proves anything.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token {
    user: String,
    secret: u128,
}

impl Token {
    /// A fresh token. `RandomState` is keyed by the operating system, the only randomness the standard library offers.
    pub fn mint(user: &str) -> Self {
        let half = || u128::from(RandomState::new().build_hasher().finish());
        Self { user: user.to_owned(), secret: half() << 64 | half() }
    }

    pub fn user(&self) -> &str {
        &self.user
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:032x}", self.user, self.secret)
    }
}

/// Keeps the secret out of logs and panic messages.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}.…)", self.user)
    }
}

impl FromStr for Token {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (user, secret) = text.split_once('.').ok_or("token has no dot")?;
        if secret.len() != 32 || !secret.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("token secret is not 32 hex digits");
        }
        let secret = u128::from_str_radix(secret, 16).map_err(|_| "token secret is not a number")?;
        Ok(Self { user: user.to_owned(), secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_trip_through_text() {
        let token = Token::mint("porter");
        assert_eq!(token.to_string().parse(), Ok(token));
    }

    #[test]
    fn rejects_text_that_is_no_token() {
        for text in ["", "porter", "porter.", "porter.12", "porter.+0000000000000000000000000000001"] {
            assert!(text.parse::<Token>().is_err(), "{text:?}");
        }
    }
}
