//! `errand ls`: the tasks, newest first.

use super::Session;
use crate::api::Task;
use crate::failure::Failure;
use crate::screen::{Look, Screen, safe_line};
use crate::show::{amount, state_look};
use errand_task::verdict::ExitCode;

/// List tasks, newest first.
#[derive(clap::Args)]
pub struct Args {
    /// Only tasks that still work or wait for you.
    #[arg(long)]
    active: bool,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    let mut tasks: Vec<Task> = client.get("/v1/tasks").await?;
    if args.active {
        tasks.retain(|task| task.ended_at.is_none());
    }
    session.print(&tasks, |screen| table(screen, &tasks))?;
    Ok(ExitCode::Verified)
}

fn table(screen: &Screen, tasks: &[Task]) -> String {
    if tasks.is_empty() {
        return "no tasks yet; hand one off with: errand run \"…\"".to_owned();
    }
    let head = format!("{:<9} {:<18} {:>5} {:>15} {:>11}  goal", "id", "state", "steps", "cost of budget", "diff");
    let mut out = vec![screen.paint(Look::Dim, &head)];
    for task in tasks {
        let state = task.verdict.as_deref().unwrap_or(&task.state);
        let cost = format!("{} of {}", amount(task.cost_usd), amount(task.budget_usd));
        let diff = if task.files == 0 { String::new() } else { format!("+{} −{}", task.added, task.removed) };
        let goal = match &task.name {
            Some(name) => format!("[{name}] {}", task.goal),
            None => task.goal.clone(),
        };
        let fixed = 66;
        out.push(format!(
            "{:<9} {} {:>5} {cost:>15} {diff:>11}  {}",
            task.id,
            screen.paint(state_look(state), &format!("{state:<18}")),
            task.steps,
            safe_line(&goal, screen.width.saturating_sub(fixed).max(20))
        ));
        if !task.note.is_empty() {
            let note = safe_line(&task.note, screen.width.saturating_sub(12).max(20));
            out.push(format!("          {}", screen.paint(Look::Dim, &note)));
        }
    }
    out.join("\n")
}
