//! A parked request as a page for the person who answers it: whole when the conversation is new, afterwards only what
//! came since the last answer, with sizes. For reading only; nothing parses it.

use std::fmt::Write;

use serde_json::Value;

use crate::answer::{block_text, step_number};
use crate::prompt::{array, blocks};
use crate::server::Asked;

pub(super) fn request(number: usize, asked: &Asked) -> String {
    let body = &asked.request.body;
    let messages = array(&body["messages"]);
    let step = step_number(body);
    let mut page = String::new();
    let mode = if asked.request.streams() { "streamed" } else { "in one piece" };
    line(
        &mut page,
        &format!("# Request {number:04}: label {}, step {step}, {}, {mode}", asked.label, asked.request.model.id),
    );
    line(
        &mut page,
        &format!(
            "\n{} tokens in {} messages, {} tools; max_tokens {}, thinking {}, effort {}",
            asked.request.n_tokens(),
            messages.len(),
            array(&body["tools"]).len(),
            body["max_tokens"],
            body["thinking"],
            body["output_config"]["effort"],
        ),
    );
    let start = messages.iter().rposition(|message| message["role"] == "assistant").map_or(0, |at| at + 1);
    if step == 1 {
        section(&mut page, "System", &blocks(&body["system"]).iter().map(block_text).collect::<Vec<_>>().join("\n\n"));
        for tool in array(&body["tools"]) {
            self::tool(&mut page, tool);
        }
    } else {
        line(&mut page, &format!("\n(new since the last answer; {start} earlier messages left out)"));
    }
    for message in &messages[start..] {
        for block in blocks(&message["content"]) {
            let role = message["role"].as_str().unwrap_or("");
            section(&mut page, &title(role, &block), &block_text(&block));
        }
    }
    page
}

fn title(role: &str, block: &Value) -> String {
    match (block["type"].as_str(), block["is_error"] == true) {
        (Some("tool_result"), false) => format!("Result of {}", block["tool_use_id"].as_str().unwrap_or("")),
        (Some("tool_result"), true) => format!("Error from {}", block["tool_use_id"].as_str().unwrap_or("")),
        (kind, _) => format!("{role}: {}", kind.unwrap_or("")),
    }
}

fn tool(page: &mut String, tool: &Value) {
    let name = tool["name"].as_str().unwrap_or("");
    let schema = &tool["input_schema"]["properties"];
    let text = format!("{}\n\n{schema}", tool["description"].as_str().unwrap_or(""));
    section(page, &format!("Tool {name}"), text.trim());
}

fn section(page: &mut String, title: &str, text: &str) {
    line(page, &format!("\n## {title} ({} bytes)\n\n{text}", text.len()));
}

fn line(page: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{text}");
}
