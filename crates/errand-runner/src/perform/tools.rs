//! Performs the calls of a response: reads together, everything that changes something in call order.
//!
//! Before a call that may change the workspace, the snapshot is in the journal. A call whose intent is there without an
//! outcome was cut by a crash: the workspace is put back to that snapshot and the call runs again.

use super::{Desk, Failed, blocking};
use errand_task::event::{Event, FinishEvent, ToolEvent};
use errand_task::facts::RunRecord;
use errand_task::id::CallId;
use errand_task::state::{OpenCall, State};
use errand_task::text::{Blob, Text};
use errand_tools::{Context, Effect, Output, Registry, RunDone, Site, ended_jobs};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::Instant;

/// A tool that answers nothing gets this, so that the model sees that it ran.
const NO_OUTPUT: &str = "(no output)";

impl Desk {
    pub(super) async fn call_tools(&mut self, state: &State) -> Result<(), Failed> {
        let context = self.tools(state).await?;
        let registry = Self::registry(state);
        let inputs = self.inputs(state).await?;
        let open: Vec<_> = state.calls.iter().filter(|open| open.result.is_none()).collect();
        let mut rest = open.as_slice();
        let mut is_edit_refused = false;
        while let Some((first, _)) = rest.split_first() {
            let n_reads = rest.iter().take_while(|open| effect(&registry, open) == Effect::Reads).count();
            let (now, later) = rest.split_at(n_reads.max(1));
            rest = later;
            if n_reads > 0 {
                let performed = join_all(now.iter().map(|open| self.read(&registry, &context, open, &inputs)));
                let performed = performed.await;
                // What was read where nothing is any more would be no answer.
                self.check_there(state)?;
                for (open, (output, duration_ms)) in now.iter().zip(performed) {
                    self.note_output(&open.call.id, output, duration_ms).await;
                }
            } else if effect(&registry, first) == Effect::Finishes {
                self.finish(&registry, &context, first, &inputs).await;
                // Calls behind a filed report wait for the gates; a rejected one leaves them to be answered.
                if self.live.state().await.finish.is_some() {
                    self.answer_behind(later).await;
                    break;
                }
            } else if is_edit_refused && first.call.name == "run" {
                let text = "not run: the edit before it was refused; send both again";
                self.note_output(&first.call.id, Output::error(text), 0).await;
            } else {
                let is_refused = self.change(state, &registry, &context, first, &inputs).await?;
                is_edit_refused |= is_refused && first.call.name == "edit";
            }
        }
        self.note_ended_jobs(&context).await;
        Ok(())
    }

    async fn read(
        &self,
        registry: &Registry,
        context: &Context,
        open: &OpenCall,
        inputs: &HashMap<String, String>,
    ) -> (Output, u64) {
        let started = Instant::now();
        let site = Site { input: input_of(inputs, open), before: None };
        let output = match registry.find(&open.call.name) {
            Some(tool) => tool.call(context, site).await,
            None => registry.unknown(&open.call.name),
        };
        (output, started.elapsed().as_millis() as u64)
    }

    /// Performs a call that changes something; says whether it was refused.
    async fn change(
        &self,
        state: &State,
        registry: &Registry,
        context: &Context,
        open: &OpenCall,
        inputs: &HashMap<String, String>,
    ) -> Result<bool, Failed> {
        let Some(tool) = registry.find(&open.call.name) else { return Ok(false) };
        let before = match open.started.as_ref().and_then(|started| started.snapshot.clone()) {
            Some(snapshot) => {
                let (workspace, tree) = (std::sync::Arc::clone(&context.workspace), snapshot.clone());
                blocking(move || workspace.restore(&tree)).await?.map_err(Failed::internal)?;
                snapshot
            }
            None => context.tree_now().await.map_err(Failed::Internal)?,
        };
        context.forget_tree();
        let intent = ToolEvent::Started { call: open.call.id.clone(), snapshot: Some(before.clone()) };
        self.live.intend(Event::Tool(intent)).await?;
        self.shared
            .progress(&state.id)
            .say(format!("step {} · {} {}", state.n_steps, open.call.name, open.call.headline));
        let started = Instant::now();
        let site = Site { input: input_of(inputs, open), before: Some(&before) };
        let output = tool.call(context, site).await;
        // Without a result the call is cut, as by a crash: it runs again where the workspace is made anew.
        self.check_there(state)?;
        let is_refused = output.is_error;
        self.note_output(&open.call.id, output, started.elapsed().as_millis() as u64).await;
        Ok(is_refused)
    }

    async fn finish(&self, registry: &Registry, context: &Context, open: &OpenCall, inputs: &HashMap<String, String>) {
        let (output, duration_ms) = self.read(registry, context, open, inputs).await;
        match output.filed {
            Some(report) => {
                let filed = FinishEvent::Filed { call: open.call.id.clone(), report: Box::new(report) };
                self.live.note(vec![Event::Finish(filed)], Vec::new()).await;
            }
            None => self.note_output(&open.call.id, output, duration_ms).await,
        }
    }

    /// Every call gets its one result: those after a filed report were not performed.
    async fn answer_behind(&self, calls: &[&OpenCall]) {
        for open in calls {
            self.note_output(&open.call.id, Output::error("not run: it came after finish"), 0).await;
        }
    }

    async fn note_output(&self, call: &CallId, output: Output, duration_ms: u64) {
        let mut blobs = Vec::new();
        let text = if output.text.trim().is_empty() { NO_OUTPUT.to_owned() } else { output.text };
        let event = ToolEvent::Ended {
            call: call.clone(),
            output: Text::store(text, &mut blobs),
            is_error: output.is_error,
            runs: output.runs.into_iter().map(|run| record(run, &mut blobs)).collect(),
            changed: output.changed,
            duration_ms,
        };
        self.live.note(vec![Event::Tool(event)], blobs).await;
    }

    /// Jobs that ended meanwhile are told with the results of this turn.
    pub(super) async fn note_ended_jobs(&self, context: &Context) {
        let output = ended_jobs(context).await;
        if output.runs.is_empty() {
            return;
        }
        let mut blobs = Vec::new();
        let runs = output.runs.into_iter().map(|run| record(run, &mut blobs)).collect();
        let text = Text::store(output.text, &mut blobs);
        self.live
            .note(vec![Event::Tool(ToolEvent::JobsEnded { output: text, runs, changed: output.changed })], blobs)
            .await;
    }

    /// The inputs of the last response's calls, as received.
    async fn inputs(&mut self, state: &State) -> Result<HashMap<String, String>, Failed> {
        #[derive(Deserialize)]
        struct Block {
            id: Option<String>,
            input: Option<Box<RawValue>>,
        }
        let Some(errand_task::conversation::Message::Model { content }) = state.conversation.last() else {
            return Err(Failed::internal("calls without a response"));
        };
        let content = self.live.text(content).await?;
        let blocks: Vec<Block> = serde_json::from_str(&content).map_err(Failed::internal)?;
        let input = |block: Block| Some((block.id?, block.input?.get().to_owned()));
        Ok(blocks.into_iter().filter_map(input).collect())
    }
}

fn record(run: RunDone, blobs: &mut Vec<Blob>) -> RunRecord {
    RunRecord {
        network: run.network,
        number: run.number,
        command: run.command,
        end: run.end,
        duration_ms: run.duration_ms,
        n_lines: run.log.lines().count() as u64,
        log: Text::store(run.log, blobs),
    }
}

fn effect(registry: &Registry, open: &OpenCall) -> Effect {
    // A tool that is not there is answered like a read.
    registry.find(&open.call.name).map_or(Effect::Reads, |tool| tool.effect())
}

fn input_of<'a>(inputs: &'a HashMap<String, String>, open: &OpenCall) -> &'a str {
    inputs.get(open.call.id.as_str()).map_or("{}", String::as_str)
}
