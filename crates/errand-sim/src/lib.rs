//! A strict stand-in for the Anthropic Messages API: a real HTTP server on loopback that speaks the vendor's wire
//! format, refuses what the vendor refuses, and answers from a script (or from a person, in record mode).
//!
//! Start it with [`Sim::start`] or [`record::start`], point a client at [`Sim::base_url`], read what it was sent with
//! [`Sim::requests`]. It knows nothing of the rest of errand and never leaves the loopback interface.

mod answer;
mod cache;
mod catalogue;
mod connection;
mod delivery;
mod models;
mod prompt;
pub mod record;
mod refusal;
mod script;
mod seal;
mod server;
mod stream;
mod validate;

pub use script::{Script, ScriptError, Scripts};
pub use server::{ApiKeys, Captured, Latency, Sim, SimError, SimOptions};
