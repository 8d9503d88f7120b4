//! What the model can do: one file per tool, its description beside it.
//!
//! A tool gets typed input and answers in plain text. Whatever the model sends, a tool answers with a result; `Err` is
//! for errand's own failures. Tools see the workspace only through its directory handle and start commands only through
//! the workspace's one function.

mod context;
mod echo;
mod excerpt;
mod input;
mod insertions;
mod jobs;
mod logs;
mod mistakes;
pub mod registry;
mod replace;
mod room;
mod start;
mod tool;
mod totals;
mod warnings;

pub use context::{Context, KnownTree, Output, RunDone, Site};
pub use excerpt::{check_excerpt, run_excerpt};
pub use jobs::Jobs;
pub use logs::Logs;
pub use registry::Registry;
pub use room::Room;
pub use tool::wait::ended as ended_jobs;
pub use tool::{Effect, Tool};
pub use totals::test_totals;
