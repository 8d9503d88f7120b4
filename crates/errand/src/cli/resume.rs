//! `errand resume`.

use super::{Session, task_path};
use crate::api::{Resume, Task};
use crate::failure::Failure;
use crate::home;
use errand_task::verdict::ExitCode;

/// Go on with a task that waits for you or failed.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Move the task to this shell's endpoint and key.
    #[arg(long)]
    new_endpoint: bool,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    for id in &args.ids {
        let body = Resume { endpoint: home::endpoint_of_shell(args.new_endpoint)? };
        let task: Task = client.post(&task_path(id, "/resume")?, &body).await?;
        session.print(&task, |_| format!("{} {}", task.id, task.state))?;
    }
    Ok(ExitCode::Verified)
}
