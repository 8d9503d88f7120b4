//! The only client of model endpoints: what a model can do and costs, how a prompt becomes request bytes, and one
//! attempt at one request.
//!
//! Dialect × provider × delivery: [`anthropic`] is the Messages dialect with live, streamed delivery. Another dialect is
//! a module beside it, another delivery a module inside it; both hand out the [`response`] and [`failure`] words, so
//! nothing outside this crate knows whose wire format was spoken. Retrying, storing and budgets are not here: a request
//! is tried once, and the failure says whether trying again makes sense.

pub mod anthropic;
pub mod catalog;
pub mod client;
pub mod endpoint;
pub mod estimate;
pub mod failure;
pub mod limits;
pub mod prices;
mod quote;
pub mod response;
mod sse;
