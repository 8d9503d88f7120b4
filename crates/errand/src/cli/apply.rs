//! `errand apply`: write a result into the checkout or onto a branch, all of it or nothing.

use super::{Session, task_path};
use crate::api::{Applied, Apply};
use crate::failure::Failure;
use crate::screen::safe;
use crate::terminal::own_name;
use errand_task::verdict::ExitCode;

/// Write a result into your checkout (or onto a branch), all of it or nothing.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    id: String,
    /// Make a branch with the result as one commit instead of writing the checkout.
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Refuse unless the result is this tree (as `show --json` names it).
    #[arg(long, value_name = "TREE")]
    tree: Option<String>,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    let body = Apply { branch: args.branch, tree: args.tree };
    let applied: Applied = client.post(&task_path(&args.id, "/apply")?, &body).await?;
    session.print(&applied, |_| {
        let mut out = vec![format!("applied to {}", safe(&applied.target))];
        out.extend(applied.files.iter().map(|file| format!("  {}", safe(file))));
        out.extend(applied.skipped.iter().map(|file| format!("  left out: {}", safe(file))));
        if body.branch.is_none() {
            out.push(format!("take it back with: {} undo {}", own_name(), args.id));
        }
        out.join("\n")
    })?;
    Ok(ExitCode::Verified)
}
