//! `errand sim`: the scripted model server, for tests, for the demo and for recording.

use super::Session;
use crate::failure::Failure;
use crate::screen;
use errand_sim::{ApiKeys, Latency, Script, Scripts, Sim, SimOptions, record};
use errand_task::verdict::ExitCode;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A strict stand-in for the model API that plays scripts or lets you be the model.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Answer from a script.
    Serve {
        /// A script, or a folder of NAME.script files that are played under /NAME.
        #[arg(required_unless_present = "demo")]
        script: Option<PathBuf>,
        /// Play the demo's script.
        #[arg(long, conflicts_with = "script")]
        demo: bool,
        /// Port on 127.0.0.1; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Write the base URL into this file once it listens.
        #[arg(long, value_name = "FILE")]
        url_file: Option<PathBuf>,
        /// End by itself after this many minutes without a request.
        #[arg(long, value_name = "N")]
        idle_minutes: Option<u64>,
        /// Milliseconds before each answer.
        #[arg(long, default_value_t = 0)]
        delay_ms: u64,
    },
    /// Park each request as a readable file and wait for an answer beside it; write what was said as a script.
    Record {
        /// Where requests are parked and answers are taken.
        #[arg(long)]
        dir: PathBuf,
        /// Folder for the recorded scripts.
        #[arg(long)]
        out: PathBuf,
        /// Port on 127.0.0.1; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

/// How long a parked request may be silent before pings are sent.
const HOLD: Duration = Duration::from_secs(5);

pub async fn run(_: &Session, verb: Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Serve { script, demo, port, url_file, idle_minutes, delay_ms } => {
            let scripts = match (demo, script) {
                (true, _) | (false, None) => Scripts::of(super::demo::script()?),
                (false, Some(path)) => scripts(&path)?,
            };
            let first_byte = Duration::from_millis(delay_ms);
            let between_frames = if demo { Duration::from_millis(4) } else { Duration::ZERO };
            let latency = Latency { first_byte, between_frames };
            let options = SimOptions { port, scripts, api_keys: ApiKeys::Any, latency };
            let sim = Sim::start(options).map_err(Failure::internal)?;
            announce(&sim, url_file.as_deref())?;
            serve(&sim, idle_minutes).await
        }
        Verb::Record { dir, out, port } => {
            let options = record::RecordOptions { port, dir: dir.clone(), out, api_keys: ApiKeys::Any, hold: HOLD };
            let sim = record::start(options).map_err(Failure::internal)?;
            announce(&sim, None)?;
            screen::news(&format!(
                "requests are parked in {0}: answer {0}/0001.request.md with {0}/0001.answer",
                dir.display()
            ));
            serve(&sim, None).await
        }
    }
}

fn scripts(path: &Path) -> Result<Scripts, Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
    if path.is_dir() {
        return Scripts::from_dir(path).map_err(|error| named(&error));
    }
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    Ok(Scripts::of(Script::parse(&text).map_err(|error| named(&error))?))
}

fn announce(sim: &Sim, url_file: Option<&Path>) -> Result<(), Failure> {
    screen::out(&sim.base_url());
    let Some(path) = url_file else { return Ok(()) };
    let partial = path.with_extension("partial");
    std::fs::write(&partial, sim.base_url())?;
    Ok(std::fs::rename(partial, path)?)
}

async fn serve(sim: &Sim, idle_minutes: Option<u64>) -> Result<ExitCode, Failure> {
    let mut last = (0, Instant::now());
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::Verified),
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        let n_requests = sim.requests().len();
        if n_requests != last.0 {
            last = (n_requests, Instant::now());
        }
        if idle_minutes.is_some_and(|minutes| last.1.elapsed() > Duration::from_secs(minutes * 60)) {
            return Ok(ExitCode::Verified);
        }
    }
}
