//! Relative paths as bytes: which ones are safe, and how they are shown.
//!
//! A path from a tree, a tool call or a directory is split into parts and each part is checked; nothing here touches a
//! file. The list of `.git` spellings follows what macOS and Windows file systems take for `.git`.

use crate::limits::{COMPONENT_BYTES, DEPTH, PATH_BYTES};
use crate::trees::EntryMode;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use thiserror::Error;

/// Why a relative path is not used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadPath {
    #[error("the path is empty")]
    Empty,
    #[error("`{0}` is absolute")]
    Absolute(String),
    #[error("`{0}` leaves the workspace")]
    Leaves(String),
    #[error("`{0}` names git's own data")]
    DotGit(String),
    #[error("the path contains a NUL byte")]
    Nul,
    #[error("the path is longer than a file system takes")]
    TooLong,
}

/// `path` with bytes that are not UTF-8 as `\xNN`.
pub fn shown(path: &[u8]) -> String {
    use std::fmt::Write as _;
    path.utf8_chunks().fold(String::with_capacity(path.len()), |mut text, chunk| {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
        text
    })
}

/// The bytes as a path.
pub fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// Checks a path as it stands in a tree: relative, plain parts only, none of them git's.
pub fn check(path: &[u8]) -> Result<(), BadPath> {
    check_shape(path)?;
    if path.split(|&byte| byte == b'/').any(is_dot_git) {
        return Err(BadPath::DotGit(shown(path)));
    }
    Ok(())
}

/// Checks an entry of a tree: a link must not stand where git reads what starts programs or fetches.
pub fn check_entry(path: &[u8], mode: EntryMode) -> Result<(), BadPath> {
    check(path)?;
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let is_of_git = || parts_of_name(name).any(|part| part == ".gitmodules" || is_short_for_gitmodules(&part));
    if mode == EntryMode::Link && is_of_git() {
        return Err(BadPath::DotGit(shown(path)));
    }
    Ok(())
}

fn check_shape(path: &[u8]) -> Result<(), BadPath> {
    if path.is_empty() {
        return Err(BadPath::Empty);
    }
    if path.contains(&0) {
        return Err(BadPath::Nul);
    }
    if path.first() == Some(&b'/') {
        return Err(BadPath::Absolute(shown(path)));
    }
    let parts = || path.split(|&byte| byte == b'/');
    if path.len() > PATH_BYTES || parts().count() > DEPTH || parts().any(|part| part.len() > COMPONENT_BYTES) {
        return Err(BadPath::TooLong);
    }
    if parts().any(|part| part.is_empty() || part == b"." || part == b"..") {
        return Err(BadPath::Leaves(shown(path)));
    }
    Ok(())
}

/// A path as a person or model writes it: `./` and `a/../b` are resolved by their text, the empty path is the root.
pub fn normalize(text: &str) -> Result<String, BadPath> {
    if text.contains('\0') {
        return Err(BadPath::Nul);
    }
    if text.starts_with('/') {
        return Err(BadPath::Absolute(text.chars().take(200).collect()));
    }
    if text.len() > PATH_BYTES {
        return Err(BadPath::TooLong);
    }
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| BadPath::Leaves(text.to_owned()))?;
            }
            plain => parts.push(plain),
        }
    }
    let path = parts.join("/");
    if !path.is_empty() {
        check_shape(path.as_bytes())?;
    }
    Ok(path)
}

/// Whether some file system takes this name for `.git`.
pub fn is_dot_git(name: &[u8]) -> bool {
    parts_of_name(name).any(|part| part == ".git" || part == "git~1")
}

/// The names that other file systems make of one: Windows splits at a backslash, drops what follows a colon, and dots
/// and spaces at the end; macOS does not see some characters; neither tells capitals.
fn parts_of_name(name: &[u8]) -> impl Iterator<Item = String> {
    let text: String = String::from_utf8_lossy(name).chars().filter(|&c| !is_ignored_by_hfs(c)).collect();
    let stem = |part: &str| part.split(':').next().unwrap_or("").trim_end_matches(['.', ' ']).to_lowercase();
    text.split('\\').map(stem).collect::<Vec<_>>().into_iter()
}

/// `gitmod~1` to `gitmod~4`, then `gi7eba~…`: the short names Windows gives to `.gitmodules`.
fn is_short_for_gitmodules(part: &str) -> bool {
    let number = part.strip_prefix("gitmod~").or_else(|| part.strip_prefix("gi7eba~"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_ignored_by_hfs(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_git_are_found() {
        for name in [
            ".git",
            ".GIT",
            ".giT",
            "git~1",
            "GIT~1",
            ".g\u{200c}it",
            ".git.",
            ".git ",
            ".git::$INDEX_ALLOCATION",
            ".git. ",
            ".git\\config",
            "a\\.Git\\x",
        ] {
            assert!(is_dot_git(name.as_bytes()), "{name}");
        }
        for name in [".gitignore", ".github", "git", "a.git", "git~2", "x.git", ""] {
            assert!(!is_dot_git(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_link_never_stands_for_gitmodules() {
        for name in [".gitmodules", "a/.GITMODULES", ".gitmodules.", "GITMOD~1", "gi7eba~12", ".gitm\u{200d}odules"] {
            assert!(check_entry(name.as_bytes(), EntryMode::Link).is_err(), "{name}");
            assert_eq!(check_entry(name.as_bytes(), EntryMode::Regular), Ok(()), "{name}");
        }
        assert_eq!(check_entry(b".gitignore", EntryMode::Link), Ok(()));
    }

    #[test]
    fn paths_are_normalized_by_text() {
        for (text, expected) in [
            ("a/b", Ok("a/b")),
            ("./a//b/", Ok("a/b")),
            ("a/../b", Ok("b")),
            (".", Ok("")),
            ("", Ok("")),
            ("..", Err(BadPath::Leaves("..".into()))),
            ("a/../../b", Err(BadPath::Leaves("a/../../b".into()))),
            ("/etc", Err(BadPath::Absolute("/etc".into()))),
            ("a\0b", Err(BadPath::Nul)),
        ] {
            assert_eq!(normalize(text), expected.map(str::to_owned), "{text}");
        }
        assert_eq!(normalize(&"x".repeat(256)), Err(BadPath::TooLong));
    }

    #[test]
    fn tree_paths_are_checked_by_part() {
        for path in ["", "/a", "a//b", "./a", "a/..", "a/.git/x", "A/.GIT", "a\0"] {
            assert!(check(path.as_bytes()).is_err(), "{path}");
        }
        assert_eq!(check(b"a/b\xff"), Ok(()));
        assert_eq!(shown(b"a/b\xff\xc3\xa4"), "a/b\\xff\u{e4}");
    }
}
