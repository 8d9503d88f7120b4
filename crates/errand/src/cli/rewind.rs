//! `errand rewind`: put a task's files back to what they were before a step, and let it go on from there.

use super::{Session, task_path};
use crate::api::{Rewind, Task};
use crate::failure::Failure;
use crate::home;
use errand_task::verdict::ExitCode;

/// Put a task's files back to what they were before a step, what commands did included, and go on from there.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    id: String,
    /// The step, as `errand logs` numbers them: the files become what they were before it.
    #[arg(long, value_name = "STEP")]
    to: u32,
    /// What the agent should know or do; it is told in any case that its files were put back.
    text: Option<String>,
    /// The whole task's budget in dollars from now on.
    #[arg(long, value_name = "USD")]
    budget: Option<f64>,
    /// Move the task to this shell's endpoint and key.
    #[arg(long)]
    new_endpoint: bool,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    if args.text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return Err(Failure::usage("the message is empty").hint("leave it out, or say what the agent should do"));
    }
    let client = session.client().await?;
    let endpoint = home::endpoint_of_shell(args.new_endpoint)?;
    let body = Rewind { step: args.to, text: args.text, budget_usd: args.budget, endpoint };
    let task: Task = client.post(&task_path(&args.id, "/rewind")?, &body).await?;
    session.print(&task, |_| format!("{} {}", task.id, task.state))?;
    Ok(ExitCode::Verified)
}
