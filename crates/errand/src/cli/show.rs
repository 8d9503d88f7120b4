//! `errand show`: one task, with its report once there is one.

use super::{Session, follow, task_path};
use crate::api::Detail;
use crate::failure::Failure;
use crate::show;
use errand_task::verdict::ExitCode;

/// Show a task: where it stands, and its report.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    id: String,
    /// The journal instead: one event a line.
    #[arg(long)]
    events: bool,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    if args.events {
        follow::print(session, &client, &args.id, follow::Extent::SoFar).await?;
        return Ok(ExitCode::Verified);
    }
    let detail: Detail = client.get(&task_path(&args.id, "")?).await?;
    session.print(&detail, |screen| show::detail(screen, &detail).join("\n"))?;
    Ok(ExitCode::Verified)
}
