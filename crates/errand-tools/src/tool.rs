//! What a tool is, and the tools themselves; [`crate::registry`] lists them.

pub mod edit;
pub mod finish;
pub mod list;
pub mod read;
pub mod run;
pub mod search;
pub mod wait;

use crate::context::{Context, Output, Site};
use futures_util::future::BoxFuture;
use serde_json::Value;

/// What a call can do, which decides how it is performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// May run beside others and again after a crash.
    Reads,
    /// Changes files of the workspace; in call order, from a known snapshot.
    Changes,
    /// Files a report.
    Finishes,
}

pub trait Tool: Send + Sync {
    fn name(&self) -> &'static str;
    fn description(&self) -> &'static str;
    fn schema(&self) -> Value;
    fn effect(&self) -> Effect;
    /// What a call is about, for people.
    fn headline(&self, input: &Value) -> String;
    fn call<'a>(&'a self, context: &'a Context, site: Site<'a>) -> BoxFuture<'a, Output>;
}
