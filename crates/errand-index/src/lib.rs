//! Finding things in a workspace: text search and the shape of the tree.
//!
//! Works on a directory the caller vouches for, never follows links, never looks into `.git`. Definitions and references
//! by tree-sitter will join here.

pub mod search;
pub mod tree;

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;
use std::path::Path;
use thiserror::Error;

#[derive(Debug, PartialEq, Eq, Error)]
#[error("`{glob}` is not a path pattern: {why}")]
pub struct BadGlob {
    glob: String,
    why: String,
}

/// `*.rs` is meant for every folder, as in an ignore file.
fn glob(glob: &str) -> Result<GlobMatcher, BadGlob> {
    let anywhere = if glob.contains('/') { glob.trim_start_matches("./").to_owned() } else { format!("**/{glob}") };
    GlobBuilder::new(&anywhere)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| BadGlob { glob: glob.to_owned(), why: error.kind().to_string() })
}

/// A walk in path order that honours the tree's own ignore files and nothing outside of it.
fn walk(root: &Path) -> WalkBuilder {
    let mut builder = WalkBuilder::new(root);
    builder
        .hidden(false)
        .parents(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(std::ffi::OsStr::cmp)
        .filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git");
    builder
}

/// A path for people and models: `/` between the parts, bytes that are not UTF-8 as marks.
fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}
