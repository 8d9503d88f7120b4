//! The one place that knows the API under test: it starts servers, sends requests, reads answers and streams.

use errand_sim::{Script, Scripts, Sim, SimOptions};
use serde_json::{Value, json};

pub const MODEL: &str = "claude-sonnet-5-5";

pub fn sim(script: &str) -> Sim {
    Sim::start(SimOptions::with(Scripts::of(Script::parse(script).unwrap()))).unwrap()
}

/// An answered request.
#[derive(Debug, Clone)]
pub struct Got {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status and error type, and the message for the reader of a failed test.
    pub fn error(&self) -> (u16, String, String) {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or("").to_string();
        (self.status, text("type"), text("message"))
    }
}

thread_local! {
    /// One per test, because making one is slow and connections belong to the test's runtime.
    static CLIENT: reqwest::Client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
}

fn client() -> reqwest::Client {
    CLIENT.with(reqwest::Client::clone)
}

pub async fn post_to(url: String, headers: &[(&str, &str)], body: Vec<u8>) -> reqwest::Result<Got> {
    let mut request = client().post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Got { status, headers, body: response.bytes().await?.to_vec() })
}

pub const HEADERS: [(&str, &str); 3] =
    [("x-api-key", "key-1"), ("anthropic-version", "2026-10-21"), ("content-type", "application/json")];

pub async fn try_post(sim: &Sim, body: &Value) -> reqwest::Result<Got> {
    post_to(format!("{}/v1/messages", sim.base_url()), &HEADERS, body.to_string().into_bytes()).await
}

pub async fn post(sim: &Sim, body: &Value) -> Got {
    try_post(sim, body).await.unwrap()
}

pub async fn post_with(sim: &Sim, more: &[(&str, &str)], body: &Value) -> Got {
    let headers: Vec<_> = HEADERS.iter().chain(more).copied().collect();
    post_to(format!("{}/v1/messages", sim.base_url()), &headers, body.to_string().into_bytes()).await.unwrap()
}

pub async fn get(sim: &Sim, path: &str) -> Got {
    let request = client().get(format!("{}{path}", sim.base_url()));
    let response = request.header("x-api-key", "k").header("anthropic-version", "2026-10-21").send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Got { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

pub fn tool(name: &str) -> Value {
    json!({"name": name, "description": "d", "input_schema": {"type": "object", "properties": {}}})
}

/// A request with two tools and these messages.
pub fn request(messages: Value) -> Value {
    json!({"model": MODEL, "max_tokens": 1000, "system": "Be brief.", "tools": [tool("read_file"), tool("bash")],
        "messages": messages})
}

pub fn hello() -> Value {
    request(json!([{"role": "user", "content": "hello"}]))
}

/// `base` with some top-level fields replaced; null removes one.
pub fn with(mut base: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        if value.is_null() {
            base.as_object_mut().unwrap().remove(name);
        } else {
            base[name] = value.clone();
        }
    }
    base
}

pub fn result(id: &str, text: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": text})
}

/// Adds the answer as it came and what the agent says next.
pub fn go_on(mut body: Value, content: &Value, next: Value) -> Value {
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": content}));
    messages.push(json!({"role": "user", "content": next}));
    body
}

/// The ids of the tool calls in a content.
pub fn call_ids(content: &Value) -> Vec<String> {
    let blocks = content.as_array().unwrap().iter();
    blocks.filter(|b| b["type"] == "tool_use").map(|b| b["id"].as_str().unwrap().to_string()).collect()
}

/// The events of a stream, comments left out.
pub fn events(stream: &str) -> Vec<(String, Value)> {
    let stream = stream.replace("\r\n", "\n");
    let frames = stream.split("\n\n").filter(|frame| frame.starts_with("event: "));
    frames
        .map(|frame| {
            let (event, data) = frame.split_once('\n').unwrap();
            let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            (event.strip_prefix("event: ").unwrap().to_string(), data)
        })
        .collect()
}

/// The message a stream adds up to, put together as the vendor says; cut tool input stays text.
pub fn assemble(events: &[(String, Value)]) -> Value {
    let mut message = Value::Null;
    let mut inputs: std::collections::BTreeMap<usize, String> = Default::default();
    for (name, data) in events {
        assert_eq!(data["type"], name.as_str());
        let index = data["index"].as_u64().unwrap_or(0) as usize;
        match name.as_str() {
            "message_start" => message = data["message"].clone(),
            "content_block_start" => message["content"].as_array_mut().unwrap().push(data["content_block"].clone()),
            "content_block_delta" => {
                let (delta, block) = (&data["delta"], &mut message["content"][index]);
                let append =
                    |to: &Value, more: &Value| json!(format!("{}{}", to.as_str().unwrap(), more.as_str().unwrap()));
                match delta["type"].as_str().unwrap() {
                    "text_delta" => block["text"] = append(&block["text"], &delta["text"]),
                    "thinking_delta" => block["thinking"] = append(&block["thinking"], &delta["thinking"]),
                    "signature_delta" => block["signature"] = delta["signature"].clone(),
                    "input_json_delta" => {
                        inputs.entry(index).or_default().push_str(delta["partial_json"].as_str().unwrap());
                    }
                    other => panic!("unknown delta {other}"),
                }
            }
            "content_block_stop" => {
                if let Some(text) = inputs.get(&index) {
                    let text = if text.is_empty() { "{}" } else { text };
                    message["content"][index]["input"] = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
                }
            }
            "message_delta" => {
                for (name, value) in data["delta"].as_object().unwrap() {
                    message[name] = value.clone();
                }
                for (name, value) in data["usage"].as_object().unwrap().iter().filter(|(_, value)| !value.is_null()) {
                    message["usage"][name] = value.clone();
                }
            }
            _ => {}
        }
    }
    message
}
