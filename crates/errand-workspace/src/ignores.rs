//! Which untracked paths the repository ignores, by the `.gitignore` files of the base tree only.
//!
//! The workspace's own ignore files are not read: they could hide a new file from the snapshot. A rule that the agent
//! adds takes effect for the person after apply, not for what the person sees before.

use crate::ledger::{Ledger, LedgerError, lock};
use crate::limits::IGNORE_FILE_BYTES;
use crate::objects::Kind;
use crate::paths;
use crate::trees::{Node, TreeEntry};
use errand_task::id::TreeId;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The ignore rules of a tree.
#[derive(Debug, Default)]
pub(crate) struct Ignores {
    /// By the folder that holds, or could hold, the ignore file; the root is the empty path.
    by_folder: Mutex<HashMap<Vec<u8>, Option<Arc<Gitignore>>>>,
    /// Where a folder's file is read the first time something in the folder is asked about.
    unread: Option<(Arc<Ledger>, TreeId)>,
    exclude: Option<Gitignore>,
    /// Folders that are ignored whatever the files say.
    folders: Vec<Vec<u8>>,
}

impl Ignores {
    /// The rules of a tree, each ignore file read when a path below its folder is first asked about. One that cannot be
    /// read ignores nothing: a snapshot may then hold more than it should, and never hides a file.
    pub fn of_tree(ledger: Arc<Ledger>, tree: TreeId) -> Self {
        Self { unread: Some((ledger, tree)), ..Self::default() }
    }

    /// Reads the ignore files of a listing.
    pub fn of(ledger: &Ledger, entries: &[TreeEntry]) -> Result<Self, LedgerError> {
        let mut by_folder = HashMap::new();
        for entry in entries.iter().filter(|entry| entry.mode.is_file() && entry.size <= IGNORE_FILE_BYTES) {
            let folder = match entry.path.strip_suffix(b".gitignore") {
                Some([]) => &[][..],
                Some([folder @ .., b'/']) => folder,
                Some(_) | None => continue,
            };
            let rules = parse(&ledger.read_blob(&entry.id)?);
            by_folder.insert(folder.to_owned(), Some(Arc::new(rules)));
        }
        Ok(Self { by_folder: Mutex::new(by_folder), ..Self::default() })
    }

    /// Adds the ignore file of a folder; the root is the empty path.
    pub fn add(&mut self, folder: &[u8], text: &str) {
        lock(&self.by_folder).insert(folder.to_owned(), Some(Arc::new(parse(text.as_bytes()))));
    }

    /// Adds rules that stand below those of every ignore file.
    pub fn with_exclude(mut self, text: &str) -> Self {
        self.exclude = Some(parse(text.as_bytes()));
        self
    }

    /// Adds folders by path, which no rule can bring back.
    pub fn with_folders(mut self, folders: &[String]) -> Self {
        self.folders = folders.iter().map(|folder| folder.clone().into_bytes()).collect();
        self
    }

    /// Whether a rule names this path itself; the rules of folders above it are the walk's business.
    pub fn is_ignored(&self, path: &[u8], is_folder: bool) -> bool {
        if is_folder && self.folders.iter().any(|folder| folder == path) {
            return true;
        }
        let mut end = path.len();
        // The nearest ignore file that says something decides.
        while let Some(slash) = path.get(..end).and_then(|head| head.iter().rposition(|&byte| byte == b'/')) {
            let (folder, below) = (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default());
            if let Some(answer) = self.rules(folder).and_then(|rules| answer(&rules, below, is_folder)) {
                return answer;
            }
            end = slash;
        }
        let of_root = self.rules(b"").and_then(|rules| answer(&rules, path, is_folder));
        of_root.or_else(|| self.exclude.as_ref().and_then(|rules| answer(rules, path, is_folder))).unwrap_or(false)
    }

    /// The rules of the ignore file in a folder.
    fn rules(&self, folder: &[u8]) -> Option<Arc<Gitignore>> {
        if let Some(rules) = lock(&self.by_folder).get(folder) {
            return rules.clone();
        }
        let (ledger, tree) = self.unread.as_ref()?;
        // What failed is not remembered: it may be there the next time.
        let rules = read(ledger, tree, folder).ok()?.map(Arc::new);
        lock(&self.by_folder).insert(folder.to_owned(), rules.clone());
        rules
    }
}

/// The ignore file in a folder of a tree; `None` when there is none, or one that is too large to count.
fn read(ledger: &Ledger, tree: &TreeId, folder: &[u8]) -> Result<Option<Gitignore>, LedgerError> {
    let path = if folder.is_empty() { b".gitignore".to_vec() } else { [folder, b"/.gitignore"].concat() };
    match ledger.entry_at(tree, &path)? {
        Some(Node::Entry { mode, id }) if mode.is_file() => {
            match ledger.read(&id.to_string(), Kind::Blob, IGNORE_FILE_BYTES) {
                Ok(bytes) => Ok(Some(parse(&bytes))),
                Err(LedgerError::TooLarge { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        }
        Some(Node::Entry { .. } | Node::Folder { .. }) | None => Ok(None),
    }
}

/// Patterns that name files, written as in an ignore file at the top.
#[derive(Debug)]
pub(crate) struct Patterns(Gitignore);

impl Patterns {
    pub fn of(text: &str) -> Self {
        Self(parse(text.as_bytes()))
    }

    /// Whether they name this path itself, or with `!` say that they do not; else what holds for the folder around it.
    pub fn names(&self, path: &[u8], is_folder: bool) -> Option<bool> {
        answer(&self.0, path, is_folder)
    }
}

fn answer(rules: &Gitignore, path: &[u8], is_folder: bool) -> Option<bool> {
    match rules.matched(paths::as_path(path), is_folder) {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    }
}

fn parse(bytes: &[u8]) -> Gitignore {
    let text = String::from_utf8_lossy(bytes);
    let mut builder = GitignoreBuilder::new("");
    for line in text.trim_start_matches('\u{feff}').lines() {
        // A line that is no pattern ignores nothing, as in git.
        let _ = builder.add_line(None, line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Git;
    use crate::new_repository::{self, NewFile};
    use crate::source::Source;
    use crate::trees::EntryMode;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    fn ledger(dir: &std::path::Path) -> Arc<Ledger> {
        let git = Git::find(&std::env::var_os("PATH").unwrap()).unwrap();
        let file = NewFile { path: "a", bytes: b"1" };
        new_repository::create(&git, &dir.join("repo"), &[file], "first").unwrap();
        let source = Source::open(&git, &dir.join("repo")).unwrap();
        Arc::new(Ledger::open_or_create(&git, &dir.join("state"), &source).unwrap())
    }

    fn entry(ledger: &Ledger, path: &str, mode: EntryMode, text: &str) -> TreeEntry {
        let id = ledger.objects().put(Kind::Blob, text.as_bytes()).unwrap();
        TreeEntry { path: path.into(), mode, id, size: text.len() as u64 }
    }

    #[test]
    fn files_read_on_the_way_answer_as_all_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        let folders = prop::sample::select(vec!["", "a/", "a/b/", "a/b/a/", "b/"]);
        let modes = prop::sample::select(vec![EntryMode::Regular, EntryMode::Executable, EntryMode::Link]);
        let lines = ["a", "/a", "!a", "b/", "a/b", "!/b", "*.o", "!x.o", "**/b", "/*", "# no", "[", ""];
        let text = prop::collection::vec(prop::sample::select(lines.to_vec()), 0..4).prop_map(|lines| lines.join("\n"));
        let files = prop::collection::btree_map(folders, (modes, text.clone()), 0..5);
        let part = prop::sample::select(vec!["a", "b", "x.o", "y.o"]);
        let path = prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"));
        let asked = prop::collection::vec((path, any::<bool>()), 1..12);
        let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
        let check = |(files, exclude, asked): (std::collections::BTreeMap<&str, _>, String, Vec<(String, bool)>)| {
            let mut entries: Vec<_> = files
                .into_iter()
                .map(|(folder, (mode, text)): (_, (_, String))| {
                    entry(&ledger, &format!("{folder}.gitignore"), mode, &text)
                })
                .collect();
            // Too large to count, and last in its folder's name but not the folder's own.
            entries.push(entry(&ledger, "c/.gitignore", EntryMode::Regular, &"a\n".repeat(1 << 20)));
            entries.push(entry(&ledger, "no.gitignore", EntryMode::Regular, "*"));
            entries.sort_by(|a, b| a.path.cmp(&b.path));
            let all = Ignores::of(&ledger, &entries).unwrap().with_exclude(&exclude);
            let tree = ledger.write_tree(entries).unwrap();
            let on_the_way = Ignores::of_tree(Arc::clone(&ledger), tree).with_exclude(&exclude);
            for (path, is_folder) in asked {
                for path in [path.clone(), format!("c/{path}")] {
                    let answers = [&all, &on_the_way].map(|ignores| ignores.is_ignored(path.as_bytes(), is_folder));
                    prop_assert_eq!(answers[0], answers[1], "{}", path);
                }
            }
            Ok(())
        };
        TestRunner::new(config).run(&(files, text, asked), check).unwrap();
    }

    #[test]
    fn only_files_on_the_way_are_read_and_one_that_is_missing_ignores_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        let mut gone = entry(&ledger, "a/.gitignore", EntryMode::Regular, "");
        gone.id = ledger.objects().hash(Kind::Blob, b"never stored");
        let entries = vec![entry(&ledger, ".gitignore", EntryMode::Regular, "*.o"), gone];
        assert!(Ignores::of(&ledger, &entries).is_err());
        let ignores = Ignores::of_tree(Arc::clone(&ledger), ledger.write_tree(entries).unwrap());
        assert!(ignores.is_ignored(b"b/x.o", false));
        assert!(ignores.is_ignored(b"a/x.o", false));
        assert!(!ignores.is_ignored(b"a/x", false));
        let read: Vec<_> = lock(&ignores.by_folder).keys().cloned().collect();
        assert_eq!((read.len(), read.contains(&b"a".to_vec())), (2, false), "{read:?}");
    }
}
