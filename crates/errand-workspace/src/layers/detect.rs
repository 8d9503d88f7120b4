//! Which dependency folders the person's checkout has.
//!
//! Only folders of the base that hold a manifest are looked into, so what the repository ignores is never walked, however
//! large it is. A candidate is a real folder, holds no file of the base, and is ignored: by the base's rules, or by a
//! `.gitignore` of its own, as uv, virtualenv and others make one.

use super::open_folder;
use super::table::{Row, TABLE, names, row_of};
use crate::beneath::{Beneath, Links, stat_at};
use crate::ignores::Ignores;
use crate::limits::{IGNORE_FILE_BYTES, LAYER_FOLDERS_LOOKED};
use crate::paths;
use crate::trees::TreeEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;

/// A folder that may become a layer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub path: Vec<u8>,
    /// `None` for one that only the person or the repository named.
    pub row: Option<&'static Row>,
    pub named: Named,
}

/// Who says that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    ByTable,
    ByPerson,
}

/// Sorted by path; none lies in another.
pub(super) fn candidates(
    checkout: &Beneath,
    base: &[TreeEntry],
    ignores: &Ignores,
    extra: &[String],
    notes: &mut Vec<String>,
) -> Vec<Candidate> {
    let mut found = BTreeMap::new();
    let folders = folders_of(base);
    if folders.len() > LAYER_FOLDERS_LOOKED {
        notes.push(format!("dependency folders were looked for in the first {LAYER_FOLDERS_LOOKED} folders only"));
    }
    for folder in folders.iter().take(LAYER_FOLDERS_LOOKED) {
        for (path, row) in in_folder(checkout, folder) {
            match unfit(checkout, base, ignores, &path) {
                None => drop(found.insert(path, (Some(row), Named::ByTable))),
                Some(Unfit::NotIgnored) => {
                    let shown = paths::shown(&path);
                    notes.push(format!("`{shown}` is not used: no .gitignore names it"));
                }
                // Files of the repository are in the workspace anyway.
                Some(Unfit::HoldsBase) => {}
            }
        }
    }
    for given in extra {
        match named(checkout, base, ignores, given) {
            Ok(path) => drop(found.insert(path.clone(), (row_of(&path), Named::ByPerson))),
            Err(why_not) => notes.push(format!("`{given}` is not used as a dependency folder: {why_not}")),
        }
    }
    let mut candidates: Vec<Candidate> = Vec::new();
    for (path, (row, named)) in found {
        let is_inside = |outer: &Candidate| path.strip_prefix(outer.path.as_slice()).is_some_and(is_below);
        if !candidates.iter().any(is_inside) {
            candidates.push(Candidate { path, row, named });
        }
    }
    candidates
}

/// The folders of the table that are in `folder` of the checkout.
fn in_folder(checkout: &Beneath, folder: &[u8]) -> Vec<(Vec<u8>, &'static Row)> {
    // One that is not there, or became a link, has none.
    let Ok(opened) = open_folder(checkout, folder) else { return Vec::new() };
    let is_there = |row: &&Row| {
        let (first, rest) = row.name.split_once('/').map_or((row.name, None), |(first, rest)| (first, Some(rest)));
        let is_folder = stat_at(opened.as_fd(), first.as_bytes()).is_ok_and(|stat| stat.is_folder());
        is_folder && (rest.is_none() || open_folder(checkout, &joined(folder, row.name)).is_ok())
    };
    TABLE.iter().filter(is_there).map(|row| (joined(folder, row.name), row)).collect()
}

fn named(checkout: &Beneath, base: &[TreeEntry], ignores: &Ignores, given: &str) -> Result<Vec<u8>, String> {
    let path = paths::normalize(given).map_err(|error| error.to_string())?.into_bytes();
    paths::check(&path).map_err(|error| error.to_string())?;
    if !checkout.stat(&path).is_ok_and(|stat| stat.is_some_and(|stat| stat.is_folder())) {
        return Err("it is not a folder in your checkout".to_owned());
    }
    match unfit(checkout, base, ignores, &path) {
        None => Ok(path),
        Some(Unfit::NotIgnored) => Err("no .gitignore names it".to_owned()),
        Some(Unfit::HoldsBase) => Err("the base has files in it".to_owned()),
    }
}

enum Unfit {
    HoldsBase,
    NotIgnored,
}

fn unfit(checkout: &Beneath, base: &[TreeEntry], ignores: &Ignores, path: &[u8]) -> Option<Unfit> {
    let start = base.partition_point(|entry| entry.path.as_slice() < path);
    let is_of_base =
        |entry: &TreeEntry| entry.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || is_below(rest));
    // What sorts between the path and what is below it begins with the path and a smaller byte than `/`.
    let mut near = base.iter().skip(start).take_while(|entry| entry.path.strip_prefix(path).is_some());
    if near.any(is_of_base) {
        return Some(Unfit::HoldsBase);
    }
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
    let is_ignored = ends.chain([path.len()]).any(|end| ignores.is_ignored(path.get(..end).unwrap_or_default(), true));
    if is_ignored || ignores_itself(checkout, path) { None } else { Some(Unfit::NotIgnored) }
}

/// Whether the ignore file at the top of a folder leaves nothing of it.
fn ignores_itself(checkout: &Beneath, folder: &[u8]) -> bool {
    let Ok(content) = checkout.read(&joined(folder, ".gitignore"), Links::Refuse, IGNORE_FILE_BYTES) else {
        return false;
    };
    let text = String::from_utf8_lossy(&content.bytes);
    let rules: Vec<_> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    rules.contains(&"*") && !rules.iter().any(|rule| rule.starts_with('!'))
}

/// The folders of the base that hold a lock file or a manifest of the table: beside any other, a folder of that name is
/// something else. The top is among them whatever it holds.
fn folders_of(base: &[TreeEntry]) -> BTreeSet<&[u8]> {
    let split = |entry: &'_ TreeEntry| entry.path.iter().rposition(|&byte| byte == b'/');
    let tells = |entry: &&TreeEntry| {
        let name = entry.path.get(split(entry).map_or(0, |slash| slash + 1)..).unwrap_or_default();
        TABLE.iter().any(|row| names(row.locks, name) || names(row.manifests, name))
    };
    let told = base.iter().filter(tells);
    let folders = told.map(|entry| split(entry).and_then(|slash| entry.path.get(..slash)).unwrap_or_default());
    folders.chain([&b""[..]]).collect()
}

fn is_below(rest: &[u8]) -> bool {
    rest.first() == Some(&b'/')
}

pub(super) fn joined(folder: &[u8], name: &str) -> Vec<u8> {
    if folder.is_empty() { name.as_bytes().to_vec() } else { [folder, b"/", name.as_bytes()].concat() }
}
