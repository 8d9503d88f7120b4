//! The tools themselves; [`crate::registry`] lists them.

pub mod edit;
pub mod finish;
pub mod list;
pub mod read;
pub mod run;
pub mod search;
pub mod wait;
