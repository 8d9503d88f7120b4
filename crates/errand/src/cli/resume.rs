//! `errand resume`.

use super::{Session, task_path};
use crate::api::Task;
use crate::failure::Failure;
use errand_task::verdict::ExitCode;

/// Go on with a task that waits for you or failed.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    #[arg(required = true)]
    ids: Vec<String>,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    for id in &args.ids {
        let task: Task = client.post(&task_path(id, "/resume")?, &()).await?;
        session.print(&task, |_| format!("{} {}", task.id, task.state))?;
    }
    Ok(ExitCode::Verified)
}
