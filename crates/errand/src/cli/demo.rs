//! `errand demo`: the main job on a bundled repository. Everything in it is real except, by default, the model.

use super::{Session, follow, task_path};
use crate::api::{Submit, Submitted};
use crate::client::Client;
use crate::failure::Failure;
use crate::home::{self, Endpoint};
use crate::screen::{self, Look};
use crate::terminal::own_name;
use errand_sim::Script;
use errand_task::contract::{Baseline, Draft, DraftBudget, DraftCheck, DraftFullCheck};
use errand_task::verdict::ExitCode;
use errand_workspace::git::Git;
use errand_workspace::new_repository::{self, NewFile};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Watch errand find and fix a flaky test, on a small bundled repository.
#[derive(clap::Args)]
pub struct Args {
    /// Let the real model do it; needs ANTHROPIC_API_KEY.
    #[arg(long)]
    live: bool,
    /// Model for --live (sonnet).
    #[arg(short, long, requires = "live")]
    model: Option<String>,
    /// Where the demo repository is made; must not exist yet.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const GOAL: &str = "The test everyone_can_log_in_at_the_same_time in tests/login.rs fails now and then: a valid session is \
    rejected. Find the race, prove the cause, make the smallest fix in the product code, add a regression test that fails \
    without it, and show by repetition that the flake is gone.";
const CHECK: &str = "cargo test -q --test login";
const REPEAT: u32 = 20;
const SCRIPT: &str = include_str!("../../demo/flaky.script");
/// The scripted model leaves when nobody has asked it for this long.
const IDLE_MINUTES: &str = "30";
const START_TIMEOUT: Duration = Duration::from_secs(10);

macro_rules! bundled {
    ($($path:literal $(as $name:literal)?),+ $(,)?) => {
        [$((bundled!(@name $path $($name)?), include_str!(concat!("../../demo/repository/", $path)))),+]
    };
    (@name $path:literal) => { $path };
    (@name $path:literal $name:literal) => { $name };
}

/// Manifest, lock file and ignore file are stored under names that cargo and git do not look at.
const FILES: [(&str, &str); 14] = bundled![
    "Cargo.toml.in" as "Cargo.toml",
    "Cargo.lock.in" as "Cargo.lock",
    "gitignore.in" as ".gitignore",
    "README.md",
    "rustfmt.toml",
    "src/lib.rs",
    "src/clock.rs",
    "src/login.rs",
    "src/password.rs",
    "src/rate_limit.rs",
    "src/session.rs",
    "src/store.rs",
    "src/token.rs",
    "tests/login.rs",
];

/// The bundled scripted model.
pub fn script() -> Result<Script, Failure> {
    Script::parse(SCRIPT).map_err(|error| Failure::internal(format!("the demo's script: {error}")))
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    session.home.create()?;
    let directory = make_repository(session, args.dir)?;
    let endpoint = match args.live {
        true => Endpoint::find()?,
        false => scripted_model(session).await?,
    };
    introduce(session, &directory, args.live);
    let submit = submit(&directory, args.model, endpoint)?;
    let client = session.client().await?;
    let submitted: Submitted = client.post("/v1/tasks", &submit).await?;
    let id = submitted.id.clone().unwrap_or_default();
    if !session.json {
        let head = format!(
            "handed off as {}; it works in the background, this only watches",
            session.screen.paint(Look::Bold, &id)
        );
        screen::out(&head);
        super::run::enforced(&session.screen, &submitted.contract, &submitted.model)
            .iter()
            .for_each(|line| screen::out(line));
    }
    let exit = follow::to_the_end(session, &client, &id).await?;
    if !session.json {
        conclude(session, &client, &id, &directory, args.live).await?;
    }
    Ok(exit)
}

fn make_repository(session: &Session, dir: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let short = unique.get(..6).unwrap_or(&unique);
    let dir = dir.unwrap_or_else(|| session.home.path().join("demo").join(short).join("gatehouse"));
    let files = FILES.map(|(path, text)| NewFile { path, bytes: text.as_bytes() });
    let git = Git::find(&home::search_path())
        .map_err(|error| Failure::new(ExitCode::EnvironmentNotReady, error).hint("install git 2.38 or newer"))?;
    new_repository::create(&git, &dir, &files, "Sessions in shards, so that lookups never wait")
        .map_err(|error| Failure::usage(error).hint("choose a place that does not exist yet with --dir"))?;
    Ok(dir)
}

/// Starts the scripted model as a process of its own, so that the job goes on when this one ends.
async fn scripted_model(session: &Session) -> Result<Endpoint, Failure> {
    let dir = session.home.path().join("demo");
    let name = uuid::Uuid::new_v4().simple().to_string();
    let url_file = dir.join(format!("{name}.url"));
    let path = url_file.to_str().ok_or_else(|| Failure::usage("the path of the state directory is not valid UTF-8"))?;
    let args = ["sim", "serve", "--demo", "--delay-ms", "300", "--idle-minutes", IDLE_MINUTES, "--url-file", path];
    let log = dir.join("model.log");
    errand_workspace::command::spawn_daemon(&home::own_program()?, &args, &home::for_child(), &log)
        .map_err(|error| Failure::internal(format!("the scripted model cannot be started: {error}")))?;
    let start = Instant::now();
    while start.elapsed() < START_TIMEOUT {
        if let Ok(base_url) = std::fs::read_to_string(&url_file) {
            let _ = std::fs::remove_file(&url_file);
            return Ok(Endpoint { base_url, key: "demo".to_owned() });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(Failure::internal("the scripted model did not start").hint(format!("its log is {}", log.display())))
}

fn introduce(session: &Session, directory: &Path, is_live: bool) {
    if session.json {
        return;
    }
    screen::out(&format!("repository  {}", directory.display()));
    screen::out("            a login service whose test suite flakes; a real crate with a real race");
    screen::out(match is_live {
        true => "model       the real one; this costs money, at most the budget below",
        false => {
            "model       SCRIPTED: its turns were written beforehand. All else is real: the daemon, the HTTP API,\n            \
             the workspace, the edits, every command and every check. A real model: errand demo --live"
        }
    });
    screen::out("");
}

fn submit(directory: &Path, model: Option<String>, endpoint: Endpoint) -> Result<Submit, Failure> {
    let draft = Draft {
        checks: vec![DraftCheck::Full(DraftFullCheck {
            run: CHECK.to_owned(),
            repeat: Some(REPEAT),
            baseline: Some(Baseline::MayFail),
            timeout_s: Some(300),
        })],
        regression: Some(CHECK.to_owned()),
        allow: vec!["src/**".to_owned(), "tests/**".to_owned()],
        max_diff_lines: Some(120),
        max_files: Some(5),
        budget: DraftBudget { usd: Some(1.0), steps: Some(40), minutes: Some(20) },
        model,
        ..Draft::default()
    };
    let contract = draft.complete(GOAL).map_err(|problems| {
        Failure::internal(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    let directory = directory.to_str().ok_or_else(|| Failure::usage("the path of the demo is not valid UTF-8"))?;
    Ok(Submit {
        dirty: false,
        contract,
        name: None,
        directory: directory.to_owned(),
        base: None,
        base_url: endpoint.base_url,
        key: endpoint.key,
        is_dry_run: false,
        trusts: Vec::new(),
    })
}

/// The diff, and what to type next.
async fn conclude(
    session: &Session,
    client: &Client,
    id: &str,
    directory: &Path,
    is_live: bool,
) -> Result<(), Failure> {
    let patch = client.get_bytes(&task_path(id, "/diff")?).await?;
    screen::out(&format!("\n{}", session.screen.paint(Look::Bold, "The patch")));
    screen::out(&super::diff::coloured(&session.screen, &String::from_utf8_lossy(&patch)));
    let own = own_name();
    screen::out(&format!("\n{}", session.screen.paint(Look::Bold, "Next")));
    let commands = [
        (format!("{own} apply {id}"), format!("write it into {}", directory.display())),
        (format!("{own} cost {id}"), "where the money went".to_owned()),
        (format!("{own} run \"…\" --check \"…\""), "your own job, in your own repository".to_owned()),
    ];
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    commands.iter().for_each(|(command, what)| screen::out(&format!("  {command:<width$}   {what}")));
    if !is_live {
        screen::out(
            "\nThe model was the scripted one and its price list a real one: nothing was paid. For a real model:\n  \
             export ANTHROPIC_API_KEY=…            Claude\n  \
             export ANTHROPIC_BASE_URL=http://…    a server on this machine that speaks the same API",
        );
    }
    Ok(())
}
