//! `errand ls`: the tasks, newest first; the removed ones; what lies on the disk.

use super::Session;
use crate::api::{Disk, Removed, Task};
use crate::failure::Failure;
use crate::screen::{Look, Screen, safe, safe_line};
use crate::show::{amount, size, state_look};
use crate::terminal::own_name;
use errand_task::verdict::ExitCode;

/// List tasks, newest first.
#[derive(clap::Args)]
pub struct Args {
    /// Only tasks that still work or wait for you.
    #[arg(long)]
    active: bool,
    /// The tasks that were removed and can be brought back with `undo rm`.
    #[arg(long, conflicts_with = "active")]
    removed: bool,
    /// What tasks, repositories and the trash take on the disk.
    #[arg(long, conflicts_with_all = ["active", "removed"])]
    disk: bool,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    if args.removed {
        let removed: Vec<Removed> = client.get("/v1/removed").await?;
        session.print(&removed, |screen| removed_table(screen, &removed))?;
    } else if args.disk {
        let disk: Disk = client.get("/v1/disk").await?;
        session.print(&disk, |screen| disk_table(screen, &disk))?;
    } else {
        let mut tasks: Vec<Task> = client.get("/v1/tasks").await?;
        if args.active {
            tasks.retain(|task| task.ended_at.is_none());
        }
        session.print(&tasks, |screen| table(screen, &tasks))?;
    }
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
        let diff = diff(task);
        let goal = goal(task.name.as_deref(), &task.goal);
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

fn removed_table(screen: &Screen, all: &[Removed]) -> String {
    if all.is_empty() {
        return "no task was removed".to_owned();
    }
    let head = format!("{:<9} {:<18} {:<20} {:>11}  goal", "id", "state", "removed", "diff");
    let mut out = vec![screen.paint(Look::Dim, &head)];
    for Removed { task, removed_at } in all {
        let state = task.verdict.as_deref().unwrap_or(&task.state);
        let at = removed_at.get(..16).unwrap_or_default().replace('T', " ");
        out.push(format!(
            "{:<9} {} {:<20} {:>11}  {}",
            task.id,
            screen.paint(state_look(state), &format!("{state:<18}")),
            format!("{at} UTC"),
            diff(task),
            safe_line(&goal(task.name.as_deref(), &task.goal), screen.width.saturating_sub(65).max(20))
        ));
    }
    out.push(format!("bring one back with: {} undo rm ID", own_name()));
    out.join("\n")
}

fn disk_table(screen: &Screen, disk: &Disk) -> String {
    let mut out = Vec::new();
    let head = |out: &mut Vec<String>, text: &str| out.push(screen.paint(Look::Dim, text));
    if !disk.tasks.is_empty() {
        head(&mut out, &format!("{:>9}  {:<9} {:<18} goal", "on disk", "task", "state"));
        for task in &disk.tasks {
            let state = task.state.as_deref().unwrap_or("not listed");
            out.push(format!(
                "{:>9}  {:<9} {} {}",
                size(task.bytes),
                safe_line(&task.id, 9),
                screen.paint(state_look(state), &format!("{state:<18}")),
                safe_line(&goal(task.name.as_deref(), &task.goal), screen.width.saturating_sub(40).max(20))
            ));
        }
        out.push(String::new());
    }
    if !disk.repositories.is_empty() {
        head(&mut out, &format!("{:>9}  repository", "on disk"));
        for repository in &disk.repositories {
            let mut parts: Vec<_> = repository.parts.iter().filter(|(name, _)| *name != "files").collect();
            parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
            let parts: Vec<_> =
                parts.into_iter().map(|(name, bytes)| format!("{} {}", safe(name), size(*bytes))).collect();
            out.push(format!("{:>9}  {}", size(repository.bytes), safe_line(&repository.repository, 90)));
            out.push(format!("{:>9}  {}", "", screen.paint(Look::Dim, &parts.join(" · "))));
        }
        out.push(String::new());
    }
    out.push(format!("{:>9}  trash", size(disk.trash_bytes)));
    out.push(format!("{:>9}  journal, records and log", size(disk.other_bytes)));
    out.push(format!("{:>9}  in all", size(disk.total_bytes)));
    out.join("\n")
}

fn diff(task: &Task) -> String {
    if task.files == 0 { String::new() } else { format!("+{} −{}", task.added, task.removed) }
}

fn goal(name: Option<&str>, goal: &str) -> String {
    match name {
        Some(name) => format!("[{name}] {goal}"),
        None => goal.to_owned(),
    }
}
