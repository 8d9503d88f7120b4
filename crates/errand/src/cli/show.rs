//! `errand show`: one task, with its report once there is one.

use super::{Session, follow, task_path};
use crate::api::Detail;
use crate::failure::Failure;
use crate::screen::safe;
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
    /// Only the document of a plan or an answer, as Markdown.
    #[arg(long, conflicts_with = "events")]
    document: bool,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    if args.events {
        follow::print(session, &client, &args.id, follow::Extent::SoFar).await?;
        return Ok(ExitCode::Verified);
    }
    let detail: Detail = client.get(&task_path(&args.id, "")?).await?;
    if args.document {
        let document = detail.report.as_ref().and_then(|report| report.document.clone());
        let document = document.ok_or_else(|| {
            Failure::usage(format!("task {} has no document", detail.id))
                .hint("plans and answers have one when they are done")
        })?;
        session.print(&document, |_| safe(&document).trim_end().to_owned())?;
        return Ok(ExitCode::Verified);
    }
    session.print(&detail, |screen| show::detail(screen, &detail).join("\n"))?;
    Ok(ExitCode::Verified)
}
