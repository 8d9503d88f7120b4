//! The ledger repository, workspaces, snapshots, diff, apply, and the one function that starts commands.
//!
//! This is the only crate that starts processes or touches the person's files. The person's repository and everything
//! in a workspace is hostile input: host git runs only in `git`, on git directories we wrote, or reads ids in theirs.
//! Nothing here reads the environment; the binary hands in what it captured.

pub mod apply;
mod bases;
mod beneath;
pub mod branch;
pub mod command;
pub mod diff;
pub mod dirty;
pub mod disk;
pub mod files;
mod folders;
pub mod git;
mod ignores;
mod index_file;
pub mod layers;
pub mod ledger;
pub mod limits;
pub mod new_repository;
pub mod objects;
pub mod paths;
pub mod proxy;
mod reader;
pub mod sandbox;
mod scratch;
pub mod snapshot;
pub mod source;
pub mod state_dir;
pub mod stock;
pub mod toolchains;
pub mod trees;
mod undo;
mod upper;
mod walk;
pub mod workspace;
