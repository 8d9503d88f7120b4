//! Performs what the spine decides: the loop, the supervisor, and one file per action.
//!
//! A worker owns its task: it is the only writer of the task's events. Its loop is fold, decide, perform, write down; it
//! has no policies and no recovery code, because starting again after a crash is the same loop.

mod acceptance;
pub mod claims;
mod clean_up;
mod clock;
mod commands;
mod credentials;
mod disk;
mod live;
mod materials;
mod perform;
mod private_files;
pub mod progress;
mod refusal;
mod repository_files;
pub mod secrets;
mod shared;
mod supervisor;
mod worker;

pub use acceptance::Touched;
pub use disk::{DiskUse, RepositoryUse, TaskUse};
pub use refusal::{Refusal, RefusalKind};
pub use repository_files::RepositoryFiles;
pub use shared::{Config, Person};
pub use supervisor::{Accepted, Examined, Looked, Moves, Received, Start, Submission, Supervisor};
