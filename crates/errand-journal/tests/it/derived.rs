//! What is derived from events: the tasks' lines and the ledger, in the same transaction.

use crate::rig::{Rig, batch, interrupted, known, received, says, summary, usage};
use errand_journal::{Batch, LedgerRow};
use errand_task::event::{Event, ModelEvent};
use errand_task::facts::{FailureKind, RequestFailure};
use errand_task::id::{Seq, TaskId};
use errand_task::money::{Cost, Pico, Usage};

fn failed(uncertain: i64) -> Event {
    let failure =
        RequestFailure { kind: FailureKind::Passing, text: "cut".to_owned(), http_status: None, retry_after_ms: None };
    Event::Model(ModelEvent::Failed { step: 1, attempt: 1, failure, uncertain: Pico(uncertain) })
}

fn row(task: &str, seq: u64, at_ms: i64, settled: i64, uncertain: i64) -> LedgerRow {
    let is_settled = uncertain == 0;
    LedgerRow {
        task: TaskId::new(task),
        seq: Seq(seq),
        at_ms,
        model: if is_settled { "sonnet" } else { "" }.to_owned(),
        settled: Pico(settled),
        uncertain: Pico(uncertain),
        is_unpriced: is_settled && settled == 0,
        usage: if is_settled { usage() } else { Usage::default() },
    }
}

#[test]
fn everything_that_cost_or_may_have_is_in_the_ledger() {
    let rig = Rig::new();
    let journal = rig.open();
    let at = |task: &str, at_ms, events| Batch { at_ms, ..batch(task, events) };
    let unaffordable = Event::Model(ModelEvent::Unaffordable { step: 1, needed: Pico(9), left: Pico(1) });
    let events =
        vec![says("x"), received(known(70)), failed(0), failed(5), interrupted(0), interrupted(6), unaffordable];
    journal.append_batch("b", 0, at("b", 20, events)).unwrap();
    journal.append_batch("a", 0, at("a", 30, vec![received(Cost::Unknown)])).unwrap();
    journal.append_batch("c", 0, at("c", 10, vec![received(known(i64::MAX))])).unwrap();
    assert!(journal.append_batch("a", 0, at("a", 30, vec![received(known(1))])).is_err());
    let of_b = [row("b", 2, 20, 70, 0), row("b", 4, 20, 0, 5), row("b", 6, 20, 0, 6)];
    let mut all = vec![row("c", 1, 10, i64::MAX, 0)];
    all.extend(of_b.clone());
    all.push(row("a", 1, 30, 0, 0));
    assert_eq!(journal.ledger(None), all);
    assert_eq!(journal.ledger(Some("b")), of_b);
    assert_eq!(journal.ledger(Some("none")), []);
}

#[test]
fn each_task_has_one_line_newest_first() {
    let rig = Rig::new();
    let journal = rig.open();
    for (task, created_at_ms) in [("b", 10), ("a", 10), ("c", 20)] {
        let mut batch = batch(task, vec![says("begun")]);
        batch.summary.created_at_ms = created_at_ms;
        journal.append_batch(task, 0, batch).unwrap();
    }
    // When a task was created is said once.
    let mut later = batch("b", vec![says("later")]);
    later.summary.created_at_ms = 99;
    journal.append_batch("b", 1, later).unwrap();
    let expected = [("c", "begun"), ("a", "begun"), ("b", "later")];
    assert_eq!(journal.listed(), expected.map(|(task, note)| (task.to_owned(), note.to_owned())));
    let line = journal.summaries().remove(1);
    assert_eq!(line, errand_task::summary::Summary { created_at_ms: 10, ..summary("a", "begun") });
}

#[test]
fn a_removed_task_leaves_the_list_and_nothing_else() {
    let rig = Rig::with(&[("a", 2), ("b", 1)]);
    let journal = rig.open();
    journal.append_batch("a", 2, batch("a", vec![received(known(7))])).unwrap();
    let (events, costs) = (journal.read("a", 0), journal.ledger(Some("a")));
    journal.remove("a").unwrap();
    assert_eq!(journal.listed().len(), 1);
    assert_eq!((journal.read("a", 0), journal.ledger(Some("a"))), (events, costs.clone()));
    assert_eq!(journal.ledger(None), costs);
    for task in ["a", "none"] {
        assert_eq!(journal.remove(task), Err(format!("the journal has no task {task}")));
    }
    // An event that was on its way does not bring it back.
    journal.append("a", 3, &["late"]).unwrap();
    assert_eq!(journal.listed().len(), 1);
    journal.close();
    assert_eq!(rig.open().listed().len(), 1);
}

#[test]
fn a_removed_task_can_be_put_back() {
    let rig = Rig::with(&[("a", 2), ("b", 1)]);
    let journal = rig.open();
    let listed = journal.listed();
    assert_eq!(journal.removed(), []);
    journal.remove("a").unwrap();
    assert_eq!(journal.removed(), [("a".to_owned(), 5)]);
    journal.restore("a").unwrap();
    assert_eq!((journal.listed(), journal.removed()), (listed, vec![]));
    for task in ["a", "none"] {
        assert_eq!(journal.restore(task), Err(format!("the journal has no task {task}")), "it is not removed");
    }
}
