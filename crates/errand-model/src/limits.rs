//! Every bound of this crate in one table. Reaching one is a failure that names it.

use std::time::Duration;

/// A request body; the vendor answers 413 above it.
pub const REQUEST_BYTES: usize = 32_000_000;
/// All bytes of one streamed response.
pub const RESPONSE_BYTES: u64 = 64 << 20;
/// One event of a stream: a tool's whole input may arrive in a single one.
pub const EVENT_BYTES: usize = 16 << 20;
/// Brackets within brackets in what goes back; readers of JSON commonly stop at 128, and a request has some around it.
pub const DEPTH: usize = 100;
/// Content blocks of one response.
pub const BLOCKS: usize = 10_000;
/// What is read of an answer that is an error.
pub const ERROR_BYTES: u64 = 64 << 10;
/// A token count or one page of a model list.
pub const SMALL_ANSWER_BYTES: u64 = 4 << 20;
/// Pages of a model list.
pub const MODEL_PAGES: usize = 10;
/// Characters of an endpoint's own words in one of our sentences.
pub const QUOTE_CHARS: usize = 300;
/// Characters of an id, a tool's name or a stop reason.
pub const NAME_CHARS: usize = 256;
/// Characters of an id or a tool's name that go back to the endpoint; it takes 200, and an id may get a number.
pub const SENT_NAME_CHARS: usize = 190;
/// A count of tokens beyond this is not believed and cut to it.
pub const COUNTED_TOKENS: u64 = 1_000_000_000;
/// The longest wait an endpoint can ask for.
pub const RETRY_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence: no byte, not even a ping.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(300);
/// A whole streamed response, pings or not.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3600);
/// A whole small answer.
pub const SMALL_ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
