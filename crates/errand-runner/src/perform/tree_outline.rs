//! The tree as the opening message shows it: what the job may change first, small folders by name, large ones by count.
//!
//! `read` works in lines, so text files are shown with their lines, not their bytes.

use errand_task::borders::Borders;
use errand_workspace::ledger::Ledger;
use errand_workspace::trees::TreeEntry;
use std::collections::BTreeMap;

/// Lines the outline may have, roughly.
const LINES: usize = 140;
/// A folder with more files than this is never spelled out.
const FOLDER_FILES: usize = 40;
/// Files read for their lines, and how large they may be.
const FILE_BYTES: u64 = 512 * 1024;
const ALL_BYTES: u64 = 8 * 1024 * 1024;
const LANGUAGES: usize = 5;

/// A folder and the files directly in it.
struct Folder<'a> {
    path: &'a str,
    files: Vec<usize>,
    is_allowed: bool,
}

pub fn outline_of_tree(ledger: &Ledger, entries: &[TreeEntry], borders: &Borders) -> String {
    let paths: Vec<String> = entries.iter().map(TreeEntry::shown).collect();
    let folders = folders(&paths, borders);
    let spelled = spelled_out(&folders);
    let mut out = format!("\n{} files; {}\n", entries.len(), languages(entries, &paths));
    let mut n_bytes_left = ALL_BYTES;
    for (folder, is_spelled) in folders.iter().zip(spelled) {
        if !is_spelled {
            let n_bytes: u64 =
                folder.files.iter().filter_map(|&index| entries.get(index)).map(|entry| entry.size).sum();
            out.push_str(&format!("{}/  {} files, {}\n", folder.path, folder.files.len(), size(n_bytes)));
            continue;
        }
        for &index in &folder.files {
            let (Some(entry), Some(path)) = (entries.get(index), paths.get(index)) else { continue };
            let n_lines = lines_of(ledger, entry, &mut n_bytes_left);
            let extent = n_lines.map_or_else(|| size(entry.size), |n| format!("{n} lines"));
            out.push_str(&format!("{path}  {extent}\n"));
        }
    }
    out
}

/// Folders in path order.
fn folders<'a>(paths: &'a [String], borders: &Borders) -> Vec<Folder<'a>> {
    let mut by_path: BTreeMap<&str, Folder<'a>> = BTreeMap::new();
    for (index, path) in paths.iter().enumerate() {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let entry =
            by_path.entry(folder).or_insert_with(|| Folder { path: folder, files: Vec::new(), is_allowed: false });
        entry.files.push(index);
        entry.is_allowed |= borders.check_path(path).is_ok();
    }
    by_path.into_values().collect()
}

/// Which folders are spelled out: those that may change before others, shallow before deep, small before large, while
/// there is room. The top is always there.
fn spelled_out(folders: &[Folder<'_>]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..folders.len()).collect();
    let rank = |folder: &Folder<'_>| {
        (!folder.path.is_empty(), !folder.is_allowed, folder.path.matches('/').count(), folder.files.len())
    };
    order.sort_by_key(|&index| folders.get(index).map(rank));
    let mut spelled = vec![false; folders.len()];
    let mut n_left = LINES.saturating_sub(folders.len());
    for index in order {
        let (Some(folder), Some(is_spelled)) = (folders.get(index), spelled.get_mut(index)) else { continue };
        let fits = folder.path.is_empty() || folder.files.len() <= FOLDER_FILES && folder.files.len() <= n_left;
        if fits {
            *is_spelled = true;
            n_left = n_left.saturating_sub(folder.files.len());
        }
    }
    spelled
}

/// Lines of a text file; `None` where it is large, binary, or enough was read already.
fn lines_of(ledger: &Ledger, entry: &TreeEntry, n_bytes_left: &mut u64) -> Option<usize> {
    if !entry.mode.is_file() || entry.size > FILE_BYTES || entry.size > *n_bytes_left {
        return None;
    }
    *n_bytes_left -= entry.size;
    let bytes = ledger.read_blob(&entry.id).ok()?;
    let is_text = !bytes.contains(&0);
    is_text.then(|| String::from_utf8_lossy(&bytes).lines().count())
}

fn languages(entries: &[TreeEntry], paths: &[String]) -> String {
    let mut by_language: BTreeMap<&str, u64> = BTreeMap::new();
    for (entry, path) in entries.iter().zip(paths) {
        if let Some(language) = path.rsplit_once('.').and_then(|(_, extension)| language(extension)) {
            *by_language.entry(language).or_default() += entry.size;
        }
    }
    let mut languages: Vec<_> = by_language.into_iter().collect();
    languages.sort_by_key(|&(name, n_bytes)| (std::cmp::Reverse(n_bytes), name));
    let names = languages.iter().take(LANGUAGES).map(|(name, n_bytes)| format!("{name} {}", size(*n_bytes)));
    names.collect::<Vec<_>>().join(", ")
}

fn size(n_bytes: u64) -> String {
    match n_bytes {
        0..1_024 => format!("{n_bytes} B"),
        1_024..1_048_576 => format!("{:.1} kB", n_bytes as f64 / 1_024.0),
        _ => format!("{:.1} MB", n_bytes as f64 / 1_048_576.0),
    }
}

fn language(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "rs" => "Rust",
        "py" | "pyi" => "Python",
        "js" | "mjs" | "cjs" | "jsx" => "JavaScript",
        "ts" | "tsx" | "mts" => "TypeScript",
        "go" => "Go",
        "java" => "Java",
        "kt" | "kts" => "Kotlin",
        "c" | "h" => "C",
        "cc" | "cpp" | "cxx" | "hpp" | "hh" => "C++",
        "rb" => "Ruby",
        "cs" => "C#",
        "php" => "PHP",
        "swift" => "Swift",
        "sh" | "bash" => "Shell",
        "sql" => "SQL",
        "html" | "css" | "scss" => "web pages",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use errand_task::contract::Draft;

    #[test]
    fn what_may_change_is_spelled_out_first() {
        let mut paths: Vec<String> = (0..90).map(|n| format!("benches/b{n:02}.rs")).collect();
        paths.extend((0..30).map(|n| format!("src/deep/er/f{n:02}.rs")));
        paths.push("Cargo.toml".to_owned());
        let draft = Draft { allow: vec!["src/**".to_owned()], ..Draft::default() };
        let borders = Borders::of(&draft.complete("goal").unwrap()).unwrap();
        let folders = folders(&paths, &borders);
        let spelled: Vec<_> = folders.iter().zip(spelled_out(&folders)).map(|(folder, is)| (folder.path, is)).collect();
        assert_eq!(spelled, [("", true), ("benches", false), ("src/deep/er", true)]);
    }
}
