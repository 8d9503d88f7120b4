//! Damage: in a row, in the file, in the log. A journal gives a prefix of what was acknowledged or says what is wrong,
//! never more and never a gap.

use crate::rig::{Journal, Rig, batch, blob, says, submitted, summary};
use errand_journal::Batch;
use errand_task::event::Event;
use errand_task::id::{Digest, Seq, TaskId};
use errand_task::state::{Record, State};
use errand_task::summary::Summary;
use errand_task::verdict::Status;

/// Reads task `a`, which had five events, after this was done to the file.
fn check(sql: &str, after: u64, expected: Result<usize, &str>) {
    let rig = Rig::with(&[("a", 5), ("b", 5)]);
    rig.sql(sql);
    let journal = rig.open();
    let told = journal.read("a", after).map(|events| events.len());
    assert_eq!(told, expected.map_err(str::to_owned), "{sql} after {after}");
    assert_eq!(journal.read("b", 0).map(|events| events.len()), Ok(5), "the other task: {sql}");
}

const AT_3: Result<usize, &str> = Err("the journal of task a is damaged at event 3");

#[test]
fn damage_in_the_middle_is_told_with_its_number() {
    let third = "WHERE task = 'a' AND seq = 3";
    check("SELECT 1", 0, Ok(5));
    check(&format!("UPDATE events SET body = replace(body, 'says', 'said') {third}"), 0, AT_3);
    check(&format!("UPDATE events SET body = replace(body, 'says', 'said') {third}"), 2, AT_3);
    check(&format!("UPDATE events SET body = '' {third}"), 0, AT_3);
    check(&format!("UPDATE events SET at_ms = at_ms + 1 {third}"), 0, AT_3);
    check(&format!("UPDATE events SET checksum = zeroblob(16) {third}"), 0, AT_3);
    check(&format!("DELETE FROM events {third}"), 0, AT_3);
    check(&format!("DELETE FROM events {third}"), 2, AT_3);
    check(&format!("UPDATE events SET seq = 30 {third}"), 0, AT_3);
    // Asked from the missing one on, the next cannot be told from a changed one.
    check(&format!("DELETE FROM events {third}"), 3, Err("the journal of task a is damaged at event 4"));
    check("DELETE FROM events WHERE task = 'a' AND seq = 1", 0, Err("the journal of task a is damaged at event 1"));
    check(
        "UPDATE events SET seq = 9 WHERE task = 'a' AND seq = 5",
        0,
        Err("the journal of task a is damaged at event 5"),
    );
    check(
        "UPDATE events SET body = (SELECT body FROM events WHERE task = 'a' AND seq = 4) WHERE task = 'a' AND seq = 3",
        0,
        AT_3,
    );
}

#[test]
fn damage_to_the_kind_of_a_value_is_told_with_its_number() {
    let third = "WHERE task = 'a' AND seq = 3";
    check(&format!("UPDATE events SET body = CAST(x'7b22ff22' AS TEXT) {third}"), 0, AT_3);
    check(&format!("UPDATE events SET checksum = zeroblob(15) {third}"), 0, AT_3);
    check(&format!("UPDATE events SET checksum = zeroblob(15) {third}"), 3, AT_3);
}

#[test]
fn an_event_of_another_task_is_damage() {
    let rig = Rig::with(&[("a", 2), ("b", 2)]);
    rig.sql("UPDATE events SET task = 'c' WHERE task = 'a'; UPDATE events SET task = 'a' WHERE task = 'b'");
    assert_eq!(rig.open().read("a", 0), Err("the journal of task a is damaged at event 1".to_owned()));
}

#[test]
fn a_changed_text_is_told() {
    let rig = Rig::new();
    let journal = rig.open();
    let text = b"what the model said";
    journal.append_batch("a", 0, Batch { blobs: vec![blob(text)], ..batch("a", vec![says("x")]) }).unwrap();
    journal.close();
    rig.sql("UPDATE blobs SET bytes = CAST('what it never said' AS BLOB)");
    let digest = Digest::of(text);
    assert_eq!(rig.open().blob(&digest), Err(format!("the text {digest} in the journal is damaged")));
}

#[test]
fn a_damaged_line_does_not_hide_the_others() {
    let rig = Rig::with(&[("a", 1), ("b", 1)]);
    let journal = rig.open();
    let begun = [submitted(), says("and more")];
    let record = |(seq, event): (u64, &Event)| Record { seq: Seq(seq), at_ms: 1_000, event: event.clone() };
    let records: Vec<_> = (1..).zip(&begun).map(record).collect();
    let line = Summary::of(&State::fold(TaskId::new("c"), &records).unwrap());
    journal.append_batch("c", 0, Batch { summary: line.clone(), ..batch("c", begun.to_vec()) }).unwrap();
    for broken in ["'{}'", "''", "CAST(x'7b22ff22' AS TEXT)"] {
        rig.sql(&format!("UPDATE tasks SET summary = {broken} WHERE id <> 'b'"));
        let told = journal.summaries();
        // It is made again from the events.
        assert_eq!(told[2], line);
        assert_eq!(told[1], summary("b", "b says 1"));
        // Its events do not begin with a submission.
        let (status, note) = (told[0].status, told[0].note.as_str());
        assert_eq!((told[0].id.as_str(), status), ("a", Status::Failed));
        assert_eq!(note, "the journal of task a is damaged at event 1");
    }
    rig.sql("UPDATE events SET at_ms = 7 WHERE task = 'c' AND seq = 2");
    assert_eq!(journal.summaries()[2].note, "the journal of task c is damaged at event 2");
}

/// A journal of twelve acknowledged events, some in the database and some only in its log: the bytes of both.
fn torn() -> (Vec<u8>, Vec<u8>) {
    let rig = Rig::with(&[("a", 4)]);
    let journal = rig.open();
    for n in 4..12 {
        let blobs = vec![blob(&vec![n as u8; 700 * n as usize])];
        let batch = Batch { blobs, ..batch("a", vec![says(&format!("a says {}", n + 1))]) };
        journal.append_batch("a", n, batch).unwrap();
    }
    rig.bytes()
}

/// How many events are left of the twelve; `None` when damage was told.
fn left(database: &[u8], log: &[u8]) -> Option<usize> {
    let rig = Rig::of_bytes(database, log);
    let journal = Journal::open(&rig.path()).ok()?;
    let events = match journal.read("a", 0) {
        Ok(events) => events,
        Err(told) if told == "the journal has no task a" => Vec::new(),
        Err(_) => return None,
    };
    for (n, event) in (1..).zip(&events) {
        assert_eq!(*event, (n, format!("a says {n}")));
    }
    assert!(events.len() <= 12);
    // What is there can be gone on from.
    if !events.is_empty() {
        let n = events.len() as u64;
        journal.append("a", n, &[&format!("a says {}", n + 1)]).unwrap();
        assert_eq!(journal.read("a", 0).unwrap().len(), events.len() + 1);
    }
    Some(events.len())
}

#[test]
fn a_log_cut_anywhere_is_a_prefix() {
    let (database, log) = torn();
    assert_eq!(left(&database, &log), Some(12));
    assert_eq!(left(&database, b""), Some(4));
    let page = 4_096 + 24;
    let n_frames = log.len() / page;
    // At each frame, a byte before and after it, and in its middle.
    let cuts = (0..=n_frames).flat_map(|n| [n * page + 31, n * page + 32, n * page + 33, n * page + 2_000]);
    let mut seen = 0;
    for cut in cuts.filter(|&cut| cut <= log.len()) {
        let n_left = left(&database, &log[..cut]).unwrap_or_else(|| panic!("cut to {cut}: a torn tail is no damage"));
        assert!((seen..=12).contains(&n_left), "cut to {cut}: {n_left} after {seen}");
        seen = n_left;
    }
    assert_eq!(seen, 12);
}

#[test]
fn a_flipped_bit_in_the_log_is_a_prefix() {
    let (database, log) = torn();
    for at in (0..log.len()).step_by(log.len() / 60) {
        let mut log = log.clone();
        log[at] ^= 0x10;
        let n_left = left(&database, &log);
        assert!(n_left.is_none_or(|n| (4..=12).contains(&n)), "flipped at {at}: {n_left:?}");
    }
    // What stands behind the end is not read.
    let longer = [log.as_slice(), &log[32..5_000]].concat();
    assert_eq!(left(&database, &longer), Some(12));
}

#[test]
fn a_database_cut_anywhere_is_a_prefix_or_damage() {
    let (database, log) = torn();
    for cut in (1..database.len()).step_by(database.len() / 40) {
        for log in [log.as_slice(), b""] {
            let n_left = left(&database[..cut], log);
            assert!(n_left.is_none_or(|n| n <= 12), "cut to {cut}: {n_left:?}");
        }
    }
}

#[test]
fn a_flipped_bit_in_the_database_is_the_same_events_or_damage() {
    let rig = Rig::with(&[("a", 12)]);
    let (database, _) = rig.bytes();
    for at in (0..database.len()).step_by(database.len() / 150) {
        let mut database = database.clone();
        database[at] ^= 0x04;
        let n_left = left(&database, b"");
        assert!(n_left.is_none_or(|n| n == 12), "flipped at {at}: {n_left:?} events, and nobody was told");
    }
}
