//! A stored event of every variant, for ever: `xtask/goldens/events/KIND.json`, or `KIND+NOTE.json` for a further one.
//!
//! Each parses, is of the kind its name says, and stores the same JSON again. `UPDATE_EXPECT=1` writes missing files and
//! never touches one that is there: a changed meaning is a new variant, a new field is optional and left out when absent.

mod examples;

use super::Finding;
use crate::tree::Tree;
use errand_task::event::Event;
use serde_json::Value;
use std::collections::BTreeMap;

const FOLDER: &str = "xtask/goldens/events";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let examples = examples::all();
    let mut findings = stale(tree, &examples);
    for (name, event) in missing(tree, &examples) {
        let path = format!("{FOLDER}/{name}.json");
        let is_to_write = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
        let what = if is_to_write {
            match write_new(&tree.root.join(&path), event) {
                Ok(()) => continue,
                Err(error) => format!("the golden cannot be written: {error}"),
            }
        } else {
            "this event has no golden".to_owned()
        };
        findings.push(Finding::new(&path, 1, what, "run `UPDATE_EXPECT=1 cargo xtask tidy` and read the new file"));
    }
    findings
}

/// Examples whose file is not there.
fn missing<'a>(tree: &Tree, examples: &'a BTreeMap<String, Event>) -> Vec<(&'a str, &'a Event)> {
    let is_missing = |name: &str| tree.text(&format!("{FOLDER}/{name}.json")).is_none();
    examples.iter().map(|(name, event)| (name.as_str(), event)).filter(|(name, _)| is_missing(name)).collect()
}

/// Files that today's code no longer reads as what they were.
fn stale(tree: &Tree, examples: &BTreeMap<String, Event>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files_in(FOLDER) {
        let path = format!("{FOLDER}/{file}");
        let kind = file.strip_suffix(".json").and_then(|name| name.split('+').next()).unwrap_or(file);
        let problem = changed(tree.text(&path).unwrap_or_default(), kind);
        if let Some(what) = problem {
            let todo = if examples.contains_key(kind) {
                "stored events outlive code: put the old meaning back and add a new variant or an optional field"
            } else {
                "no variant has this name: stored names are never removed or used again"
            };
            findings.push(Finding::new(&path, 1, what, todo));
        }
    }
    findings
}

/// What is different about a stored event, if anything is.
fn changed(stored: &str, kind: &str) -> Option<String> {
    let before: Value = match serde_json::from_str(stored) {
        Ok(value) => value,
        Err(error) => return Some(format!("not JSON: {error}")),
    };
    let event: Event = match serde_json::from_value(before.clone()) {
        Ok(event) => event,
        Err(error) => return Some(format!("no event any more: {error}")),
    };
    if event.kind() != kind {
        return Some(format!("the file says `{kind}`, the event inside is `{}`", event.kind()));
    }
    match serde_json::to_value(&event) {
        Ok(after) if after == before => None,
        Ok(after) => Some(format!("stored again it reads {after}")),
        Err(error) => Some(format!("cannot be stored again: {error}")),
    }
}

/// Fails when the file is there.
fn write_new(path: &std::path::Path, event: &Event) -> anyhow::Result<()> {
    use std::io::Write as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = serde_json::to_string_pretty(event)?;
    writeln!(std::fs::File::create_new(path)?, "{text}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    fn resumed() -> BTreeMap<String, Event> {
        examples::all().into_iter().filter(|(name, _)| name == "person.resumed").collect()
    }

    fn found(file: &str, text: &str) -> Vec<String> {
        shown(|tree| stale(tree, &resumed()), &[(&format!("{FOLDER}/{file}"), text)])
    }

    #[test]
    fn changed_events_are_found() {
        for (file, text, what) in [
            ("person.resumed.json", "{", "not JSON"),
            ("person.resumed.json", "{\"person\": \"woken\"}", "no event any more"),
            ("person.replied.json", "{\"person\": \"resumed\"}", "the file says `person.replied`"),
            (
                "person.replied.json",
                "{\"person\": {\"replied\": {\"text\": \"x\", \"old\": 1}}}",
                "stored again it reads",
            ),
            ("person.gone.json", "{\"person\": \"gone\"}", "no event any more"),
        ] {
            let found = found(file, text);
            assert!(found.len() == 1 && found[0].contains(what), "{found:?}");
        }
    }

    #[test]
    fn true_goldens_pass() {
        assert!(found("person.resumed.json", "{\"person\": \"resumed\"}\n").is_empty());
        assert!(found("person.resumed+old.json", "{ \"person\":\"resumed\" }").is_empty());
    }

    #[test]
    fn missing_goldens_are_found_and_written_once() {
        let examples = resumed();
        assert_eq!(missing(&Tree::of(&[]), &examples).len(), 1);
        assert!(missing(&Tree::of(&[(&format!("{FOLDER}/person.resumed.json"), "")]), &examples).is_empty());

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events/person.resumed.json");
        write_new(&path, &examples["person.resumed"]).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(changed(&written, "person.resumed"), None);
        assert!(write_new(&path, &examples["person.resumed"]).is_err(), "an existing golden is never rewritten");
    }

    #[test]
    fn every_example_survives_being_stored() {
        for (name, event) in examples::all() {
            let kind = name.split('+').next().unwrap();
            assert_eq!(changed(&serde_json::to_string(&event).unwrap(), kind), None, "{name}");
        }
    }
}
