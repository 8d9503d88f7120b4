//! `errand ask`: a question about the codebase, answered with references; nothing may be edited.

use super::{Session, follow, run as hand_off, task_path};
use crate::api::{Detail, Submitted};
use crate::failure::Failure;
use crate::show;
use errand_runner::Start;
use errand_task::contract::{Draft, DraftBudget, Mode};
use errand_task::verdict::ExitCode;

/// Ask about the codebase; the answer cites the places it rests on.
#[derive(clap::Args)]
pub struct Args {
    question: String,
    /// sonnet, opus, haiku, or a full model id.
    #[arg(short, long)]
    model: Option<String>,
    /// Most dollars (0.50).
    #[arg(long, value_name = "USD", default_value_t = 0.50)]
    budget: f64,
    /// Revision to ask about (HEAD).
    #[arg(long, value_name = "REV")]
    base: Option<String>,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let draft = Draft {
        mode: Some(Mode::Answer),
        model: args.model,
        budget: DraftBudget { usd: Some(args.budget), steps: Some(30), minutes: Some(15) },
        ..Draft::default()
    };
    let submit = hand_off::hand_off(draft, &args.question, None, Start::at(args.base), false)?;
    let client = session.client().await?;
    let submitted: Submitted = client.post("/v1/tasks", &submit).await?;
    let id = submitted.id.unwrap_or_default();
    follow::briefly(session, &client, &id).await?;
    let detail: Detail = client.get(&task_path(&id, "")?).await?;
    session.print(&detail, |screen| show::answer(screen, &detail).join("\n"))?;
    Ok(follow::exit_of(&detail))
}
