//! errand: hand off a bounded engineering job, come back to a reviewable result.
//!
//! The one binary: command line, daemon and demo. It knows terminals, flags, sockets and the environment, and nothing
//! about how a job is done.

mod api;
mod cli;
mod client;
mod daemon;
mod failure;
mod home;
mod screen;
mod settings;
mod show;
mod terminal;
mod trust_file;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any thread: the sandbox executes this program again for its stages.
    errand_workspace::sandbox::enter(std::env::args_os());
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misread(&error),
    };
    let is_json = cli.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&failure::Failure::internal(error), is_json),
    };
    let outcome = runtime.block_on(cli::run(cli));
    // A blocked read of a terminal must not hold the end up.
    runtime.shutdown_background();
    match outcome {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => report(&failure, is_json),
    }
}

/// Help and version are answers; everything else clap says is one of our failures.
fn misread(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        screen::out(error.render().to_string().trim_end());
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let (sentence, hint) = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            ("no verb is given".to_owned(), "errand --help lists them; start with: errand demo".to_owned())
        }
        _ => {
            let said =
                text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
            let verb = terminal::first_word().unwrap_or_default();
            (
                said.trim_start_matches("error: ").replace('\'', "`"),
                format!("see: errand {verb} --help").replace("  ", " "),
            )
        }
    };
    report(&failure::Failure::usage(sentence).hint(hint), terminal::asks_for_json())
}

/// One sentence, what to do, the exit code.
fn report(failure: &failure::Failure, is_json: bool) -> ExitCode {
    if is_json {
        let failure =
            api::Failure { text: failure.text.clone(), hint: failure.hint.clone(), exit_code: failure.exit.code() };
        screen::out(&screen::safe_json(&serde_json::json!({ "error": failure }).to_string()));
    } else {
        screen::news(&format!("errand: {}", screen::safe(&failure.text)));
        if let Some(hint) = &failure.hint {
            screen::news(&format!("  → {}", screen::safe(hint)));
        }
    }
    ExitCode::from(failure.exit.code())
}
