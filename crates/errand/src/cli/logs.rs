//! `errand logs`: what happened, one line an event; with `-f` what happens.

use super::{Session, follow};
use crate::failure::Failure;
use errand_task::verdict::ExitCode;

/// Show what a task did, event by event.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    id: String,
    /// Keep following until the task rests.
    #[arg(short, long)]
    follow: bool,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    let extent = if args.follow { follow::Extent::UntilItRests } else { follow::Extent::SoFar };
    follow::print(session, &client, &args.id, extent).await?;
    Ok(ExitCode::Verified)
}
