//! `errand undo`: take the last apply back.

use super::{Session, task_path};
use crate::api::Applied;
use crate::failure::Failure;
use crate::screen::safe;
use errand_task::verdict::ExitCode;

/// Take an apply back; refused where you changed the files since.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    id: String,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    let undone: Applied = client.post(&task_path(&args.id, "/undo")?, &()).await?;
    session.print(&undone, |_| {
        let mut out = vec![format!("{} is as it was before", safe(&undone.target))];
        out.extend(undone.files.iter().map(|file| format!("  {}", safe(file))));
        out.join("\n")
    })?;
    Ok(ExitCode::Verified)
}
