//! Stored outputs of earlier commands, read by name: `log:7` of run 7, `log:check1` of a check.

use futures_util::future::BoxFuture;

pub trait Logs: Send + Sync {
    /// The whole output; `None` when there is no such log.
    fn log<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<String>>;
}
