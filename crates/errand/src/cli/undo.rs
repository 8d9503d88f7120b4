//! `errand undo`: take the last apply of a task back, or bring a removed task back.

use super::{Session, task_path};
use crate::api::{Applied, BringBack, Task};
use crate::failure::Failure;
use crate::screen::{safe, safe_line};
use crate::terminal::own_name;
use errand_task::verdict::ExitCode;

/// Take an apply back (undo ID), or bring a removed task back (undo rm [ID]).
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, disable_help_subcommand = true)]
pub struct Args {
    /// The task whose apply is taken back: id, unique prefix or name. Refused where you changed the files since.
    #[arg(required = true)]
    id: Option<String>,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Bring a removed task back with its result; its workspace is made anew when something needs it.
    Rm {
        /// The removed task: id, unique prefix or name; without it, the one that was removed last.
        id: Option<String>,
    },
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    match args.what {
        Some(What::Rm { id }) => undo_rm(session, id).await,
        None => undo_apply(session, &args.id.unwrap_or_default()).await,
    }
}

async fn undo_apply(session: &Session, id: &str) -> Result<ExitCode, Failure> {
    let path = task_path(id, "/undo")?;
    let client = session.client().await?;
    let undone: Applied = client.post(&path, &()).await?;
    session.print(&undone, |_| {
        let mut out = vec![format!("{} is as it was before", safe(&undone.target))];
        out.extend(undone.files.iter().map(|file| format!("  {}", safe(file))));
        out.join("\n")
    })?;
    Ok(ExitCode::Verified)
}

async fn undo_rm(session: &Session, id: Option<String>) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    let task: Task = client.post("/v1/removed/bring-back", &BringBack { task: id }).await?;
    session.print(&task, |screen| {
        let state = task.verdict.as_deref().unwrap_or(&task.state);
        let goal = safe_line(&task.goal, screen.width.saturating_sub(40).max(20));
        format!("{} is back: {state}, {goal}\nsee it with: {} show {}", task.id, own_name(), task.id)
    })?;
    Ok(ExitCode::Verified)
}
