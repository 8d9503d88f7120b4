//! Texts of a task brought together: the prompt of the next request, and the logs that tools read.

use crate::live::Live;
use errand_journal::StoreError;
use errand_task::conversation::{CallResult, Message, Prompt, PromptMessage};
use errand_task::facts::ModelSettings;
use errand_task::id::Digest;
use errand_task::state::{Brief, State};
use errand_task::text::Text;
use errand_tools::Logs;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::Arc;

/// The next request's prompt, from the journal's texts alone.
pub async fn prompt(
    live: &Live,
    state: &State,
    brief: &Brief,
    settings: ModelSettings,
    texts: &mut HashMap<Digest, Arc<str>>,
) -> Result<Prompt, StoreError> {
    let mut shelf = Shelf { live, texts };
    let mut messages = Vec::new();
    for message in state.with_notes() {
        messages.push(match message {
            Message::Person { texts } => PromptMessage::Person { texts: shelf.all(&texts).await? },
            Message::Model { content } => PromptMessage::Model { content: shelf.one(&content).await? },
            Message::Results { results, notes } => {
                let mut resolved = Vec::new();
                for result in results {
                    let output = shelf.one(&result.output).await?;
                    resolved.push(CallResult { call: result.call, output, is_error: result.is_error });
                }
                PromptMessage::Results { results: resolved, notes: shelf.all(&notes).await? }
            }
        });
    }
    Ok(Prompt { settings, system: shelf.one(&brief.system).await?, tools: shelf.one(&brief.tools).await?, messages })
}

/// Texts already fetched stay at hand while the worker lives.
struct Shelf<'a> {
    live: &'a Live,
    texts: &'a mut HashMap<Digest, Arc<str>>,
}

impl Shelf<'_> {
    async fn one(&mut self, text: &Text) -> Result<String, StoreError> {
        let Text::Stored { digest, .. } = text else { return self.live.text(text).await };
        if let Some(known) = self.texts.get(digest) {
            return Ok(known.to_string());
        }
        let fetched = self.live.text(text).await?;
        self.texts.insert(digest.clone(), fetched.as_str().into());
        Ok(fetched)
    }

    async fn all(&mut self, texts: &[Text]) -> Result<Vec<String>, StoreError> {
        let mut all = Vec::with_capacity(texts.len());
        for text in texts {
            all.push(self.one(text).await?);
        }
        Ok(all)
    }
}

/// `log:7` and `log:check1` from the journal.
pub struct TaskLogs {
    live: Arc<Live>,
}

impl TaskLogs {
    pub fn new(live: Arc<Live>) -> Self {
        Self { live }
    }
}

impl Logs for TaskLogs {
    fn log<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            let state = self.live.state().await;
            let text = find(&state, name)?;
            self.live.text(&text).await.ok()
        })
    }
}

fn find(state: &State, name: &str) -> Option<Text> {
    if let Some(number) = name.strip_prefix("check") {
        let index = number.parse::<u32>().ok()?.checked_sub(1)?;
        let newest = state.checked.iter().chain(&state.baseline).find(|record| record.index == index)?;
        return Some(newest.log.clone());
    }
    let number: u32 = name.parse().ok()?;
    state.runs.iter().find(|run| run.record.number == number).map(|run| run.record.log.clone())
}
