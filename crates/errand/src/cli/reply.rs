//! `errand reply`: answer, steer, or follow up on a result.

use super::{Session, task_path};
use crate::api::{Reply, Task};
use crate::failure::Failure;
use crate::home;
use errand_task::verdict::ExitCode;

/// Answer a question, steer a task while it works, or follow up on a result.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    id: String,
    text: String,
    /// The whole task's budget in dollars from now on.
    #[arg(long, value_name = "USD")]
    budget: Option<f64>,
    /// Move the task to this shell's endpoint and key.
    #[arg(long)]
    new_endpoint: bool,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    if args.text.trim().is_empty() {
        return Err(Failure::usage("the reply is empty").hint("say what the agent should know or do"));
    }
    let client = session.client().await?;
    let endpoint = home::endpoint_of_shell(args.new_endpoint)?;
    let body = Reply { text: args.text, budget_usd: args.budget, endpoint };
    let task: Task = client.post(&task_path(&args.id, "/reply")?, &body).await?;
    session.print(&task, |_| format!("{} {}", task.id, task.state))?;
    Ok(ExitCode::Verified)
}
