//! `errand daemon`: start, stop and look at the process that does the work.

use super::Session;
use crate::api::Status;
use crate::client::Client;
use crate::failure::Failure;
use crate::home::Home;
use errand_task::verdict::ExitCode;
use std::path::PathBuf;
use std::time::Duration;

/// The process that does the work; it starts by itself when it is needed.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Start it in the background.
    Start,
    /// Run it in the foreground.
    Run {
        /// State directory, instead of the environment's.
        #[arg(long, hide = true)]
        home: Option<PathBuf>,
    },
    /// Let running steps finish and stop; tasks go on at the next start.
    Stop {
        /// Do not wait for steps.
        #[arg(long)]
        now: bool,
    },
    /// Is it there, and what does it do.
    Status,
}

/// How long a stopping daemon may take: a step may be a long command.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

pub async fn run(session: &Session, verb: Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Start => {
            let status: Status = session.client().await?.get("/v1/status").await?;
            session.print(&status, |_| line(&status))?;
            Ok(ExitCode::Verified)
        }
        Verb::Run { home } => crate::daemon::run(home.map_or_else(|| session.home.clone(), Home::at)).await,
        Verb::Stop { now } => stop(session, now).await,
        Verb::Status => match Client::find(&session.home).await? {
            Some(client) => {
                let status: Status = client.get("/v1/status").await?;
                session.print(&status, |_| line(&status))?;
                Ok(ExitCode::Verified)
            }
            None => Err(not_running()),
        },
    }
}

async fn stop(session: &Session, is_now: bool) -> Result<ExitCode, Failure> {
    let Some(client) = Client::find(&session.home).await? else { return Err(not_running()) };
    let status: Status = client.post("/v1/shutdown", &is_now).await?;
    let waiting = async {
        while Client::find(&session.home).await?.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, Failure>(())
    };
    tokio::time::timeout(STOP_TIMEOUT, waiting).await.map_err(|_| {
        Failure::new(ExitCode::TryLater, "the daemon is still finishing steps")
            .hint("or end it with: errand daemon stop --now")
    })??;
    session.print(&status, |_| format!("the daemon (pid {}) has stopped", status.pid))?;
    Ok(ExitCode::Verified)
}

fn not_running() -> Failure {
    Failure::new(ExitCode::TryLater, "the daemon is not running")
        .hint("it starts by itself with the next command, or: errand daemon start")
}

fn line(status: &Status) -> String {
    format!(
        "errand {} · pid {} · {} working · since {} · {}",
        status.version, status.pid, status.working, status.started_at, status.home
    )
}
