//! `errand diff`: the result as a patch.

use super::{Session, task_path};
use crate::api::Detail;
use crate::failure::Failure;
use crate::screen::{self, Look, Screen, safe};
use crate::show;
use errand_task::verdict::ExitCode;

/// Show what a task changed; on a pipe, a plain git patch.
///
/// On a terminal, characters that would act on it or hide text are shown as marks. On a pipe the patch is exact, so that
/// git can apply it: whatever bytes the files hold are in it, a key in one of them as well.
#[derive(clap::Args)]
pub struct Args {
    /// Id, unique prefix or name.
    id: String,
    /// Only the files and how many lines of each.
    #[arg(long)]
    stat: bool,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    if args.stat || session.json {
        let detail: Detail = client.get(&task_path(&args.id, "")?).await?;
        session.print(&detail.diff, |screen| show::diff_stat(screen, &detail.diff).join("\n"))?;
        return Ok(ExitCode::Verified);
    }
    let patch = client.get_bytes(&task_path(&args.id, "/diff")?).await?;
    if !screen::is_watched() {
        screen::out_patch(&patch);
        return Ok(ExitCode::Verified);
    }
    match patch.is_empty() {
        true => screen::out("no file is changed"),
        false => screen::out(&coloured(&session.screen, &String::from_utf8_lossy(&patch))),
    }
    Ok(ExitCode::Verified)
}

/// The patch for a terminal: safe text, the usual colours.
pub fn coloured(screen: &Screen, patch: &str) -> String {
    let line = |line: &str| {
        let look = match line.as_bytes() {
            [b'@', b'@', ..] => Look::Accent,
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Look::Bold,
            [b'+', ..] => Look::Good,
            [b'-', ..] => Look::Bad,
            _ if line.starts_with("diff ") => Look::Bold,
            _ => Look::Plain,
        };
        screen.paint(look, &safe(line))
    };
    patch.lines().map(line).collect::<Vec<_>>().join("\n")
}
