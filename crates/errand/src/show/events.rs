//! One line (or a few) for each event, for people who follow a task.

use super::{duration, wrapped};
use crate::screen::{Look, Screen, safe, safe_line};
use errand_task::event::{
    CheckEvent, Event, FinishEvent, ModelEvent, PersonEvent, ReviewEvent, TaskEvent, ToolEvent, WorkspaceEvent,
};
use errand_task::facts::{Call, Phase};
use errand_task::money::Pico;
use errand_task::text::Text;
use serde::Deserialize;
use std::collections::HashMap;

/// Lines shown of what the model says between its calls.
const NARRATION_LINES: usize = 5;

/// A record as the stream brings it.
#[derive(Deserialize)]
pub struct Told {
    #[expect(dead_code, reason = "part of the shape; lines are told in order")]
    pub seq: u64,
    pub at: String,
    pub event: Event,
}

/// Remembers what lines refer to: the calls of the last response, the money so far.
#[derive(Default)]
pub struct Teller {
    calls: HashMap<String, Call>,
    spent: Pico,
}

impl Teller {
    pub fn lines(&mut self, screen: &Screen, told: &Told) -> Vec<String> {
        let clock = told.at.get(11..19).unwrap_or_default();
        let mut lines = self.describe(screen, &told.event);
        for (index, line) in lines.iter_mut().enumerate() {
            let margin = if index == 0 { screen.paint(Look::Dim, clock) } else { " ".repeat(8) };
            *line = format!("{margin}  {line}");
        }
        lines
    }

    fn describe(&mut self, screen: &Screen, event: &Event) -> Vec<String> {
        let width = screen.width.saturating_sub(14).max(40);
        let one = |text: String| vec![text];
        match event {
            Event::Task(event) => task(screen, event, width),
            Event::Person(PersonEvent::Replied { text }) => one(format!("you: {}", safe_line(text, width))),
            Event::Person(PersonEvent::StopRequested) => one("stop requested".to_owned()),
            Event::Person(PersonEvent::BudgetRaised { dollars }) => one(format!("budget is now {dollars}")),
            Event::Person(PersonEvent::EndpointChanged { endpoint }) => {
                one(format!("endpoint is now {}", safe(&endpoint.base_url)))
            }
            Event::Person(PersonEvent::Resumed) => one("resumed".to_owned()),
            Event::Person(PersonEvent::RewindRequested { step, text, .. }) => {
                let said = text.as_ref().map(|text| format!(": {}", safe_line(text, width))).unwrap_or_default();
                one(format!("you: back to before step {step}{said}"))
            }
            Event::Workspace(WorkspaceEvent::Prepared { duration_ms, layers, notes, .. }) => {
                let with = match layers.is_empty() {
                    true => String::new(),
                    false => format!(", with {}", safe(&layers.join(", "))),
                };
                let first = format!("workspace ready in {}{with}", duration(*duration_ms));
                [first].into_iter().chain(notes.iter().map(|note| safe_line(note, width))).collect()
            }
            Event::Workspace(WorkspaceEvent::PrepareFailed { text }) => one(format!("no workspace: {}", safe(text))),
            Event::Workspace(WorkspaceEvent::Removed { .. }) => {
                one("workspace removed, its files are stored; it is made anew when it is needed".to_owned())
            }
            Event::Workspace(WorkspaceEvent::Lost) => one("the workspace was deleted".to_owned()),
            Event::Workspace(WorkspaceEvent::Remade { duration_ms, setup_failed, .. }) => {
                let failed =
                    setup_failed.as_ref().map(|failed| format!("; setup failed: {}", safe_line(failed, width)));
                let took = duration(*duration_ms);
                one(format!("workspace made anew from its last snapshot in {took}{}", failed.unwrap_or_default()))
            }
            Event::Workspace(WorkspaceEvent::Rewound { step, changed, .. }) => {
                let files = if changed.len() == 1 { "file" } else { "files" };
                one(format!("{} {files} put back to before step {step}", changed.len()))
            }
            Event::Model(event) => self.model(screen, event, width),
            Event::Tool(ToolEvent::Started { .. }) => Vec::new(),
            Event::Tool(event) => self.tool(screen, event, width),
            Event::Check(event) => check(screen, event, width),
            Event::Finish(event) => finish(screen, event, width),
            Event::Review(ReviewEvent::Applied { files, .. }) => {
                one(format!("applied {} files to your checkout", files.len()))
            }
            Event::Review(ReviewEvent::Branched { branch, .. }) => one(format!("made branch {}", safe(branch))),
            Event::Review(ReviewEvent::Undone { files, .. }) => one(format!("took {} files back", files.len())),
        }
    }

    fn model(&mut self, screen: &Screen, event: &ModelEvent, width: usize) -> Vec<String> {
        match event {
            ModelEvent::Requested { .. } => Vec::new(),
            ModelEvent::Received { step, text, calls, cost, duration_ms, .. } => {
                self.spent += cost.amount();
                self.calls = calls.iter().map(|call| (call.id.to_string(), call.clone())).collect();
                let head = format!("step {step} · {} · {} so far", duration(*duration_ms), self.spent);
                let mut lines = vec![screen.paint(Look::Accent, &head)];
                if let Text::Inline(text) = text
                    && !text.trim().is_empty()
                {
                    let words = wrapped(screen, text.trim(), 0);
                    let is_cut = words.len() > NARRATION_LINES;
                    lines.extend(words.into_iter().take(NARRATION_LINES));
                    if is_cut {
                        lines.push("…".to_owned());
                    }
                }
                lines
            }
            ModelEvent::Failed { attempt, failure, .. } => {
                vec![
                    screen.paint(Look::Warn, &format!("attempt {attempt} failed: {}", safe_line(&failure.text, width))),
                ]
            }
            ModelEvent::Unaffordable { needed, left, .. } => {
                vec![screen.paint(Look::Warn, &format!("the next request could cost {needed}, {left} are left"))]
            }
            ModelEvent::Interrupted { attempt, .. } => vec![format!("attempt {attempt} was interrupted; asking again")],
        }
    }

    fn tool(&mut self, screen: &Screen, event: &ToolEvent, width: usize) -> Vec<String> {
        let ToolEvent::Ended { call, output, is_error, runs, changed, .. } = event else { return Vec::new() };
        let Some(call) = self.calls.get(call.as_str()) else { return Vec::new() };
        // The report and what became of it are told by their own events.
        if call.name == "finish" && !is_error {
            return Vec::new();
        }
        let mut text = match runs.first() {
            Some(run) => format!("$ {}  {}", safe_line(&run.command, width.saturating_sub(30)), {
                let end = format!("{} · {} · log {}", run.headline(), duration(run.duration_ms), run.number);
                let look = if run.is_success() { Look::Good } else { Look::Warn };
                screen.paint(look, &end)
            }),
            None => format!("{} {}", call.name, safe_line(&call.headline, width.saturating_sub(12))),
        };
        if !changed.is_empty() && runs.is_empty() {
            text = format!("{} {}", call.name, safe_line(&changed.join(" "), width));
        }
        if *is_error && runs.is_empty() {
            let why = match output {
                Text::Inline(why) => safe_line(why, width.saturating_sub(text.len())),
                Text::Stored { .. } => "refused".to_owned(),
            };
            text = format!("{text}  {}", screen.paint(Look::Warn, &why));
        }
        vec![text]
    }
}

fn task(screen: &Screen, event: &TaskEvent, width: usize) -> Vec<String> {
    match event {
        TaskEvent::Submitted { contract, notices, .. } => {
            let mut lines = vec![format!("handed off: {}", safe_line(&contract.goal, width.saturating_sub(12)))];
            lines.extend(notices.iter().map(|notice| safe_line(notice, width)));
            lines
        }
        TaskEvent::Briefed { settings, .. } => vec![format!("briefed for {}", safe(&settings.model))],
        TaskEvent::Parked { text, hint } => {
            vec![screen.paint(Look::Warn, &format!("waits for you: {}", safe(text))), format!("→ {}", safe(hint))]
        }
        TaskEvent::Ended { end } => {
            let state = end.verdict().map_or_else(|| end.status().to_string(), |verdict| verdict.to_string());
            let mut lines = vec![screen.paint(super::state_look(&state), &format!("ended: {state}"))];
            if !end.text().is_empty() {
                lines.extend(wrapped(screen, end.text(), 0));
            }
            lines
        }
    }
}

fn check(screen: &Screen, event: &CheckEvent, width: usize) -> Vec<String> {
    match event {
        CheckEvent::Started { .. } => Vec::new(),
        CheckEvent::RegressionNotProvable { text } => vec![format!("no regression proof: {}", safe_line(text, width))],
        CheckEvent::Ended { record } => {
            let what = if record.phase == Phase::Setup { "setup" } else { "check" };
            let on = match record.phase {
                Phase::Setup => "in the workspace",
                Phase::Baseline => "on the base",
                Phase::Result => "on a clean checkout of the result",
                Phase::RegressionOld => "on the old code with the new tests",
                Phase::RegressionNew => "on the new code",
            };
            let runs = match (record.n_runs, record.n_failed) {
                (1, _) => record.end.headline(),
                (n, 0) => format!("{n} of {n} runs passed"),
                (n, failed) => format!("{failed} of {n} runs failed"),
            };
            let look = if record.is_green() { Look::Good } else { Look::Warn };
            vec![format!(
                "{what} {on}: {}  {}",
                safe_line(&record.command, 60),
                screen.paint(look, &format!("{runs} · {}", duration(record.duration_ms)))
            )]
        }
    }
}

fn finish(screen: &Screen, event: &FinishEvent, width: usize) -> Vec<String> {
    match event {
        FinishEvent::Filed { report, .. } => vec![format!("report filed: {}", report.outcome.as_str())],
        FinishEvent::Inspected { diff, left_out, .. } => {
            let (added, removed) = diff.iter().fold((0, 0), |sum, file| (sum.0 + file.added, sum.1 + file.removed));
            let mut lines = vec![format!("result: {} files, +{added} −{removed}", diff.len())];
            lines.extend(super::left_out(screen, left_out).iter().map(|line| line.trim_start().to_owned()));
            lines
        }
        FinishEvent::Rejected { findings } => findings
            .iter()
            .map(|finding| {
                let first = finding.lines().next().unwrap_or_default();
                screen.paint(Look::Warn, &format!("sent back: {}", safe_line(first, width.saturating_sub(11))))
            })
            .collect(),
        FinishEvent::Nudged { text } => vec![safe_line(text, width)],
    }
}
