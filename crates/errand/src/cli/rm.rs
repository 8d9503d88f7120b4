//! `errand rm`: take tasks out of the lists. Nothing unsaved is deleted: results stay in the ledger, costs in the books.

use super::{Session, task_path};
use crate::api::Task;
use crate::failure::Failure;
use errand_task::verdict::ExitCode;

/// Remove a finished task; its result stays stored in errand's ledger.
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
        session.print(&task, |_| format!("{} removed", task.id))?;
    }
    Ok(ExitCode::Verified)
}
