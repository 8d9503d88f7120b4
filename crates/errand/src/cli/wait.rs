//! `errand wait`: block until tasks rest.

use super::{Session, follow, task_path};
use crate::api::Detail;
use crate::failure::Failure;
use crate::screen::safe;
use errand_task::verdict::ExitCode;

/// Wait until tasks are finished or need you; exits with the last one's code.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    #[arg(required = true)]
    ids: Vec<String>,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    let mut exit = ExitCode::Verified;
    for id in &args.ids {
        follow::silently(&client, id).await?;
        let detail: Detail = client.get(&task_path(id, "")?).await?;
        exit = follow::exit_of(&detail);
        session.print(&detail, |_| {
            let state = detail.verdict.as_deref().unwrap_or(&detail.state);
            let note = if detail.note.is_empty() { String::new() } else { format!(": {}", safe(&detail.note)) };
            format!("{} {state}{note}", detail.id)
        })?;
    }
    Ok(exit)
}
