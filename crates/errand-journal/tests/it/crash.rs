//! The writer killed at any moment, and a full disk: what was acknowledged is there.

use crate::rig::{Journal, Rig, again, batch, blob, child, known, received, says};
use errand_journal::{Batch, Store};
use errand_task::id::{Seq, TaskId};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

const TASKS: [&str; 4] = ["a", "b", "c", "d"];

/// Appends to four tasks at once for ever and tells each acknowledged event on a line.
fn write_for_ever(journal: &Journal) {
    let mut heads: BTreeMap<_, _> =
        TASKS.map(|task| (task, journal.read(task, 0).map_or(0, |events| events.len() as u64))).into();
    let mut out = std::io::stdout();
    loop {
        let appends = heads.iter().map(|(task, head)| {
            let blobs = vec![blob(format!("{task}{head}").repeat(100).as_bytes())];
            let events = vec![says(&format!("{task} {}", head + 1)), received(known(1))];
            journal.store.append(&TaskId::new(*task), Seq(*head), Batch { blobs, ..batch(task, events) })
        });
        let told = journal.wait(join_all(appends));
        for (told, (task, head)) in told.into_iter().zip(&mut heads) {
            *head = told.unwrap().last().unwrap().seq.0;
            writeln!(out, "on-disk {task} {head}").unwrap();
            out.flush().unwrap();
        }
    }
}

#[test]
fn a_killed_writer_loses_nothing_it_acknowledged() {
    if let Some((_, path)) = child() {
        write_for_ever(&Journal::open(&path).unwrap());
    }
    let rig = Rig::new();
    let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
    for n_lines in [1, 7, 40, 41, 90, 200] {
        let mut writer = again("", "crash::a_killed_writer_loses_nothing_it_acknowledged", "write", &rig.path());
        let mut writer = writer.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut hear = |line: String| {
            // The harness writes on the same line.
            let Some((_, said)) = line.split_once("on-disk ") else { return false };
            let (task, head) = said.split_once(' ').unwrap();
            acknowledged.insert(task.to_owned(), head.parse().unwrap());
            true
        };
        let mut n_heard = 0;
        while n_heard < n_lines {
            n_heard += u32::from(hear(lines.next().unwrap().unwrap()));
        }
        writer.kill().unwrap();
        // What it told before it died counts; the last line may be cut.
        for line in lines.map_while(Result::ok) {
            if line.split(' ').count() >= 3 && line.ends_with(|c: char| c.is_ascii_digit()) {
                hear(line);
            }
        }
        writer.wait().unwrap();
        let journal = rig.open();
        for (task, &head) in &acknowledged {
            let events = journal.read(task, 0).unwrap();
            assert!(events.len() as u64 >= head, "{task}: {} of {head} events", events.len());
            assert_eq!(events.len() % 2, 0, "{task}: half a batch");
            for (n, event) in (1..).zip(&events) {
                let text = if n % 2 == 1 { format!("{task} {n}") } else { "model.received".to_owned() };
                assert_eq!(*event, (n, text));
            }
            assert_eq!(journal.ledger(Some(task)).len(), events.len() / 2, "{task}: events and their costs");
        }
        let blobs = acknowledged.iter().map(|(task, head)| format!("{task}{}", head - 2).repeat(100));
        blobs.for_each(|text| drop(journal.blob(&errand_task::id::Digest::of(text.as_bytes())).unwrap()));
    }
}

/// Writes until the disk is full, then says how it was told and how many events were acknowledged.
fn fill(path: &std::path::Path) {
    let journal = Journal::open(path).unwrap();
    let mut head = 0;
    let told = loop {
        let blobs = vec![blob(format!("{head} ").repeat(20_000).as_bytes())];
        match journal.append_batch("a", head, Batch { blobs, ..batch("a", vec![says("x")]) }) {
            Ok(_) => head += 1,
            Err(told) => break told,
        }
        assert!(head < 1_000, "the disk is never full");
    };
    // It can still be read, and does not acknowledge what it could not write.
    assert_eq!(journal.read("a", 0).unwrap().len() as u64, head);
    let again = journal.append("a", head, &[&"y".repeat(100_000)]);
    assert!(again.is_err(), "{again:?}");
    println!("\nfull {head} {told}");
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    if let Some((_, path)) = child() {
        fill(&path);
        return;
    }
    let rig = Rig::new();
    // A file may have so many blocks; the signal would kill it.
    let mut writer =
        again("trap '' XFSZ; ulimit -f 2000;", "crash::a_full_disk_is_told_and_loses_nothing", "fill", &rig.path());
    let mut writer = writer.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    writer.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(writer.wait().unwrap().success(), "{said}");
    let full = said.lines().find_map(|line| line.strip_prefix("full ")).unwrap();
    let (head, told) = full.split_once(' ').unwrap();
    assert!(told.starts_with("the journal cannot be written: "), "{told}");
    let journal = rig.open();
    let head: u64 = head.parse().unwrap();
    assert_eq!(journal.read("a", 0).unwrap().len() as u64, head);
    assert!(journal.append("a", head, &["there is room again"]).is_ok());
}

#[test]
fn a_locked_file_is_told_as_such() {
    let rig = Rig::with(&[("a", 1)]);
    let journal = rig.open();
    let raw = rig.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    // SQLite waits five seconds. Whatever waited with the first is told the same.
    let append = |task: &str, expected| {
        let batch = batch(task, vec![says("x")]);
        journal.store.append(&TaskId::new(task), Seq(expected), batch)
    };
    let told = journal.wait(join_all([append("a", 1), append("b", 0), append("c", 0)]));
    raw.execute_batch("ROLLBACK").unwrap();
    for told in told {
        let told = told.unwrap_err().to_string();
        assert_eq!(told, "the journal cannot be written: database is locked");
    }
    assert!(journal.append("a", 1, &["x"]).is_ok());
}
