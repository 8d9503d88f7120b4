//! What is stored comes back as it was; what this version does not know is an error, never a panic.

use crate::life::*;
use errand_task::event::Event;
use errand_task::facts::{FailureKind, Phase, Stop};
use errand_task::report::Outcome;
use errand_task::state::Record;
use errand_task::verdict::Verdict;
use serde_json::{Map, Value};

/// A life with most kinds of events in it.
fn rich() -> Life {
    Life::begun(draft(&["make"], &[], Some("t")))
        .requested()
        .then(failed(1, FailureKind::Passing, Some(3)))
        .edits()
        .runs(1, exited(0))
        .files(with_cause())
        .then(inspected())
        .then(checked(Phase::Result, 0, "make", exited(1)))
        .then(not_provable("no test"))
        .record()
        .stops(Stop::Refusal { category: Some("x".to_owned()) })
        .then(jobs_ended(vec![run(2, None)]))
        .then(nudged("go on"))
        .then(says("more"))
        .then(unaffordable(4, PRICE, RESERVED))
        .files(report(Outcome::Partial))
        .then(stop())
        .then(interrupted(4, 1, RESERVED))
        .then(parked("a", "b"))
        .then(completed(Verdict::ChecksFailed))
        .then(prepare_failed())
}

#[test]
fn every_event_comes_back_as_it_was() {
    for Record { event, .. } in rich().records {
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event, "{json}");
        // By its name in the journal.
        let (subject, kind) = event.kind().split_once('.').unwrap();
        assert!(json.starts_with(&format!("{{\"{subject}\":")) && json.contains(&format!("\"{kind}\"")), "{json}");
    }
}

fn refused(json: &str) -> bool {
    serde_json::from_str::<Event>(json).is_err()
}

#[test]
fn what_is_not_known_is_an_error() {
    let submitted = serde_json::to_string(&rich().records[0].event).unwrap();
    let with = |from: &str, to: &str| {
        let changed = submitted.replacen(from, to, 1);
        assert_ne!(changed, submitted, "{from} is not in {submitted}");
        changed
    };
    for json in [
        "",
        "null",
        "{}",
        "[]",
        "\"task\"",
        r#"{"task":{}}"#,
        r#"{"task":{"begun":{}}}"#,
        r#"{"weather":{"rained":{}}}"#,
        r#"{"person":"danced"}"#,
        r#"{"person":{"replied":{}}}"#,
        r#"{"person":{"replied":{"text":7}}}"#,
        r#"{"person":{"budget_raised":{"dollars":1.5}}}"#,
        r#"{"person":{"budget_raised":{"dollars":9223372036854775808}}}"#,
        r#"{"task":{"ended":{"end":{"completed":{"verdict":"wonderful"}}}}}"#,
        r#"{"person":"resumed","task":{}}"#,
        &with("\"mode\":\"change\"", "\"mode\":\"dream\""),
        &with("\"mode\":", "\"mood\":"),
        &with("\"repeat\":1", "\"repeat\":-1"),
        &with("\"repeat\":1", "\"repeat\":4294967296"),
        &with("\"repeat\":1", "\"repeat\":1,\"times\":2"),
        &with("\"steps\":80", "\"steps\":80,\"hours\":1"),
        &submitted[..submitted.len() - 1],
        &"[".repeat(100_000),
    ] {
        assert!(refused(json), "{}", &json[..json.len().min(200)]);
    }
}

/// An older errand reads on where a newer one added a field.
#[test]
fn a_field_of_an_event_that_is_not_known_is_ignored() {
    for (newer, known) in [
        (r#"{"person":{"replied":{"text":"x","only_if":"y"}}}"#, says("x")),
        (r#"{"task":{"parked":{"text":"x","hint":"y","until":3}}}"#, parked("x", "y")),
        (r#"{"finish":{"nudged":{"text":"x","reason":{"deep":[1]}}}}"#, nudged("x")),
        (r#"{"workspace":{"prepared":{"root":"/w","tree":"t0","duration_ms":1,"is_partial":true}}}"#, prepared()),
    ] {
        assert_eq!(serde_json::from_str::<Event>(newer).unwrap(), known, "{newer}");
    }
}

/// Each object of each event takes a field that is not known; only the terms of a contract are all or nothing.
#[test]
fn what_events_carry_takes_new_fields_as_well() {
    for Record { event, .. } in rich().records {
        let kind = event.kind();
        let value = serde_json::to_value(&event).unwrap();
        let newer = with_new_fields(value);
        let read = serde_json::from_value::<Event>(newer.clone());
        if kind == "task.submitted" {
            assert!(read.is_err(), "a term that is not known was dropped");
        } else {
            assert_eq!(read.unwrap(), event, "{newer}");
        }
    }
}

/// Adds a field to every object, but not to those that name a variant: they have one key.
fn with_new_fields(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let names_a_variant = object.len() == 1;
            let mut object: Map<_, _> = object.into_iter().map(|(key, value)| (key, with_new_fields(value))).collect();
            if !names_a_variant {
                object.insert("is_new".to_owned(), Value::Bool(true));
            }
            Value::Object(object)
        }
        Value::Array(items) => items.into_iter().map(with_new_fields).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// What an older errand wrote: fields that came later mean none.
#[test]
fn what_was_not_written_yet_means_none() {
    let without = |event: Event, field: &str| {
        let json = serde_json::to_string(&event).unwrap();
        let older = json.replace(field, "");
        assert_ne!(older, json, "{field} is not in {json}");
        assert_eq!(serde_json::from_str::<Event>(&older).unwrap(), event, "{older}");
    };
    without(inspected(), r#","blemishes":[]"#);
    let counted = serde_json::to_string(&checked(Phase::Result, 0, "make", exited(0))).unwrap();
    assert!(!counted.contains("totals"), "{counted}");
}
