//! Appending: order, conflicts, many tasks at once, blobs, notices.

use crate::rig::{Journal, Rig, batch, blob, known, received, says};
use errand_journal::Store;
use errand_task::id::{Digest, Seq, TaskId};
use errand_task::state::Record;
use futures_util::future::join_all;
use std::sync::Arc;

fn texts(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|&(seq, text)| (seq, text.to_owned())).collect()
}

#[test]
fn what_is_appended_is_read() {
    let rig = Rig::new();
    let journal = rig.open();
    let appended = journal.append("a", 0, &["one", "two"]).unwrap();
    let record = |seq, text| Record { seq: Seq(seq), at_ms: 1_000, event: says(text) };
    assert_eq!(appended, [record(1, "one"), record(2, "two")]);
    assert_eq!(journal.append("a", 2, &["three"]).unwrap(), [record(3, "three")]);
    journal.append("b", 0, &["other"]).unwrap();
    for (task, after, expected) in [
        ("a", 0, Ok(texts(&[(1, "one"), (2, "two"), (3, "three")]))),
        ("a", 1, Ok(texts(&[(2, "two"), (3, "three")]))),
        ("a", 3, Ok(vec![])),
        ("a", 9, Ok(vec![])),
        ("b", 0, Ok(texts(&[(1, "other")]))),
        ("none", 0, Err("the journal has no task none".to_owned())),
    ] {
        assert_eq!(journal.read(task, after), expected, "{task} after {after}");
    }
    let stored = journal.wait(journal.store.records(&TaskId::new("a"), Seq(0))).unwrap();
    assert_eq!(stored, [record(1, "one"), record(2, "two"), record(3, "three")]);
}

#[test]
fn a_conflict_leaves_everything_as_it_was() {
    let rig = Rig::with(&[("a", 3), ("b", 1)]);
    let before = rig.dump();
    let journal = rig.open();
    let mut notices = journal.store.subscribe();
    for (task, expected, head) in
        [("a", 0, 3), ("a", 2, 3), ("a", 4, 3), ("a", u64::MAX, 3), ("b", 0, 1), ("new", 1, 0)]
    {
        let batch = errand_journal::Batch { blobs: vec![blob(b"text")], ..batch(task, vec![says("x")]) };
        let told = journal.append_batch(task, expected, batch);
        assert_eq!(told, Err(format!("task {task} is at event {head}, not at {expected}")));
    }
    assert_eq!(rig.dump(), before);
    assert!(Journal::told(&mut notices).is_empty());
    assert_eq!(journal.append("a", 3, &["four"]).unwrap().len(), 1);
}

#[test]
fn many_tasks_from_many_threads() {
    let rig = Rig::new();
    let journal = Arc::new(rig.open());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let journal = Arc::clone(&journal);
            scope.spawn(move || {
                for n in 0..12 {
                    for task in 0..3 {
                        let task = format!("t{thread}-{task}");
                        assert_eq!(journal.append(&task, n, &["x"]).unwrap().first().unwrap().seq, Seq(n + 1));
                    }
                }
            });
        }
    });
    let listed = journal.listed();
    assert_eq!(listed.len(), 24);
    for (task, _) in listed {
        assert_eq!(journal.read(&task, 0).unwrap().len(), 12, "{task}");
    }
}

#[test]
fn one_task_from_many_threads_has_no_gap_and_nothing_twice() {
    let rig = Rig::new();
    let journal = Arc::new(rig.open());
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let journal = Arc::clone(&journal);
            scope.spawn(move || {
                let mut n_done = 0;
                while n_done < 10 {
                    let head = journal.read("a", 0).map_or(0, |events| events.len() as u64);
                    let text = format!("{thread}/{n_done}");
                    match journal.append("a", head, &[&text]) {
                        Ok(_) => n_done += 1,
                        Err(told) => assert!(told.contains("is at event"), "{told}"),
                    }
                }
            });
        }
    });
    let mut events = journal.read("a", 0).unwrap();
    assert_eq!(events.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=60).collect::<Vec<_>>());
    events.sort_by(|a, b| a.1.cmp(&b.1));
    events.dedup_by(|a, b| a.1 == b.1);
    assert_eq!(events.len(), 60);
}

#[test]
fn a_failing_append_fails_alone_in_its_group() {
    let rig = Rig::with(&[("a", 1), ("b", 1), ("c", 1)]);
    let journal = rig.open();
    // While this one is written the others gather.
    let large = errand_journal::Batch { blobs: vec![blob(&vec![7; 20 << 20])], ..batch("slow", vec![says("x")]) };
    let append = |task: &str, expected| {
        journal.store.append(&TaskId::new(task), Seq(expected), batch(task, vec![says(&format!("{task}!"))]))
    };
    let slow = journal.store.append(&TaskId::new("slow"), Seq(0), large);
    let group = [append("a", 1), append("b", 0), append("c", 1), append("a", 1), append("a", 2), append("d", 0)];
    let removed = journal.store.remove(&TaskId::new("none"), 1);
    let told = journal.wait(join_all(group));
    assert!(journal.wait(slow).is_ok());
    assert_eq!(journal.wait(removed).unwrap_err().to_string(), "the journal has no task none");
    let told: Vec<_> =
        told.into_iter().map(|told| told.map(|records| records.len()).map_err(|error| error.to_string())).collect();
    assert_eq!(
        told,
        [
            Ok(1),
            Err("task b is at event 1, not at 0".to_owned()),
            Ok(1),
            Err("task a is at event 2, not at 1".to_owned()),
            Ok(1),
            Ok(1),
        ]
    );
    assert_eq!(journal.read("a", 1), Ok(texts(&[(2, "a!"), (3, "a!")])));
    assert_eq!(journal.read("b", 1), Ok(vec![]));
}

#[test]
fn a_second_writer_of_the_file_is_a_conflict_and_no_more() {
    let rig = Rig::with(&[("a", 1), ("b", 1)]);
    let (one, two) = (rig.open(), rig.open());
    one.append("a", 1, &["by one"]).unwrap();
    two.append("a", 2, &["by two"]).unwrap();
    let stale = one.store.append(&TaskId::new("a"), Seq(2), batch("a", vec![says("stale")]));
    let other = one.store.append(&TaskId::new("b"), Seq(1), batch("b", vec![says("fine")]));
    let told = one.wait(join_all([stale, other]));
    let told: Vec<_> = told.into_iter().map(|told| told.map(drop).map_err(|error| error.to_string())).collect();
    assert_eq!(told, [Err("task a is at event 3, not at 2".to_owned()), Ok(())]);
    one.append("a", 3, &["by one again"]).unwrap();
    assert_eq!(two.read("a", 1), Ok(texts(&[(2, "by one"), (3, "by two"), (4, "by one again")])));
}

#[test]
fn an_append_that_cannot_be_written_leaves_nothing_and_stops_no_other() {
    let rig = Rig::with(&[("a", 1), ("b", 1), ("c", 1)]);
    // Its second event will cost something, and there is a cost already.
    rig.sql("INSERT INTO ledger VALUES ('b', 2, 0, '', 0, 0, 0, '{}')");
    rig.sql("UPDATE events SET checksum = zeroblob(15) WHERE task = 'c'");
    let before: Vec<_> = rig.dump().into_iter().filter(|row| !row.contains("Text(\"a\")")).collect();
    let journal = rig.open();
    let mut notices = journal.store.subscribe();
    // While this one is written the others gather.
    let slow = errand_journal::Batch { blobs: vec![blob(&vec![7; 20 << 20])], ..batch("a", vec![says("slow")]) };
    let append = |task: &str, expected, batch| journal.store.append(&TaskId::new(task), Seq(expected), batch);
    let costly = errand_journal::Batch { blobs: vec![blob(b"text")], ..batch("b", vec![received(known(1))]) };
    let group = [
        append("a", 1, slow),
        append("a", 2, batch("a", vec![says("before")])),
        append("b", 1, costly),
        append("c", 1, batch("c", vec![says("x")])),
        append("a", 3, batch("a", vec![says("after")])),
    ];
    let told = journal.wait(join_all(group));
    let told: Vec<_> = told.into_iter().map(|told| told.map(drop).map_err(|error| error.to_string())).collect();
    let unwritten = "the journal cannot be written: UNIQUE constraint failed: ledger.task, ledger.seq";
    let damaged = "the journal of task c is damaged at event 1";
    assert_eq!(told, [Ok(()), Ok(()), Err(unwritten.to_owned()), Err(damaged.to_owned()), Ok(())]);
    assert_eq!(journal.read("a", 1), Ok(texts(&[(2, "slow"), (3, "before"), (4, "after")])));
    assert_eq!(journal.read("b", 0), Ok(texts(&[(1, "b says 1")])));
    assert_eq!(journal.blob(&Digest::of(b"text")), Err(format!("the journal has no text {}", Digest::of(b"text"))));
    let large = Digest::of(&vec![7; 20 << 20]);
    let is_other = |row: &String| !row.contains("Text(\"a\")") && !row.contains(large.as_str());
    assert_eq!(rig.dump().into_iter().filter(is_other).collect::<Vec<_>>(), before);
    let last = std::iter::from_fn(|| journal.wait(notices.recv()).ok()).find(|notice| notice.head == Seq(4));
    assert_eq!(last.unwrap().task.as_str(), "a");
}

#[test]
fn texts_are_stored_once() {
    let rig = Rig::new();
    let journal = rig.open();
    let long = "long ".repeat(1_000).into_bytes();
    let nul = b"a\0b\xff".to_vec();
    for n in 0..3 {
        let blobs = vec![blob(&long), blob(&nul), blob(&long), blob(b"")];
        let batch = errand_journal::Batch { blobs, ..batch("a", vec![says("x")]) };
        journal.append_batch("a", n, batch).unwrap();
    }
    for bytes in [long.as_slice(), &nul, b""] {
        assert_eq!(journal.blob(&Digest::of(bytes)), Ok(bytes.to_vec()));
    }
    assert_eq!(rig.dump().iter().filter(|row| row.starts_with("blobs")).count(), 3);
    let none = Digest::of(b"none");
    assert_eq!(journal.blob(&none), Err(format!("the journal has no text {none}")));
}

#[test]
fn a_batch_without_events_changes_the_line_alone() {
    let rig = Rig::with(&[("a", 1)]);
    let journal = rig.open();
    assert_eq!(journal.append("a", 1, &[]), Ok(vec![]));
    assert_eq!(journal.listed(), [("a".to_owned(), "nothing".to_owned())]);
    assert_eq!(journal.read("a", 0).unwrap().len(), 1);
}

#[test]
fn listeners_are_told_after_the_commit() {
    let rig = Rig::new();
    let journal = rig.open();
    let mut notices = journal.store.subscribe();
    journal.append("a", 0, &["one", "two"]).unwrap();
    journal.append("b", 0, &["one"]).unwrap();
    assert!(journal.append("b", 0, &["again"]).is_err());
    journal.append("a", 2, &["three"]).unwrap();
    let notice = journal.wait(notices.recv()).unwrap();
    assert_eq!((notice.task.as_str(), notice.head), ("a", Seq(2)));
    // A notice may come a moment after the answer.
    let mut told = Vec::new();
    while told.len() < 2 {
        let notice = journal.wait(notices.recv()).unwrap();
        told.push(format!("{}@{}", notice.task, notice.head));
    }
    assert_eq!(told, ["b@1", "a@3"]);
    assert!(Journal::told(&mut journal.store.subscribe()).is_empty());
    // What a notice tells of can be read.
    assert_eq!(journal.read("a", 2), Ok(texts(&[(3, "three")])));
}

#[test]
fn a_slow_listener_misses_notices_not_events() {
    use tokio::sync::broadcast::error::TryRecvError;
    let rig = Rig::new();
    let journal = rig.open();
    let mut notices = journal.store.subscribe();
    let appends = (0..2_000).map(|n| journal.store.append(&TaskId::new("a"), Seq(n), batch("a", vec![says("x")])));
    assert!(journal.wait(join_all(appends)).iter().all(Result::is_ok));
    assert!(matches!(notices.try_recv(), Err(TryRecvError::Lagged(_))));
    assert_eq!(journal.read("a", 0).unwrap().len(), 2_000);
}
