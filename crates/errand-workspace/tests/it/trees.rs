//! Trees folder by folder: comparing, editing and looking up give what whole listings give.

use crate::rig::Rig;
use errand_task::id::TreeId;
use errand_workspace::ledger::{Ledger, LedgerError};
use errand_workspace::objects::{Kind, Oid};
use errand_workspace::trees::{Difference, Edit, EntryMode, Node, TreeEntry};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A tree as a value: what stands at each path.
type Files = BTreeMap<Vec<u8>, (EntryMode, u8)>;

/// An edit before its content has an id; `None` removes.
type Draft = (Vec<u8>, Option<(EntryMode, u8)>);

/// Few names, so that edits meet; among them what git sorts otherwise as a folder than as a file.
fn paths() -> impl Strategy<Value = Vec<u8>> {
    let names: [&[u8]; 5] = [b"a", b"a.b", b"a-", b"a0", b"\xff"];
    prop::collection::vec(prop::sample::select(names.to_vec()), 1..5).prop_map(|parts| parts.join(&b'/'))
}

fn entries() -> impl Strategy<Value = (EntryMode, u8)> {
    let modes = [EntryMode::Regular, EntryMode::Executable, EntryMode::Link, EntryMode::Submodule];
    (prop::sample::select(modes.to_vec()), 0..4_u8)
}

fn drafts(n_most: usize) -> impl Strategy<Value = Vec<Draft>> {
    prop::collection::vec((paths(), prop::option::weighted(0.7, entries())), 0..n_most)
}

/// What edits mean, said with whole listings.
fn edited(mut files: Files, drafts: &[Draft]) -> Files {
    let is_below = |path: &[u8], folder: &[u8]| path.starts_with(&[folder, b"/"].concat());
    for (path, to) in drafts {
        files.retain(|there, _| there != path && !is_below(there, path) && !(to.is_some() && is_below(path, there)));
        files.extend(to.map(|to| (path.clone(), to)));
    }
    files
}

struct Bench {
    _rig: Rig,
    ledger: Arc<Ledger>,
}

impl Bench {
    fn new(format: &str) -> Self {
        let rig = Rig::with_format(format);
        rig.commit("first");
        let (ledger, _) = rig.ledger();
        Self { _rig: rig, ledger }
    }

    /// The content with that number: its id and size; submodules name a commit that is not here.
    fn content(&self, mode: EntryMode, number: u8) -> (Oid, u64) {
        let bytes = vec![b'x'; usize::from(number) * 7];
        match mode {
            EntryMode::Submodule => (self.ledger.objects().hash(Kind::Commit, &bytes), 0),
            _ => (self.ledger.objects().put(Kind::Blob, &bytes).unwrap(), bytes.len() as u64),
        }
    }

    fn listing(&self, files: &Files) -> Vec<TreeEntry> {
        let entry = |(path, (mode, number)): (&Vec<u8>, &(EntryMode, u8))| {
            let (id, size) = self.content(*mode, *number);
            TreeEntry { path: path.clone(), mode: *mode, id, size }
        };
        files.iter().map(entry).collect()
    }

    fn tree(&self, files: &Files) -> TreeId {
        self.ledger.write_tree(self.listing(files)).unwrap()
    }

    fn edits(&self, drafts: &[Draft]) -> Vec<Edit> {
        let edit = |(path, to): &Draft| match to {
            Some((mode, number)) => Edit::Put { path: path.clone(), mode: *mode, id: self.content(*mode, *number).0 },
            None => Edit::Remove { path: path.clone() },
        };
        drafts.iter().map(edit).collect()
    }

    fn put_tree(&self, content: &[u8]) -> Oid {
        self.ledger.objects().put(Kind::Tree, content).unwrap()
    }
}

/// The answer with whole listings.
fn differences(old: &[TreeEntry], new: &[TreeEntry]) -> Vec<Difference> {
    let by_path = |entries: &[TreeEntry]| -> BTreeMap<Vec<u8>, TreeEntry> {
        entries.iter().map(|entry| (entry.path.clone(), entry.clone())).collect()
    };
    let (old, new) = (by_path(old), by_path(new));
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let sides = paths.into_iter().map(|path| (old.get(path).cloned(), new.get(path).cloned()));
    sides.filter(|(old, new)| old != new).map(|(old, new)| Difference { old, new }).collect()
}

fn for_any<S: Strategy>(strategy: S, check: impl Fn(&Bench, S::Value) -> Result<(), TestCaseError>) {
    for format in ["sha1", "sha256"] {
        let bench = Bench::new(format);
        let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
        TestRunner::new(config).run(&strategy, |value| check(&bench, value)).unwrap();
    }
}

fn line(mode: &str, name: &str, id: &Oid) -> Vec<u8> {
    [format!("{mode} {name}\0").as_bytes(), id.as_bytes()].concat()
}

#[test]
fn an_edited_tree_is_the_tree_of_the_edited_listing() {
    for_any((drafts(12), drafts(8)), |bench, (first, then)| {
        let before = edited(Files::new(), &first);
        let after = edited(before.clone(), &then);
        let base = bench.tree(&before);
        prop_assert_eq!(bench.ledger.edit_tree(&base, &bench.edits(&then)).unwrap(), bench.tree(&after));
        let from_nothing = bench.ledger.edit_tree(&bench.tree(&Files::new()), &bench.edits(&first)).unwrap();
        prop_assert_eq!(from_nothing, base);
        Ok(())
    });
}

#[test]
fn differences_are_those_of_the_listings() {
    for_any((drafts(12), drafts(8), any::<bool>()), |bench, (first, then, is_related)| {
        let old = edited(Files::new(), &first);
        let new = edited(if is_related { old.clone() } else { Files::new() }, &then);
        let found = bench.ledger.differences(&bench.tree(&old), &bench.tree(&new)).unwrap();
        prop_assert_eq!(found, differences(&bench.listing(&old), &bench.listing(&new)));
        Ok(())
    });
}

#[test]
fn what_is_at_a_path_is_what_the_listing_has() {
    for_any((drafts(12), paths()), |bench, (drafts, path)| {
        let files = edited(Files::new(), &drafts);
        let tree = bench.tree(&files);
        let below = [&path[..], b"/"].concat();
        let inside: Files = files
            .iter()
            .filter_map(|(there, file)| there.strip_prefix(&below[..]).map(|rest| (rest.to_vec(), *file)))
            .collect();
        let expected = match files.get(&path) {
            Some((mode, number)) => Some(Node::Entry { mode: *mode, id: bench.content(*mode, *number).0 }),
            None if inside.is_empty() => None,
            None => Some(Node::Folder { id: Oid::parse(bench.tree(&inside).as_str()).unwrap() }),
        };
        prop_assert_eq!(bench.ledger.entry_at(&tree, &path).unwrap(), expected);
        prop_assert_eq!(bench.ledger.entry_at(&tree, &below).unwrap(), None);
        let root = Node::Folder { id: Oid::parse(tree.as_str()).unwrap() };
        prop_assert_eq!(bench.ledger.entry_at(&tree, b"").unwrap(), Some(root));
        Ok(())
    });
}

#[test]
fn packed_trees_of_the_base_are_compared_and_edited() {
    let rig = Rig::with(&[("a", "1"), ("dir/b", "22"), ("dir/inner/c", "333"), ("other/d", "4")]);
    rig.run_git(&["gc", "-q"]);
    let (ledger, tree) = rig.ledger();
    let entries = ledger.list_tree(&tree).unwrap();
    let edit = Edit::Put { path: b"dir/inner".to_vec(), mode: EntryMode::Link, id: entries[0].id };
    let result = ledger.edit_tree(&tree, &[edit]).unwrap();
    let shown: Vec<_> = ledger
        .differences(&tree, &result)
        .unwrap()
        .into_iter()
        .map(|d| (String::from_utf8_lossy(d.path()).into_owned(), d.old.map(|e| e.size), d.new.map(|e| e.size)))
        .collect();
    assert_eq!(shown, [("dir/inner".into(), None, Some(1)), ("dir/inner/c".into(), Some(3), None)]);
    // Git makes the same of it.
    std::fs::remove_dir_all(rig.repo().join("dir/inner")).unwrap();
    std::os::unix::fs::symlink("1", rig.repo().join("dir/inner")).unwrap();
    rig.commit("second");
    assert_eq!(rig.run_git(&["rev-parse", "HEAD^{tree}"]), result.as_str());
}

#[test]
fn modes_of_old_programs_stay_and_are_no_difference() {
    let bench = Bench::new("sha1");
    let (blob, _) = bench.content(EntryMode::Regular, 1);
    let inner = bench.put_tree(&line("100644", "b", &blob));
    let tree = |mode: &str, folder: &str| {
        bench.put_tree(&[line(mode, "a", &blob), line(folder, "dir", &inner)].concat()).tree_id()
    };
    let (old, new) = (tree("100664", "040000"), tree("100644", "40000"));
    assert_eq!(bench.ledger.differences(&old, &new).unwrap(), []);
    let edits = [
        Edit::Put { path: b"new".to_vec(), mode: EntryMode::Regular, id: blob },
        Edit::Remove { path: b"dir/c".to_vec() },
        Edit::Remove { path: b"a/b".to_vec() },
    ];
    let lines = [line("100664", "a", &blob), line("040000", "dir", &inner), line("100644", "new", &blob)].concat();
    assert_eq!(bench.ledger.edit_tree(&old, &edits).unwrap(), bench.put_tree(&lines).tree_id());
}

#[test]
fn a_malformed_tree_is_an_error() {
    let bench = Bench::new("sha1");
    let (blob, _) = bench.content(EntryMode::Regular, 1);
    let empty = bench.tree(&Files::new());
    let good = line("100644", "a", &blob);
    for content in [
        good[..good.len() - 1].to_vec(),
        b"100644 a".to_vec(),
        b"100644".to_vec(),
        line("100644", "", &blob),
        line("100644", "a/b", &blob),
        line("7", "a", &blob),
        line("x", "a", &blob),
        line("", "a", &blob),
        line("99999999999999", "a", &blob),
        [line("100644", "b", &blob), good.clone()].concat(),
        [good.clone(), good].concat(),
    ] {
        let tree = bench.put_tree(&content).tree_id();
        let path = b"a".to_vec();
        let refused = [
            bench.ledger.entry_at(&tree, &path).map(drop),
            bench.ledger.differences(&empty, &tree).map(drop),
            bench.ledger.edit_tree(&tree, &[Edit::Remove { path }]).map(drop),
        ];
        for answer in refused {
            assert!(matches!(answer, Err(LedgerError::Malformed { .. })), "{content:?}: {answer:?}");
        }
    }
    let as_tree = bench.ledger.entry_at(&blob.tree_id(), b"a");
    assert!(matches!(as_tree, Err(LedgerError::WrongKind { .. })), "{as_tree:?}");
}

#[test]
fn trees_without_measure_are_errors() {
    let bench = Bench::new("sha1");
    let empty = bench.tree(&Files::new());
    let (blob, _) = bench.content(EntryMode::Regular, 1);
    let mut deep = bench.put_tree(&line("100644", "a", &blob));
    for _ in 0..200 {
        deep = bench.put_tree(&line("40000", "d", &deep));
    }
    let answer = bench.ledger.differences(&empty, &deep.tree_id());
    assert!(matches!(answer, Err(LedgerError::TooDeep { .. })), "{answer:?}");
    // Ten objects with 32 to the tenth paths, of files or of nothing. Long names only make the test quick.
    let long = "d".repeat(200);
    for content in [line("100644", "a", &blob), Vec::new()] {
        let mut wide = bench.put_tree(&content);
        for _ in 0..10 {
            let lines: Vec<_> = (10..42).map(|i| line("40000", &format!("{long}{i}"), &wide)).collect();
            wide = bench.put_tree(&lines.concat());
        }
        let answer = bench.ledger.differences(&empty, &wide.tree_id());
        assert!(matches!(answer, Err(LedgerError::TooMuch)));
    }
}

#[test]
fn a_path_that_no_workspace_can_hold_is_not_edited() {
    let bench = Bench::new("sha1");
    let empty = bench.tree(&Files::new());
    let (id, _) = bench.content(EntryMode::Regular, 1);
    for path in ["", "/a", "a/", "a//b", "../a", "a/.GIT/b", "a\0b"] {
        let put = Edit::Put { path: path.into(), mode: EntryMode::Regular, id };
        for edit in [put, Edit::Remove { path: path.into() }] {
            let answer = bench.ledger.edit_tree(&empty, &[edit]);
            assert!(matches!(answer, Err(LedgerError::BadPath(_))), "{path:?}: {answer:?}");
        }
    }
}
