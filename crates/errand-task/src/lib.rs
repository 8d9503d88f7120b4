//! What a task is and what it does next.
//!
//! Everything here is a value or a pure function: no files, network, clock, environment, SQL or async. Facts are
//! [`event::Event`]s, [`state::State`] is their fold, and [`decide::decide`] names the next [`action::Action`]. The same
//! events give the same state, the same action and the same request, whichever process asks; that is what makes a
//! restart after a crash an ordinary start.

pub mod action;
pub mod borders;
pub mod contract;
pub mod conversation;
pub mod decide;
pub mod event;
pub mod facts;
pub mod id;
pub mod money;
pub mod network;
pub mod private_values;
pub mod redact;
pub mod report;
pub mod repository_config;
mod rules;
pub mod state;
pub mod summary;
pub mod test_paths;
pub mod text;
pub mod verdict;
