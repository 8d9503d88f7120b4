//! Which files of a tree a command names, so that a yes to the command is a yes to what they say now.
//!
//! A shell's words are not parsed but guessed generously: naming a file too many asks the person once more than needed,
//! naming one too few would run what nobody saw. What a named file starts in turn is not followed.

use errand_workspace::trees::{self, EntryMode, TreeEntry};
use std::collections::BTreeSet;

/// Folders that commands may name, in all.
const FOLDERS: usize = 64;
/// Slashes of one word; a path has fewer, and each costs a look.
const SLASHES: usize = 200;

/// The files, by path. A name that leads through a link is an error: what a link means is not in the tree.
pub fn files<'a>(commands: &[&str], entries: &'a [TreeEntry]) -> Result<Vec<&'a TreeEntry>, String> {
    let mut found = BTreeSet::new();
    for command in commands {
        let words = words(command);
        if words.iter().any(|word| word.matches('/').count() > SLASHES) {
            return Err("a command of it is too long to be looked through, put it into a script".to_owned());
        }
        for folder in folders(&words, entries)? {
            for path in words.iter().filter_map(|word| meant(&folder, word, entries)) {
                found.extend(matches(&path, entries)?);
            }
        }
    }
    Ok(found.into_iter().filter_map(|index| entries.get(index)).collect())
}

/// Where a command may stand when it names a file: at the top, and in every folder it names, as after `cd tools`.
fn folders(words: &BTreeSet<String>, entries: &[TreeEntry]) -> Result<Vec<String>, String> {
    let mut found = vec![String::new()];
    let mut n_done = 0;
    while let Some(folder) = found.get(n_done).cloned() {
        for path in words.iter().filter_map(|word| meant(&folder, word, entries)) {
            if is_folder(entries, &path) && !found.contains(&path) {
                found.push(path);
            }
        }
        n_done += 1;
        if found.len() > FOLDERS {
            return Err("a command of it names too many folders".to_owned());
        }
    }
    Ok(found)
}

/// Everything in a command that can be a path: its words, what stands between quotes, and both without escapes.
fn words(command: &str) -> BTreeSet<String> {
    let plain = command.replace('\\', "");
    let is_between = |c: char| c.is_whitespace() || "\"'`;&|()<>{}$=,:@#!\\".contains(c);
    let filled = without_variables(&plain);
    let parts = [command, &plain, &filled].into_iter().flat_map(|text| text.split(is_between));
    let mut words: BTreeSet<String> = parts.map(str::to_owned).collect();
    for quote in ['"', '\''] {
        words.extend(command.split(quote).map(str::to_owned));
    }
    // `a\ b` is one word, and so is `sc"ri"pts/x.sh`.
    let unescaped = command.replace("\\ ", "\0");
    words.extend(unescaped.split_whitespace().map(|word| word.replace('\0', " ").replace(['"', '\'', '\\'], "")));
    words
}

/// `$PWD/x` as `/x`: most often a variable before a path is where the repository is.
fn without_variables(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('$').enumerate() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        out.push_str(if index == 0 { part } else { part.trim_start_matches(is_name) });
        out.push(' ');
    }
    out
}

/// The path of the tree that a word means in this folder. At the top what the word begins with may be the folder that the
/// repository is in, so there it is the longest tail that is anything.
fn meant(folder: &str, word: &str, entries: &[TreeEntry]) -> Option<String> {
    let whole = format!("{folder}/{word}");
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let n_tails = if folder.is_empty() { parts.len() } else { 1 };
    let mut tails = (0..n_tails).filter_map(|start| Some((start, parts.get(start..)?.join("/"))));
    // What is left of a pattern in a folder that is not there would be every file at the top.
    let is_left = |start: usize, tail: &str| start > 0 && pattern_folder(tail).is_some_and(|folder| folder.is_empty());
    tails.find(|(start, tail)| !is_left(*start, tail) && is_anything(tail, entries)).map(|(_, tail)| tail)
}

fn is_anything(path: &str, entries: &[TreeEntry]) -> bool {
    let folder = pattern_folder(path);
    let is_there = || trees::find(entries, path.as_bytes()).is_some() || is_folder(entries, path);
    match folder {
        Some(folder) => folder.is_empty() || is_folder(entries, &folder),
        None => is_there() || link_in(path, entries).is_some(),
    }
}

/// The folder in which a path becomes a pattern.
fn pattern_folder(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    let pattern = parts.iter().position(|part| part.contains(['*', '?', '[']))?;
    parts.get(..pattern).map(|folder| folder.join("/"))
}

/// The first part of a path that is a link.
fn link_in<'p>(path: &'p str, entries: &[TreeEntry]) -> Option<&'p str> {
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    let is_link =
        |start: &&str| trees::find(entries, start.as_bytes()).is_some_and(|entry| entry.mode == EntryMode::Link);
    ends.filter_map(|end| path.get(..end)).find(is_link)
}

fn is_folder(entries: &[TreeEntry], path: &str) -> bool {
    let start = format!("{path}/");
    let index = entries.partition_point(|entry| entry.path.as_slice() < start.as_bytes());
    entries.get(index).is_some_and(|entry| entry.path.starts_with(start.as_bytes()))
}

/// Positions of the entries that `path` means: itself, or for a pattern everything it could match.
fn matches(path: &str, entries: &[TreeEntry]) -> Result<Vec<usize>, String> {
    if let Some(folder) = pattern_folder(path) {
        return pattern_matches(&folder, entries);
    }
    if let Some(link) = link_in(path, entries) {
        return Err(names_a_link(link));
    }
    let found = entries.binary_search_by(|entry| entry.path.as_slice().cmp(path.as_bytes())).ok();
    Ok(found.into_iter().filter(|&index| entries.get(index).is_some_and(|entry| entry.mode.is_file())).collect())
}

/// Every file below the folder; at the top, every file that is in no folder.
fn pattern_matches(folder: &str, entries: &[TreeEntry]) -> Result<Vec<usize>, String> {
    let is_meant = |entry: &TreeEntry| match folder {
        "" => !entry.path.contains(&b'/'),
        folder => entry.path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/')),
    };
    let mut found = Vec::new();
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| is_meant(entry)) {
        match entry.mode {
            EntryMode::Regular | EntryMode::Executable => found.push(index),
            EntryMode::Link => return Err(names_a_link(&entry.shown())),
            EntryMode::Submodule => {}
        }
    }
    Ok(found)
}

fn names_a_link(path: &str) -> String {
    format!("a command of it names `{path}`, which is a link")
}

#[cfg(test)]
mod tests {
    use super::*;
    use errand_workspace::objects::{Kind, ObjectFormat, hash};

    fn tree() -> Vec<TreeEntry> {
        let files =
            ["Makefile", "a b.sh", "scripts/lib.sh", "scripts/setup.sh", "setup.sh", "tools/deep/y.sh", "tools/x.py"];
        let links = ["current", "scripts/latest.sh"];
        let entry = |mode| {
            move |path: &str| TreeEntry {
                path: path.into(),
                mode,
                id: hash(ObjectFormat::Sha1, Kind::Blob, path.as_bytes()),
                size: 1,
            }
        };
        let mut entries: Vec<_> = files.into_iter().map(entry(EntryMode::Regular)).collect();
        entries.extend(links.into_iter().map(entry(EntryMode::Link)));
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries
    }

    #[test]
    fn named_files_are_found_however_they_are_named() {
        for (command, expected) in [
            ("npm ci", &[][..]),
            ("./setup.sh", &["setup.sh"]),
            ("sh setup.sh --fast", &["setup.sh"]),
            ("sh ./scripts/setup.sh", &["scripts/setup.sh"]),
            ("scripts/../tools//x.py", &["tools/x.py"]),
            ("cd tools && ./x.py", &["tools/x.py"]),
            ("cd scripts; . lib.sh", &["scripts/lib.sh"]),
            ("cd tools/deep && ../x.py", &["tools/x.py"]),
            ("cd tools; cd deep; ./y.sh", &["tools/deep/y.sh"]),
            ("make -C tools", &[]),
            ("sh -c 'tools/x.py'", &["tools/x.py"]),
            ("\"$PWD/tools/x.py\"", &["tools/x.py"]),
            ("X=tools/x.py sh -c '$X'", &["tools/x.py"]),
            ("$(tools/x.py)", &["tools/x.py"]),
            ("run --with=tools/x.py,Makefile", &["Makefile", "tools/x.py"]),
            ("sh 'a b.sh'", &["a b.sh"]),
            ("sh a\\ b.sh", &["a b.sh"]),
            ("sh too\"ls\"/x.py", &["tools/x.py"]),
            ("sh to\\ols/x.py", &["tools/x.py"]),
            ("sh tools/*.py", &["tools/deep/y.sh", "tools/x.py"]),
            ("cd tools && sh deep/?.sh", &["tools/deep/y.sh"]),
            ("true\n./setup.sh", &["setup.sh"]),
        ] {
            let entries = tree();
            let found = files(&[command], &entries).unwrap();
            let found: Vec<_> = found.iter().map(|entry| entry.shown()).collect();
            assert_eq!(found, expected, "{command}");
        }
    }

    #[test]
    fn a_name_through_a_link_is_refused() {
        for command in [
            "sh scripts/latest.sh",
            "cd scripts && ./latest.sh",
            "current/run.sh",
            "sh *.sh",
            "sh $PWD/*.sh",
            "ls scripts/*",
        ] {
            let problem = files(&[command], &tree()).unwrap_err();
            assert!(problem.contains("a link"), "{command}: {problem}");
        }
    }
}
