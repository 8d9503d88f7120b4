//! Everything that can go wrong on purpose, and that the attempt after it is answered.

use serde_json::{Value, json};

use crate::client::{Got, assemble, events, hello, post, sim, try_post, with};

fn streamed() -> Value {
    with(hello(), json!({"stream": true}))
}

fn header(got: &Got, name: &str) -> Option<String> {
    got.headers.get(name).map(|value| value.to_str().unwrap().to_string())
}

#[tokio::test]
async fn errors_before_the_answer() {
    let details = json!({"error_code": "enforced_spend_limit_reached"});
    let cases = [
        ("@error 529 overloaded_error Over loaded", 529, "overloaded_error", None, "true", json!(null)),
        (
            "@error 429 rate_limit_error Slow down\n@retry-after 7",
            429,
            "rate_limit_error",
            Some("7"),
            "true",
            json!(null),
        ),
        ("@spend-limit", 429, "rate_limit_error", None, "false", details),
        ("@error 500 api_error", 500, "api_error", None, "true", json!(null)),
        ("@error 401 authentication_error", 401, "authentication_error", None, "false", json!(null)),
    ];
    for (fault, status, kind, retry_after, should_retry, details) in cases {
        let sim = sim(&format!("=== 1\n{fault}\nfine\n"));
        let got = post(&sim, &streamed()).await;
        assert_eq!((got.status, got.error().1.as_str()), (status, kind));
        assert_eq!(header(&got, "retry-after").as_deref(), retry_after, "{fault}");
        assert_eq!(header(&got, "x-should-retry").as_deref(), Some(should_retry), "{fault}");
        assert_eq!(got.json()["error"]["details"], details);
        assert_eq!(post(&sim, &streamed()).await.status, 200, "{fault} comes once");
    }
    let got = post(&sim("=== 1\n@error 529 overloaded_error Over loaded\n"), &hello()).await;
    assert_eq!(got.error().2, "Over loaded");
}

#[tokio::test]
async fn faults_come_one_after_the_other_and_per_request() {
    let sim = sim("=== 1\n@error 529 overloaded_error\n@times 2\n@html 413\n@error 504 timeout_error\nfine\n");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(post(&sim, &hello()).await.status);
    }
    assert_eq!(statuses, [529, 529, 413, 504, 200]);
    let other = with(hello(), json!({"messages": [{"role": "user", "content": "another"}]}));
    assert_eq!(post(&sim, &other).await.status, 529, "attempts are counted per conversation");
}

#[tokio::test]
async fn a_page_from_a_proxy() {
    let got = post(&sim("=== 1\n@html\nfine\n"), &hello()).await;
    assert_eq!((got.status, header(&got, "content-type").as_deref()), (502, Some("text/html")));
    assert!(got.text().starts_with("<html>"));
}

#[tokio::test]
async fn a_reset_connection() {
    let sim = sim("=== 1\n@reset\nfine\n");
    assert!(try_post(&sim, &hello()).await.is_err());
    assert_eq!(post(&sim, &hello()).await.status, 200);
    let statuses: Vec<_> = sim.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [None, Some(200)]);
}

#[tokio::test]
async fn a_stream_that_is_cut() {
    let sim = sim("=== 1\n@cut 700\nfine\n");
    assert!(try_post(&sim, &streamed()).await.is_err(), "the body ends without its end");
    let whole = post(&sim, &streamed()).await.body;

    // With a raw socket the bytes before the cut are seen: exactly 700 of them.
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let sim = crate::client::sim("=== 1\n@cut 700\nfine\n");
    let address = sim.base_url().replace("http://", "");
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = streamed().to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: key-1\r\nanthropic-version: 2026-10-21\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (_, chunked) = text.split_once("\r\n\r\n").unwrap();
    let (mut rest, mut got) = (chunked, String::new());
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        got.push_str(&more[..size]);
        rest = more[size..].strip_prefix("\r\n").unwrap_or("");
    }
    assert_eq!(got.len(), 700);
    assert_eq!(got.as_bytes(), &whole[..700], "the same bytes as the whole answer begins with");
}

#[tokio::test]
async fn an_error_in_the_middle() {
    let sim = sim("=== 1\n@error-midstream overloaded_error Overloaded\nOne two three four five six seven.\n");
    let got = post(&sim, &streamed()).await;
    assert_eq!(got.status, 200);
    let events = events(&got.text());
    let (last, so_far) = events.split_last().unwrap();
    assert_eq!(
        (last.0.as_str(), &last.1["error"]),
        ("error", &json!({"type": "overloaded_error", "message": "Overloaded"}))
    );
    assert_eq!(last.1["request_id"], header(&got, "request-id").unwrap());
    let message = assemble(so_far);
    let text = message["content"][0]["text"].as_str().unwrap();
    assert!(
        !text.is_empty() && "One two three four five six seven.".starts_with(text) && message["stop_reason"].is_null()
    );
    assert_eq!(post(&sim, &streamed()).await.text().matches("event: message_stop").count(), 1);
    // Without a stream the same fault is an ordinary error.
    let plain = crate::client::sim("=== 1\n@error-midstream overloaded_error\nOne\n");
    assert_eq!(post(&plain, &hello()).await.status, 529);
}

#[tokio::test]
async fn dropping_the_server_frees_its_port() {
    let server = sim("=== 1\nhi\n");
    let url = server.base_url();
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(post(&server, &hello()).await.status, 200);
    server.shutdown().await;
    let scripts = errand_sim::Scripts::of(errand_sim::Script::parse("=== 1\nagain\n").unwrap());
    let options = errand_sim::SimOptions { port, ..errand_sim::SimOptions::with(scripts) };
    let again = errand_sim::Sim::start(options).unwrap();
    assert_eq!((again.base_url(), post(&again, &hello()).await.status), (url, 200));
}

#[tokio::test]
async fn a_raw_body_is_played_byte_for_byte_and_then_used_up() {
    let script =
        "=== 1\n@raw\nevent: ping\ndata: {\"a\": \"\\\"\\xff\\x00\"}\n\n@@not a directive\n@times 2\n@chunk 3\nHi.\n";
    let sim = sim(script);
    for _ in 0..2 {
        let got = post(&sim, &streamed()).await;
        assert_eq!(got.status, 200);
        assert_eq!(header(&got, "content-type").as_deref(), Some("text/event-stream; charset=utf-8"));
        assert_eq!(got.body, b"event: ping\ndata: {\"a\": \"\\\"\xff\0\"}\n\n@not a directive\n");
    }
    assert_eq!(post(&sim, &streamed()).await.text().matches("event: message_stop").count(), 1);
    let whole = crate::client::sim("=== 1\n@raw\n{]\nHi.\n");
    assert_eq!(post(&whole, &hello()).await.body, b"{]\nHi.\n");
}

#[test]
fn a_raw_body_that_is_misspelt_is_refused() {
    for (script, line) in [
        ("=== 1\n@raw here\nx\n", 2),
        ("=== 1\n@raw\n\n@times 2\nHi.\n", 2),
        ("=== 1\n@raw\nx\\xg0\n@times 2\nHi.\n", 2),
        ("=== 1\n@raw\nx\\x0\n@times 2\nHi.\n", 2),
        ("=== 1\n@raw\nx\\xü\n@times 2\nHi.\n", 2),
    ] {
        assert_eq!(errand_sim::Script::parse(script).unwrap_err().line, line, "{script}");
    }
}
