//! Following a task's events: line by line, silently, or until it rests. Leaving never stops anything.

use super::{Session, task_path};
use crate::api::Detail;
use crate::client::{Client, Flow};
use crate::failure::Failure;
use crate::screen::{self, StatusLine};
use crate::show::{self, events::Teller};
use errand_task::verdict::ExitCode;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    SoFar,
    UntilItRests,
}

/// What a watcher is told between two events.
#[derive(Deserialize)]
struct Progress {
    text: String,
}

/// Prints the events of a task: text lines, or with `--json` one event a line.
pub async fn print(session: &Session, client: &Client, id: &str, extent: Extent) -> Result<(), Failure> {
    let mut teller = Teller::default();
    let mut status = StatusLine::new(&session.screen);
    let follow = if extent == Extent::UntilItRests { "true" } else { "false" };
    let path = task_path(id, &format!("/events?follow={follow}"))?;
    client
        .stream(&path, |frame| {
            match frame.event.as_str() {
                "record" if session.json => screen::out(&screen::safe_json(&frame.data)),
                "record" => {
                    let record = serde_json::from_str(&frame.data).map_err(Failure::internal)?;
                    let lines = teller.lines(&session.screen, &record);
                    status.clear();
                    lines.iter().for_each(|line| screen::out(line));
                }
                "progress" if !session.json => {
                    let progress: Progress = serde_json::from_str(&frame.data).map_err(Failure::internal)?;
                    status.show(&progress.text);
                }
                "rest" => return Ok(Flow::Stop),
                _ => {}
            }
            Ok(Flow::Continue)
        })
        .await?;
    status.clear();
    Ok(())
}

/// Follows with lines, then prints the report and gives the verdict's code.
pub async fn to_the_end(session: &Session, client: &Client, id: &str) -> Result<ExitCode, Failure> {
    if session.json {
        silently(client, id).await?;
    } else {
        screen::out("");
        print(session, client, id, Extent::UntilItRests).await?;
    }
    let detail: Detail = client.get(&task_path(id, "")?).await?;
    session.print(&detail, |screen| {
        let mut out = vec![String::new()];
        out.extend(show::detail(screen, &detail));
        out.join("\n")
    })?;
    Ok(exit_of(&detail))
}

/// Follows with a status line only.
pub async fn briefly(session: &Session, client: &Client, id: &str) -> Result<(), Failure> {
    let mut status = StatusLine::new(&session.screen);
    let path = task_path(id, "/events?follow=true")?;
    client
        .stream(&path, |frame| match frame.event.as_str() {
            "progress" => {
                let progress: Progress = serde_json::from_str(&frame.data).map_err(Failure::internal)?;
                status.show(&progress.text);
                Ok(Flow::Continue)
            }
            "rest" => Ok(Flow::Stop),
            _ => Ok(Flow::Continue),
        })
        .await?;
    status.clear();
    Ok(())
}

pub async fn silently(client: &Client, id: &str) -> Result<(), Failure> {
    let path = task_path(id, "/events?follow=true")?;
    client.stream(&path, |frame| Ok(if frame.event == "rest" { Flow::Stop } else { Flow::Continue })).await
}

pub fn exit_of(detail: &Detail) -> ExitCode {
    crate::api::Failure { text: String::new(), hint: None, exit_code: detail.exit_code.unwrap_or(75) }.exit()
}
