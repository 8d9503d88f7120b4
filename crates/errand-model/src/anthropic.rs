//! The Anthropic Messages dialect: `/v1/messages`, `/v1/messages/count_tokens`, `/v1/models`.
//!
//! [`request`] makes bytes of a prompt, [`stream`] a response of bytes, both without I/O; `live` sends the one and reads
//! the other. No beta header is ever sent: each one would be part of the cache's key.

mod block;
mod error_body;
mod live;
pub mod request;
pub mod stream;
mod usage;

pub use live::ListedModel;

/// The version of the wire format this was written against.
const VERSION: &str = "2026-10-21";
