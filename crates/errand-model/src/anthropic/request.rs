//! A prompt as request bytes: pure, and the same prompt gives the same bytes.
//!
//! Two things depend on earlier bytes never changing: the prompt cache, and on the newest models the signatures of
//! thinking blocks, which hold only for the exact prefix before them. So what the model said is inserted as it came,
//! and from one request to the next only the cache marks move (they belong to neither).
//!
//! Marks, at most four: the system prompt, which ends what all tasks of a repository share; the end of the first user
//! message; the end of the newest one; and the end of the one before when the newest turn is so long that the look-back
//! would not reach it. The first two live an hour, because a task with slow checks or a waiting person outlives five
//! minutes and would pay for the whole prefix again; the others five minutes, at the cheaper write.

use errand_task::conversation::{CallResult, Prompt, PromptMessage};
use errand_task::facts::Thinking;
use errand_task::id::Digest;
use serde::de::IgnoredAny;

/// The cache looks back over this many blocks, the marked one included; see [`KEEP_MARK_BLOCKS`].
const LOOK_BACK_BLOCKS: usize = 20;
/// From this many new blocks on the mark before the newest is kept, with room for what a server may count besides.
const KEEP_MARK_BLOCKS: usize = 15;
const _: () = assert!(KEEP_MARK_BLOCKS < LOOK_BACK_BLOCKS);

/// What an error without a text says: an empty one is refused.
const NO_OUTPUT: &str = "(no output)";

/// The body of a streamed request.
///
/// `prompt.tools` and the content of model messages must be JSON arrays; they are inserted as they are. Texts of only
/// white space are left out, and so are model messages without a block, because the endpoint refuses both; user
/// messages that then stand side by side become one.
pub fn render(prompt: &Prompt) -> Vec<u8> {
    let mut body = String::from("{\"model\":");
    push_string(&mut body, &prompt.settings.model);
    body.push_str(&format!(",\"max_tokens\":{},\"stream\":true", prompt.settings.max_tokens));
    push_rest(&mut body, prompt);
    body.into_bytes()
}

/// The body that asks how many tokens [`render`]'s would have.
pub fn render_count(prompt: &Prompt) -> Vec<u8> {
    let mut body = String::from("{\"model\":");
    push_string(&mut body, &prompt.settings.model);
    push_rest(&mut body, prompt);
    body.into_bytes()
}

/// The digest of the system prompt and the tools as they are sent: when it changes, nothing cached fits any more.
pub fn prefix_digest(prompt: &Prompt) -> Digest {
    let mut prefix = String::new();
    push_prefix(&mut prefix, prompt);
    Digest::of(prefix.as_bytes())
}

fn push_rest(body: &mut String, prompt: &Prompt) {
    push_prefix(body, prompt);
    match prompt.settings.thinking {
        Thinking::Adaptive => body.push_str(",\"thinking\":{\"type\":\"adaptive\"}"),
        Thinking::Budget { tokens } => {
            body.push_str(&format!(",\"thinking\":{{\"type\":\"enabled\",\"budget_tokens\":{tokens}}}"));
        }
        Thinking::Unset => {}
    }
    if let Some(effort) = &prompt.settings.effort {
        body.push_str(",\"output_config\":{\"effort\":");
        push_string(body, effort);
        body.push('}');
    }
    body.push_str(",\"messages\":");
    push_messages(body, &messages(&prompt.messages));
    body.push('}');
}

fn push_prefix(body: &mut String, prompt: &Prompt) {
    if !is_blank(&prompt.system) {
        body.push_str(",\"system\":[{\"type\":\"text\",\"text\":");
        push_string(body, &prompt.system);
        body.push_str(Mark::Hour.json());
        body.push_str("}]");
    }
    if n_elements(&prompt.tools) > 0 {
        body.push_str(",\"tools\":");
        body.push_str(prompt.tools.trim());
    }
}

/// A message as it is sent: user messages merged, nothing empty.
enum Sent<'a> {
    User(Vec<Block<'a>>),
    Model { content: &'a str, n_blocks: usize },
}

#[derive(Clone, Copy)]
enum Block<'a> {
    Text(&'a str),
    Result(&'a CallResult<String>),
}

fn messages(prompt: &[PromptMessage]) -> Vec<Sent<'_>> {
    let mut sent: Vec<Sent<'_>> = Vec::new();
    for message in prompt {
        let blocks: Vec<Block<'_>> = match message {
            PromptMessage::Model { content } => {
                let n_blocks = n_elements(content);
                if n_blocks > 0 {
                    sent.push(Sent::Model { content: content.trim(), n_blocks });
                }
                continue;
            }
            PromptMessage::Person { texts } => texts_of(texts).collect(),
            PromptMessage::Results { results, notes } => {
                results.iter().map(Block::Result).chain(texts_of(notes)).collect()
            }
        };
        match sent.last_mut() {
            Some(Sent::User(before)) => before.extend(blocks),
            Some(Sent::Model { .. }) | None if !blocks.is_empty() => sent.push(Sent::User(blocks)),
            Some(Sent::Model { .. }) | None => {}
        }
    }
    sent
}

fn texts_of(texts: &[String]) -> impl Iterator<Item = Block<'_>> {
    texts.iter().filter(|text| !is_blank(text)).map(|text| Block::Text(text))
}

fn push_messages(body: &mut String, sent: &[Sent<'_>]) {
    let marks = marks(sent);
    body.push('[');
    for (i, message) in sent.iter().enumerate() {
        if i > 0 {
            body.push(',');
        }
        match message {
            Sent::Model { content, .. } => {
                body.push_str("{\"role\":\"assistant\",\"content\":");
                body.push_str(content);
            }
            Sent::User(blocks) => {
                body.push_str("{\"role\":\"user\",\"content\":[");
                for (j, block) in blocks.iter().enumerate() {
                    if j > 0 {
                        body.push(',');
                    }
                    let is_last = j + 1 == blocks.len();
                    push_block(body, *block, marks.iter().find(|(at, _)| is_last && *at == i).map(|(_, mark)| *mark));
                }
                body.push(']');
            }
        }
        body.push('}');
    }
    body.push(']');
}

fn push_block(body: &mut String, block: Block<'_>, mark: Option<Mark>) {
    match block {
        Block::Text(text) => {
            body.push_str("{\"type\":\"text\",\"text\":");
            push_string(body, text);
        }
        Block::Result(result) => {
            body.push_str("{\"type\":\"tool_result\",\"tool_use_id\":");
            push_string(body, result.call.as_str());
            let output = match result.output.as_str() {
                output if !is_blank(output) => Some(output),
                _ => result.is_error.then_some(NO_OUTPUT),
            };
            if let Some(output) = output {
                body.push_str(",\"content\":");
                push_string(body, output);
            }
            if result.is_error {
                body.push_str(",\"is_error\":true");
            }
        }
    }
    body.push_str(mark.map_or("", Mark::json));
    body.push('}');
}

#[derive(Clone, Copy)]
enum Mark {
    Hour,
    FiveMinutes,
}

impl Mark {
    fn json(self) -> &'static str {
        match self {
            Self::Hour => ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}",
            Self::FiveMinutes => ",\"cache_control\":{\"type\":\"ephemeral\"}",
        }
    }
}

/// The messages whose last block is marked, besides the system prompt. An hour's mark never follows a shorter one.
fn marks(sent: &[Sent<'_>]) -> Vec<(usize, Mark)> {
    let is_user = |message: &Sent<'_>| matches!(message, Sent::User(_));
    let users: Vec<usize> = (0..sent.len()).filter(|&i| sent.get(i).is_some_and(is_user)).collect();
    let (Some(&first), Some(&newest)) = (users.first(), users.last()) else { return Vec::new() };
    let mut marks = vec![(first, Mark::Hour)];
    if newest != first {
        marks.push((newest, Mark::FiveMinutes));
    }
    let before = users.iter().rev().nth(1).copied().filter(|&before| before != first);
    if let Some(before) = before {
        let n_new: usize = sent
            .iter()
            .take(newest + 1)
            .skip(before + 1)
            .map(|message| match message {
                Sent::User(blocks) => blocks.len(),
                Sent::Model { n_blocks, .. } => *n_blocks,
            })
            .sum();
        if n_new >= KEEP_MARK_BLOCKS {
            marks.push((before, Mark::FiveMinutes));
        }
    }
    marks
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Elements of a JSON array; 0 for what is none.
fn n_elements(array: &str) -> usize {
    let elements = serde_json::from_str::<Vec<IgnoredAny>>(array);
    debug_assert!(elements.is_ok(), "not a JSON array: {array}");
    elements.map_or(0, |elements| elements.len())
}

fn push_string(body: &mut String, text: &str) {
    // The compact writer quotes a string and escapes it; a &str cannot fail.
    body.push_str(&serde_json::Value::from(text).to_string());
}
