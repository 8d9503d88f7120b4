//! What each error answer means for a task.

use crate::client::{KEY, failure_of};
use crate::fixture;
use crate::server::{Reply, answer, stream_bytes};
use errand_model::failure::Charge;
use errand_task::facts::FailureKind::{self, NeedsPerson, Passing, Refused};
use serde_json::Value;

#[tokio::test]
async fn recorded_error_answers() {
    let expected: [(u16, FailureKind, Option<u64>); 14] = [
        (400, Refused, None),
        (400, NeedsPerson, None),
        (400, Refused, None),
        (401, NeedsPerson, None),
        (402, NeedsPerson, None),
        (403, NeedsPerson, None),
        (404, NeedsPerson, None),
        (409, Passing, None),
        (413, Refused, None),
        (429, Passing, Some(7_000)),
        (429, NeedsPerson, None),
        (500, Passing, None),
        (504, Passing, None),
        (529, Passing, None),
    ];
    let lines = fixture("errors.jsonl");
    assert_eq!(lines.lines().count(), expected.len());
    for (line, (status, kind, retry_after_ms)) in lines.lines().zip(expected) {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let headers: Vec<(&str, &str)> = recorded["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let failure = failure_of(answer(status, &headers, &recorded["body"].to_string())).await;
        assert_eq!(recorded["http_status"], status);
        assert_eq!(failure.failure.kind, kind, "{line}");
        assert_eq!(failure.failure.http_status, Some(status));
        assert_eq!(failure.failure.retry_after_ms, retry_after_ms, "{line}");
        assert_eq!(failure.charge, Charge::None);
        assert_eq!(failure.request_id.as_deref(), recorded["body"]["request_id"].as_str());
        let kind_said = recorded["body"]["error"]["type"].as_str().unwrap();
        let begin = format!(" answered {status}: {kind_said}: ");
        assert!(failure.failure.text.starts_with("127.0.0.1:") && failure.failure.text.contains(&begin), "{failure}");
        assert!(!failure.failure.text.ends_with('.') && !failure.hint.is_empty(), "{failure}");
    }
}

#[tokio::test]
async fn the_endpoint_knows_best_whether_to_retry() {
    for (status, headers, body, kind) in [
        (529, &[("x-should-retry", "false")][..], "", NeedsPerson),
        (400, &[("x-should-retry", "true")], "", Passing),
        (
            429,
            &[("x-should-retry", "true")],
            r#"{"error":{"type":"rate_limit_error","message":"m","details":{"error_code":"contract_spend_limit_reached"}}}"#,
            NeedsPerson,
        ),
        (
            429,
            &[],
            r#"{"error":{"type":"rate_limit_error","message":"m","details":{"error_code":"ramp_limit_exceeded"}}}"#,
            Passing,
        ),
        (
            400,
            &[],
            r#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
            NeedsPerson,
        ),
        (408, &[], "", Passing),
        (418, &[], "<html>teapot</html>", Refused),
        (502, &[], "<html>\n<h1>Bad Gateway</h1>", Passing),
        (407, &[], "", NeedsPerson),
    ] {
        let failure = failure_of(answer(status, headers, body)).await;
        assert_eq!(failure.failure.kind, kind, "{status} {body}");
    }
}

#[tokio::test]
async fn errors_in_the_middle_of_a_stream() {
    let start = r#"data: {"type":"message_start","message":{"id":"m","model":"claude-sonnet-5-5","usage":{"input_tokens":900,"output_tokens":1}}}"#;
    for (kind, expected) in [
        ("overloaded_error", Passing),
        ("api_error", Passing),
        ("timeout_error", Passing),
        ("rate_limit_error", Passing),
        ("error_of_the_future", Passing),
        ("invalid_request_error", Refused),
        ("authentication_error", NeedsPerson),
        ("billing_error", NeedsPerson),
    ] {
        let error = format!(r#"data: {{"type":"error","error":{{"type":"{kind}","message":"Over. {KEY}."}}}}"#);
        let failure = failure_of(Reply::Bytes(stream_bytes(&format!("{start}\n\n{error}\n\n")))).await;
        assert_eq!((failure.failure.kind, failure.failure.http_status), (expected, None), "{kind}");
        let end = format!(" broke the response off with {kind}: Over. [redacted key]");
        assert!(failure.failure.text.ends_with(&end), "{failure}");
        let Charge::Uncertain { partial } = failure.charge else { panic!("{kind}") };
        assert_eq!((partial.model.as_str(), partial.usage.input), ("claude-sonnet-5-5", 900));
    }
}

#[tokio::test]
async fn the_key_never_stands_in_an_error() {
    let in_header = format!("req_{KEY}");
    let json = format!(r#"{{"error":{{"type":"{KEY}","message":"bad key {KEY}"}},"request_id":"{KEY}"}}"#);
    let at_the_cut = format!("{}{KEY}", "x".repeat(290));
    let parted = format!("{}\n{}", &KEY[..9], &KEY[9..]);
    for body in [json.as_str(), &at_the_cut, KEY, &KEY[..12], &parted, &KEY.repeat(5_000)] {
        for status in [302, 401, 500] {
            let headers = [("request-id", in_header.as_str()), ("location", KEY)];
            let failure = failure_of(answer(status, &headers, body)).await;
            let all = format!("{failure} {failure:?}");
            assert!(!all.contains(KEY) && !all.contains(&KEY[..12]), "{all}");
            assert!(failure.failure.text.chars().count() < 400, "{all}");
        }
    }
    let page = format!("text/html; {KEY}");
    let failure = failure_of(answer(200, &[("content-type", page.as_str())], KEY)).await;
    assert!(!format!("{failure:?}").contains(KEY), "{failure:?}");
}
