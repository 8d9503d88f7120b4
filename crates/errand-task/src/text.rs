//! A text that an event refers to: short ones stand in the event, long ones are stored once by their hash.
//!
//! The fold keeps only the reference, so a waiting task with a long history stays small.

use crate::id::Digest;
use serde::{Deserialize, Serialize};

/// Texts up to this many bytes stand in the event itself.
pub const INLINE_BYTES: usize = 512;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    /// The text itself.
    Inline(String),
    /// Stored in the journal's blobs.
    Stored { digest: Digest, n_bytes: u64 },
}

/// A stored text on its way into the journal, together with the event that refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub digest: Digest,
    pub bytes: Vec<u8>,
}

impl Text {
    pub fn inline(text: impl Into<String>) -> Self {
        Self::Inline(text.into())
    }

    /// Stands `text` in the event when it is short, else puts it into `blobs` and refers to it.
    pub fn store(text: String, blobs: &mut Vec<Blob>) -> Self {
        if text.len() <= INLINE_BYTES {
            return Self::Inline(text);
        }
        let digest = Digest::of(text.as_bytes());
        let n_bytes = text.len() as u64;
        blobs.push(Blob { digest: digest.clone(), bytes: text.into_bytes() });
        Self::Stored { digest, n_bytes }
    }

    pub fn n_bytes(&self) -> u64 {
        match self {
            Self::Inline(text) => text.len() as u64,
            Self::Stored { n_bytes, .. } => *n_bytes,
        }
    }
}
