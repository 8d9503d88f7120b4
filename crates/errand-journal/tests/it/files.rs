//! The file: private, opened again, refused when it is newer or something else.

use crate::rig::{Journal, Rig, again, child};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn refusal(path: &Path) -> String {
    Journal::open(path).map(drop).unwrap_err().to_string()
}

fn modes(dir: &Path) -> Vec<(String, u32)> {
    let mode = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777)
    };
    let mut modes: Vec<_> = std::fs::read_dir(dir).unwrap().map(mode).collect();
    modes.sort();
    modes
}

#[test]
fn files_are_the_owners_alone() {
    if let Some((_, path)) = child() {
        let journal = Journal::open(&path).unwrap();
        journal.append("a", 0, &["secret"]).unwrap();
        let expected = ["journal.db", "journal.db-shm", "journal.db-wal"].map(|name| (name.to_owned(), 0o600));
        assert_eq!(modes(path.parent().unwrap()), expected);
        return;
    }
    for umask in ["000", "022", "077"] {
        let rig = Rig::new();
        let status =
            again(&format!("umask {umask};"), "files::files_are_the_owners_alone", "modes", &rig.path()).status();
        assert!(status.unwrap().success(), "umask {umask}");
        rig.open().append("a", 1, &["again"]).unwrap();
        assert!(modes(rig.dir.path()).iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes(rig.dir.path()));
    }
}

#[test]
fn a_journal_that_others_could_read_is_closed_to_them() {
    let rig = Rig::with(&[("a", 1)]);
    std::fs::set_permissions(rig.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let journal = rig.open();
    journal.append("a", 1, &["secret"]).unwrap();
    let (database, log) = rig.bytes();
    let crashed = Rig::of_bytes(&database, &log);
    for entry in std::fs::read_dir(crashed.dir.path()).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), std::fs::Permissions::from_mode(0o666)).unwrap();
    }
    let again = crashed.open();
    assert_eq!(again.read("a", 0).unwrap().len(), 2);
    for rig in [&rig, &crashed] {
        let modes = modes(rig.dir.path());
        assert!(modes.len() == 3 && modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
    }
}

#[test]
fn a_journal_behind_a_link_and_with_any_name_is_one_journal() {
    let rig = Rig::new();
    let (real, link) = (rig.dir.path().join("a ?#%41 é.db"), rig.dir.path().join("link.db"));
    std::fs::write(&real, b"").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let (one, two) = (Journal::open(&link).unwrap(), Journal::open(&real).unwrap());
    one.append("a", 0, &["x"]).unwrap();
    assert_eq!(two.read("a", 0).unwrap().len(), 1);
}

#[test]
fn it_is_opened_again_and_goes_on() {
    let rig = Rig::new();
    for n in 0..5 {
        let journal = rig.open();
        journal.append("a", n, &[&n.to_string()]).unwrap();
        // Without waiting for the writer.
        drop(journal);
    }
    let journal = rig.open();
    assert_eq!(journal.read("a", 0).unwrap().len(), 5);
    assert!(journal.append("a", 4, &["x"]).is_err());
}

#[test]
fn it_is_a_wal_journal() {
    let rig = Rig::with(&[("a", 1)]);
    let mode: String = rig.raw().pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let damage: String = rig.raw().pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(damage, "ok");
}

#[test]
fn two_may_create_it_at_the_same_moment() {
    for _ in 0..10 {
        let rig = Rig::new();
        let start = std::sync::Barrier::new(4);
        let told: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                start.wait();
                Journal::open(&rig.path()).map(drop).map_err(|error| error.to_string())
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(told, [const { Ok(()) }; 4]);
    }
}

const NEWER: &str = "the journal was written by a newer errand (format 7, this one knows 1)";

#[test]
fn a_newer_journal_is_refused_and_left_as_it_is() {
    let rig = Rig::with(&[("a", 2)]);
    rig.sql("PRAGMA user_version = 7");
    let before = rig.files();
    for _ in 0..2 {
        assert_eq!(refusal(&rig.path()), NEWER);
        assert!(rig.files() == before);
    }
    rig.sql("PRAGMA user_version = 1");
    assert_eq!(rig.open().read("a", 0).unwrap().len(), 2);
}

#[test]
fn a_newer_journal_with_another_journal_mode_is_left_as_it_is() {
    let rig = Rig::with(&[("a", 2)]);
    rig.sql("PRAGMA journal_mode = DELETE; PRAGMA user_version = 7");
    let before = rig.files();
    assert_eq!(refusal(&rig.path()), NEWER);
    assert!(rig.files() == before);
}

#[test]
fn a_newer_journal_after_a_crash_keeps_its_log() {
    let rig = Rig::with(&[("a", 2)]);
    let raw = rig.raw();
    raw.execute_batch("PRAGMA user_version = 7; UPDATE tasks SET removed_at_ms = 1").unwrap();
    let (database, log) = rig.bytes();
    assert!(!log.is_empty());
    let crashed = Rig::of_bytes(&database, &log);
    assert_eq!(refusal(&crashed.path()), NEWER);
    assert!(crashed.bytes() == (database, log));
}

#[test]
fn what_is_no_journal_is_refused_and_left_as_it_is() {
    let long = "not a database ".repeat(400);
    for text in ["short text", long.as_str()] {
        let rig = Rig::new();
        std::fs::write(rig.path(), text).unwrap();
        let before = rig.files();
        let told = refusal(&rig.path());
        assert!(told.contains("not a database"), "{told}");
        assert!(rig.files() == before);
    }
    let rig = Rig::new();
    assert!(refusal(rig.dir.path()).starts_with("the journal cannot be opened at "));
    assert!(refusal(&rig.dir.path().join("none/journal.db")).starts_with("the journal cannot be opened at "));
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_is() {
    let recipes = "CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup');";
    for other in [
        recipes.to_owned(),
        format!("PRAGMA journal_mode = WAL; {recipes}"),
        format!("{recipes} PRAGMA user_version = 1"),
        format!("{recipes} PRAGMA user_version = 7"),
        "PRAGMA application_id = 7".to_owned(),
        "PRAGMA user_version = 1".to_owned(),
    ] {
        let rig = Rig::new();
        rig.sql(&other);
        std::fs::set_permissions(rig.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let before = (rig.files(), modes(rig.dir.path()));
        let path = rig.path().canonicalize().unwrap();
        let told = format!("{} is not a journal of errand but another database, and was left as it is", path.display());
        assert_eq!(refusal(&rig.path()), told, "{other}");
        assert!((rig.files(), modes(rig.dir.path())) == before, "{other}");
    }
    // While another program has it open, and after it crashed.
    let rig = Rig::new();
    let raw = rig.raw();
    raw.execute_batch(&format!("PRAGMA journal_mode = WAL; {recipes}")).unwrap();
    let (database, log) = rig.bytes();
    let crashed = Rig::of_bytes(&database, &log);
    for rig in [&rig, &crashed] {
        assert!(refusal(&rig.path()).contains("another database"));
        assert!(rig.bytes() == (database.clone(), log.clone()));
    }
}
