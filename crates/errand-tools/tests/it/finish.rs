//! `finish`: a well-formed report is filed; everything else is answered with every mistake.

use crate::rig::Rig;
use errand_task::report::{Cause, ChangeClaim, Outcome, Report, TestClaim};

const ALL: &str = "the arguments are: outcome, summary, cause, changes, tests, checks, not_checked, risks, assumptions, \
                   exceptions, side_findings, document";

fn minimal(outcome: Outcome) -> Report {
    Report {
        outcome,
        summary: "s".to_owned(),
        cause: None,
        changes: Vec::new(),
        tests: Vec::new(),
        checks: Vec::new(),
        not_checked: Vec::new(),
        risks: Vec::new(),
        assumptions: Vec::new(),
        exceptions: Vec::new(),
        side_findings: Vec::new(),
        document: None,
    }
}

#[test]
fn well_formed_reports_are_filed() {
    let rig = Rig::new();
    let one = || vec!["x".to_owned()];
    let whole = Report {
        cause: Some(Cause { text: "t".to_owned(), places: vec!["a.rs:1".to_owned()] }),
        changes: vec![ChangeClaim { path: "a.rs".to_owned(), what: "w".to_owned() }],
        tests: vec![TestClaim { name: "n".to_owned(), proves: "p".to_owned() }],
        checks: vec![1, 2],
        not_checked: one(),
        risks: one(),
        assumptions: one(),
        exceptions: one(),
        side_findings: one(),
        document: Some("d".to_owned()),
        ..minimal(Outcome::Done)
    };
    for (input, expected) in [
        (r#"{"outcome":"done","summary":"s"}"#, minimal(Outcome::Done)),
        (r#"{"outcome":"partial","summary":"s","checks":[]}"#, minimal(Outcome::Partial)),
        (r#"{"outcome":"blocked","summary":"s","cause":null}"#, minimal(Outcome::Blocked)),
        (r#"{"outcome":"nothing_to_change","summary":"s"}"#, minimal(Outcome::NothingToChange)),
        (
            r#"{"outcome":"done","summary":"s","cause":{"text":"t","places":["a.rs:1"]},"changes":[{"path":"a.rs","what":"w"}],"tests":[{"name":"n","proves":"p"}],"checks":[1,2],"not_checked":["x"],"risks":["x"],"assumptions":["x"],"exceptions":["x"],"side_findings":["x"],"document":"d"}"#,
            whole,
        ),
    ] {
        let output = rig.output("finish", input);
        assert_eq!((output.filed, output.is_error, output.text.as_str()), (Some(expected), false, ""), "{input}");
    }
}

#[test]
fn every_mistake_is_named() {
    let rig = Rig::new();
    for (input, expected) in [
        ("{}", format!("`outcome` is missing, `summary` is missing; {ALL}")),
        (r#"{"outcome":"done"}"#, format!("`summary` is missing; {ALL}")),
        (
            r#"{"result":"done","text":"s","summary":"s"}"#,
            format!("there is no argument `result`, there is no argument `text`, `outcome` is missing; {ALL}"),
        ),
    ] {
        rig.check("finish", input, &format!("ERROR {expected}"));
    }
    for (input, named) in [
        (
            r#"{"outcome":"perfect","summary":"s"}"#,
            "outcome: must be one of done, partial, blocked, nothing_to_change, is the string `perfect`",
        ),
        (r#"{"outcome":"done","summary":"s","cause":"text"}"#, "cause: must be an object, is the string `text`"),
        (r#"{"outcome":"done","summary":"s","cause":{"text":"t"}}"#, "`cause.places` is missing"),
        (
            r#"{"outcome":"done","summary":"s","changes":[{"path":"a","what":"w","why":"x"}]}"#,
            "there is no argument `changes[0].why` (there are path, what)",
        ),
        (
            r#"{"outcome":"done","summary":7,"checks":[1,-1,"2"]}"#,
            "summary: must be a string, is the number 7, checks[1]: must be a whole number from 0 to 4294967295, is the number -1, checks[2]: must be a whole number from 0 to 4294967295, is the string `2`",
        ),
        (r#"{"outcome":"done","summary":"s","checks":"1"}"#, "checks: must be an array, is the string `1`"),
    ] {
        let output = rig.output("finish", input);
        assert!(output.is_error && output.filed.is_none() && output.text.contains(named), "{input}: {}", output.text);
    }
    let large = format!(r#"{{"outcome":"done","summary":"{}"}}"#, "x".repeat(256 << 10));
    rig.check("finish", &large, "ERROR the report is larger than 262144 bytes; shorten it");
}

#[test]
fn a_wrong_value_is_told_with_its_argument() {
    let rig = Rig::new();
    for (input, argument) in [
        (r#"{"outcome":"done","summary":7}"#, "summary"),
        (r#"{"outcome":"done","summary":"s","checks":[-1]}"#, "checks"),
        (r#"{"outcome":"done","summary":"s","risks":"none"}"#, "risks"),
    ] {
        let told = rig.told("finish", input);
        let (problem, _) = told.split_once("; the arguments are").unwrap();
        assert!(problem.contains(argument), "{problem} does not name {argument}");
    }
}
