//! `errand rm`: take tasks out of the lists. Nothing unsaved is deleted: the workspace goes when its files are in the ledger,
//! results stay there, costs stay in the books.

use super::{Session, task_path};
use crate::api::Task;
use crate::failure::Failure;
use crate::terminal::own_name;
use errand_task::verdict::ExitCode;

/// Take a task off the list and its workspace off the disk; `undo rm` brings it back.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    #[arg(required = true)]
    ids: Vec<String>,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    for id in &args.ids {
        let task: Task = client.post(&task_path(id, "/remove")?, &()).await?;
        session
            .print(&task, |_| format!("{} removed; bring it back with: {} undo rm {}", task.id, own_name(), task.id))?;
    }
    Ok(ExitCode::Verified)
}
