//! The command line: one file per verb, one line each here.

pub mod apply;
pub mod ask;
pub mod contract_file;
pub mod cost;
pub mod daemon;
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod follow;
pub mod logs;
pub mod ls;
pub mod reply;
pub mod resume;
pub mod rewind;
pub mod rm;
pub mod run;
pub mod show;
pub mod sim;
pub mod stop;
pub mod trust;
pub mod undo;
pub mod wait;

use crate::client::Client;
use crate::failure::Failure;
use crate::home::Home;
use crate::screen::Screen;
use clap::{Parser, Subcommand};
use errand_task::verdict::ExitCode;

/// Hand a coding agent a bounded job and go on working; come back to a verified, reviewable result.
#[derive(Parser)]
#[command(name = "errand", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 verified or delivered · 1 internal · 2 usage · 3 unverified · 4 checks failed · \
    5 contract violated · 6 limit reached · 7 needs a person · 8 environment not ready · 75 try again later · 130 stopped\n\
    Start here: errand demo"
)]
pub struct Cli {
    /// One JSON value on standard output instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(Box<run::Args>),
    Ask(ask::Args),
    #[command(visible_alias = "ps")]
    Ls(ls::Args),
    Show(show::Args),
    Logs(logs::Args),
    Wait(wait::Args),
    Diff(diff::Args),
    Apply(apply::Args),
    Undo(undo::Args),
    Reply(reply::Args),
    Stop(stop::Args),
    Resume(resume::Args),
    Rewind(rewind::Args),
    Rm(rm::Args),
    Cost(cost::Args),
    Trust(trust::Args),
    Doctor(doctor::Args),
    #[command(subcommand)]
    Daemon(daemon::Verb),
    Demo(demo::Args),
    #[command(subcommand)]
    Sim(sim::Verb),
}

/// What every verb is given.
pub struct Session {
    pub home: Home,
    pub json: bool,
    pub screen: Screen,
}

impl Session {
    pub async fn client(&self) -> Result<Client, Failure> {
        Client::connect(&self.home).await
    }

    /// Prints the value as JSON, or as `text` says it.
    pub fn print<T: serde::Serialize>(&self, value: &T, text: impl FnOnce(&Screen) -> String) -> Result<(), Failure> {
        if self.json {
            let json = serde_json::to_string(value).map_err(Failure::internal)?;
            crate::screen::out(&crate::screen::safe_json(&json));
        } else {
            let text = text(&self.screen);
            if !text.is_empty() {
                crate::screen::out(&text);
            }
        }
        Ok(())
    }
}

pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let session = Session { home: Home::find()?, json: cli.json, screen: Screen::stdout() };
    match cli.verb {
        Verb::Run(args) => run::run(&session, *args).await,
        Verb::Ask(args) => ask::run(&session, args).await,
        Verb::Ls(args) => ls::run(&session, args).await,
        Verb::Show(args) => show::run(&session, args).await,
        Verb::Logs(args) => logs::run(&session, args).await,
        Verb::Wait(args) => wait::run(&session, args).await,
        Verb::Diff(args) => diff::run(&session, args).await,
        Verb::Apply(args) => apply::run(&session, args).await,
        Verb::Undo(args) => undo::run(&session, args).await,
        Verb::Reply(args) => reply::run(&session, args).await,
        Verb::Stop(args) => stop::run(&session, args).await,
        Verb::Resume(args) => resume::run(&session, args).await,
        Verb::Rewind(args) => rewind::run(&session, args).await,
        Verb::Rm(args) => rm::run(&session, args).await,
        Verb::Cost(args) => cost::run(&session, args).await,
        Verb::Trust(args) => trust::run(&session, args).await,
        Verb::Doctor(args) => doctor::run(&session, args).await,
        Verb::Daemon(verb) => daemon::run(&session, verb).await,
        Verb::Demo(args) => demo::run(&session, args).await,
        Verb::Sim(verb) => sim::run(&session, verb).await,
    }
}

/// The path of a task in the API; ids and names need no escaping beyond this.
pub fn task_path(id: &str, rest: &str) -> Result<String, Failure> {
    let is_plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !is_plain {
        return Err(Failure::usage(format!("`{id}` is no task id or name")).hint("errand ls shows the tasks"));
    }
    Ok(format!("/v1/tasks/{id}{rest}"))
}
