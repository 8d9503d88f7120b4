//! The client against a scripted server: what is sent, what is refused, and what breaks how.

use crate::fixture;
use crate::server::{Reply, Server, answer, answer_bytes, stream_bytes};
use errand_model::anthropic::ListedModel;
use errand_model::client::{Client, ClientOptions};
use errand_model::failure::{Charge, SendFailure};
use errand_model::response::{Progress, Response};
use errand_task::facts::{Endpoint, FailureKind, Stop};
use errand_task::id::CredentialId;
use secrecy::SecretString;
use std::collections::HashSet;
use std::pin::Pin;
use std::time::Duration;

pub const KEY: &str = "sk-test-0123456789abcdef";

fn options() -> ClientOptions {
    ClientOptions { max_response_bytes: 100_000, max_event_bytes: 20_000, ..ClientOptions::standard() }
}

fn endpoint(base_url: &str) -> Endpoint {
    Endpoint { base_url: base_url.to_owned(), credential: CredentialId::new("test") }
}

async fn send(options: ClientOptions, base_url: &str) -> Result<Response, SendFailure> {
    let client = Client::new(options).unwrap();
    client.send(&endpoint(base_url), &SecretString::from(KEY), b"{\"n\":1}".to_vec(), HashSet::new(), &mut |_| {}).await
}

/// What one request fails of when the server plays `reply`.
pub async fn failure_of(reply: Reply) -> SendFailure {
    let server = Server::start(vec![reply]).await;
    send(options(), &server.base_url).await.unwrap_err()
}

#[tokio::test]
async fn one_request_and_its_response() {
    let server = Server::start(vec![Reply::Bytes(stream_bytes(&fixture("stream-parallel-tools.sse")))]).await;
    let client = Client::new(options()).unwrap();
    let mut n_bytes = 0;
    let mut progress = |news: Progress<'_>| {
        if let Progress::Received { n_bytes: n } = news {
            n_bytes = n;
        }
    };
    let key = SecretString::from(KEY);
    let endpoint = endpoint(&server.base_url);
    // A worker may run on any thread.
    let sending: Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(client.send(&endpoint, &key, b"{\"n\":1}".to_vec(), HashSet::new(), &mut progress));
    let response = sending.await.unwrap();
    assert_eq!((response.stop, response.calls.len()), (Stop::ToolUse, 3));
    assert_eq!(n_bytes as usize, fixture("stream-parallel-tools.sse").len());
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().filter(|line| !line.starts_with("host: ")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "POST /v1/messages HTTP/1.1",
            "accept: text/event-stream",
            "anthropic-version: 2026-10-21",
            "content-length: 7",
            "content-type: application/json",
            &format!("user-agent: errand/{}", env!("CARGO_PKG_VERSION")),
            &format!("x-api-key: {KEY}"),
        ]
    );
    assert_eq!(body, "{\"n\":1}");
}

#[tokio::test]
async fn a_response_is_complete_while_the_connection_stays_open() {
    let server = Server::start(vec![Reply::Hold(stream_bytes(&fixture("stream-text.sse")))]).await;
    assert_eq!(send(options(), &server.base_url).await.unwrap().stop, Stop::EndTurn);
}

#[tokio::test]
async fn tokens_and_models() {
    let page = |last: &str, more: bool| {
        format!(r#"{{"data":[{{"id":"{last}","object":"model"}}],"has_more":{more},"last_id":"{last}"}}"#)
    };
    let server = Server::start(vec![
        answer(200, &[], &fixture("count-tokens-response.json")),
        answer(200, &[], &fixture("models-list.json")),
        answer(200, &[], &page("a b", true)),
        answer(200, &[], &page("c", false)),
        answer(200, &[], "<html>"),
    ])
    .await;
    let client = Client::new(options()).unwrap();
    let (endpoint, key) = (endpoint(&server.base_url), SecretString::from(""));
    assert_eq!(client.count_tokens(&endpoint, &key, b"{}".to_vec()).await, Ok(403));
    let models = client.list_models(&endpoint, &key).await.unwrap();
    let ids: Vec<_> = models.iter().map(|model| (model.id.as_str(), model.context_tokens)).collect();
    assert_eq!(
        ids,
        [
            ("claude-sonnet-5-5", Some(1_000_000)),
            ("claude-opus-5-5", Some(1_000_000)),
            ("claude-haiku-4-5-20251001", Some(200_000))
        ]
    );
    let plain = |id: &str| ListedModel { id: id.to_owned(), name: None, context_tokens: None, max_output_tokens: None };
    assert_eq!(client.list_models(&endpoint, &key).await, Ok(vec![plain("a b"), plain("c")]));
    let failure = client.count_tokens(&endpoint, &key, b"{}".to_vec()).await.unwrap_err();
    assert_eq!((failure.failure.kind, failure.charge), (FailureKind::NeedsPerson, Charge::None));
    let lines: Vec<_> = server.requests().iter().map(|text| text.lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "POST /v1/messages/count_tokens HTTP/1.1",
            "GET /v1/models?limit=100 HTTP/1.1",
            "GET /v1/models?limit=100 HTTP/1.1",
            "GET /v1/models?limit=100&after_id=a+b HTTP/1.1",
            "POST /v1/messages/count_tokens HTTP/1.1",
        ]
    );
    assert!(server.requests().iter().all(|text| !text.contains("x-api-key")));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(vec![answer(200, &[], "")]).await;
    let failure = failure_of(answer(307, &[("location", &format!("{}/v1/messages", elsewhere.base_url))], "")).await;
    assert_eq!((failure.failure.kind, failure.failure.http_status), (FailureKind::NeedsPerson, Some(307)));
    assert_eq!(failure.charge, Charge::None);
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn unfit_endpoints_and_keys_are_refused_before_anything_is_sent() {
    let refused = |text: &str| (FailureKind::NeedsPerson, format!("the endpoint's base URL cannot be used: {text}"));
    for (base_url, expected) in [
        ("http://192.0.2.1:9", refused("it is plain http, which would show the key to the network")),
        ("http://localhost.example.org", refused("it is plain http, which would show the key to the network")),
        ("https://user:pw@api.example.org", refused("it holds a user name or password")),
        ("api.example.org", refused("it is not a URL")),
    ] {
        let failure = send(options(), base_url).await.unwrap_err();
        assert_eq!((failure.failure.kind, failure.failure.text), expected);
        assert_eq!(failure.charge, Charge::None);
    }
    let client = Client::new(options()).unwrap();
    let (endpoint, key) = (endpoint("http://127.0.0.1:9"), SecretString::from("sk-test\nx"));
    let failure = client.send(&endpoint, &key, Vec::new(), HashSet::new(), &mut |_| {}).await.unwrap_err();
    assert_eq!(failure.failure.text, "the key of 127.0.0.1:9 holds characters that cannot be sent");
    let huge = vec![b' '; 32_000_001];
    let failure =
        client.send(&endpoint, &SecretString::from(KEY), huge, HashSet::new(), &mut |_| {}).await.unwrap_err();
    assert_eq!((failure.failure.kind, failure.charge), (FailureKind::Refused, Charge::None));
}

#[tokio::test]
async fn a_connection_that_is_refused_is_free_and_one_that_breaks_is_uncertain() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let failure = send(options(), &format!("http://127.0.0.1:{port}")).await.unwrap_err();
    assert_eq!((failure.failure.kind, failure.charge.is_uncertain()), (FailureKind::Passing, false));
    let begin = format!("cannot connect to 127.0.0.1:{port}: ");
    assert!(failure.failure.text.starts_with(&begin) && failure.failure.text.contains("refused"), "{failure}");

    let failure = failure_of(Reply::Hangup).await;
    assert_eq!((failure.failure.kind, failure.charge.is_uncertain()), (FailureKind::Passing, true));
    assert!(failure.failure.text.starts_with("the connection to 127.0.0.1:"), "{failure}");

    let text = fixture("stream-text.sse");
    let half = &text[..text.len() / 2];
    let cut = answer_bytes(200, &[("content-type", "text/event-stream")], half, text.len());
    for reply in [cut, stream_bytes(half), stream_bytes(&fixture("stream-truncated.sse"))] {
        let failure = failure_of(Reply::Bytes(reply)).await;
        assert_eq!(failure.failure.kind, FailureKind::Passing, "{failure}");
        let Charge::Uncertain { partial } = failure.charge else { panic!("{failure}") };
        assert!(partial.usage.prompt() > 0 && !partial.model.is_empty());
    }
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_not_asked_for_again() {
    let failure = failure_of(answer(200, &[("content-type", "text/html")], "<html>")).await;
    assert_eq!((failure.failure.kind, failure.charge.is_uncertain()), (FailureKind::NeedsPerson, true));
    assert!(failure.failure.text.ends_with(" answered with text/html in place of a stream"), "{failure}");
}

#[tokio::test]
async fn silence_and_endless_pings_end() {
    let silent = ClientOptions { silence_timeout: Duration::from_millis(50), ..options() };
    let begun = &fixture("stream-text.sse")[..900];
    for reply in [Reply::Hold(Vec::new()), Reply::Hold(stream_bytes(begun))] {
        let server = Server::start(vec![reply]).await;
        let failure = send(silent.clone(), &server.base_url).await.unwrap_err();
        assert_eq!((failure.failure.kind, failure.charge.is_uncertain()), (FailureKind::Passing, true));
        assert!(failure.failure.text.ends_with(" sent nothing for 0 s"), "{failure}");
    }
    let ping = b"event: ping\ndata: {\"type\":\"ping\"}\n\n".to_vec();
    let short =
        ClientOptions { response_timeout: Duration::from_millis(100), max_response_bytes: u64::MAX, ..options() };
    let server = Server::start(vec![Reply::Endless(stream_bytes(""), ping)]).await;
    let failure = send(short, &server.base_url).await.unwrap_err();
    assert!(failure.failure.text.ends_with(" did not finish within 0 s"), "{failure}");
}

#[tokio::test]
async fn hostile_sizes_end() {
    let line = vec![b'x'; 4096];
    let pings = b": ping\n\n".repeat(100);
    for (reply, end) in [
        (Reply::Endless(stream_bytes("data: "), line.clone()), "one event of the response has more than 20000 bytes"),
        (Reply::Endless(stream_bytes(""), pings), " has more than 100000 bytes"),
    ] {
        let failure = failure_of(reply).await;
        assert_eq!((failure.failure.kind, failure.charge.is_uncertain()), (FailureKind::Passing, true));
        assert!(failure.failure.text.ends_with(end), "{failure}");
    }
    let endless_error = b"HTTP/1.1 500 X\r\nconnection: close\r\n\r\n".to_vec();
    let failure = failure_of(Reply::Endless(endless_error, line)).await;
    assert_eq!((failure.failure.kind, failure.failure.http_status), (FailureKind::Passing, Some(500)));
    assert!(failure.failure.text.chars().count() < 400);
}

#[test]
fn certificates_must_be_some() {
    let with = |path: &str| Client::new(ClientOptions { ca_file: Some(path.into()), ..options() });
    let no_file = with("/nowhere/ca.pem").unwrap_err().to_string();
    assert!(no_file.starts_with("cannot read the certificates in /nowhere/ca.pem: "), "{no_file}");
    let this = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert_eq!(with(this).unwrap_err().to_string(), format!("{this} holds no PEM certificate"));
}
