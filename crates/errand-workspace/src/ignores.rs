//! Which untracked paths the repository ignores, by the `.gitignore` files of the base tree only.
//!
//! The workspace's own ignore files are not read: they could hide a new file from the snapshot. A rule that the agent
//! adds takes effect for the person after apply, not for what the person sees before.

use crate::ledger::{Ledger, LedgerError};
use crate::limits::IGNORE_FILE_BYTES;
use crate::paths;
use crate::trees::TreeEntry;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::HashMap;

/// The ignore rules of a tree.
#[derive(Debug, Default)]
pub(crate) struct Ignores {
    /// By the folder that holds the ignore file; the root is the empty path.
    by_folder: HashMap<Vec<u8>, Gitignore>,
    exclude: Option<Gitignore>,
}

impl Ignores {
    /// Reads the ignore files of a listing.
    pub fn of(ledger: &Ledger, entries: &[TreeEntry]) -> Result<Self, LedgerError> {
        let mut by_folder = HashMap::new();
        for entry in entries.iter().filter(|entry| entry.mode.is_file() && entry.size <= IGNORE_FILE_BYTES) {
            let folder = match entry.path.strip_suffix(b".gitignore") {
                Some([]) => &[][..],
                Some([folder @ .., b'/']) => folder,
                Some(_) | None => continue,
            };
            let text = ledger.read_blob(&entry.id)?;
            by_folder.insert(folder.to_owned(), parse(&String::from_utf8_lossy(&text)));
        }
        Ok(Self { by_folder, exclude: None })
    }

    /// Adds the ignore file of a folder; the root is the empty path.
    pub fn add(&mut self, folder: &[u8], text: &str) {
        self.by_folder.insert(folder.to_owned(), parse(text));
    }

    /// Adds rules that stand below those of every ignore file.
    pub fn with_exclude(mut self, text: &str) -> Self {
        self.exclude = Some(parse(text));
        self
    }

    /// Whether a rule names this path itself; the rules of folders above it are the walk's business.
    pub fn is_ignored(&self, path: &[u8], is_folder: bool) -> bool {
        let mut end = path.len();
        // The nearest ignore file that says something decides.
        while let Some(slash) = path.get(..end).and_then(|head| head.iter().rposition(|&byte| byte == b'/')) {
            if let Some(answer) = self.ask(path, slash, is_folder) {
                return answer;
            }
            end = slash;
        }
        let of_root = self.by_folder.get(&[][..]).and_then(|rules| answer(rules, path, is_folder));
        of_root.or_else(|| self.exclude.as_ref().and_then(|rules| answer(rules, path, is_folder))).unwrap_or(false)
    }

    fn ask(&self, path: &[u8], slash: usize, is_folder: bool) -> Option<bool> {
        let rules = self.by_folder.get(path.get(..slash)?)?;
        answer(rules, path.get(slash + 1..)?, is_folder)
    }
}

fn answer(rules: &Gitignore, path: &[u8], is_folder: bool) -> Option<bool> {
    match rules.matched(paths::as_path(path), is_folder) {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    }
}

fn parse(text: &str) -> Gitignore {
    let mut builder = GitignoreBuilder::new("");
    for line in text.trim_start_matches('\u{feff}').lines() {
        // A line that is no pattern ignores nothing, as in git.
        let _ = builder.add_line(None, line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}
