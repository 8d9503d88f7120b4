//! `errand trust`: what the files of a repository would run and take out of the checkout, and the person's yes to exactly
//! that.

use super::Session;
use super::run::line;
use crate::api::{Look, Repository};
use crate::failure::Failure;
use crate::home;
use crate::screen::{self, Screen, safe, safe_line};
use crate::trust_file::{Entry, TrustFile};
use errand_task::id::Digest;
use errand_task::repository_config::{PATH, WORKTREE_INCLUDE};
use errand_task::verdict::ExitCode;

/// Show what this repository's files would run and copy out of your checkout, and let them.
#[derive(clap::Args)]
pub struct Args {
    /// Revision to look at (HEAD).
    #[arg(long, value_name = "REV", conflicts_with_all = ["list", "revoke"])]
    base: Option<String>,
    /// Say yes without being asked.
    #[arg(long, conflicts_with_all = ["list", "revoke"])]
    yes: bool,
    /// List what you trust, of all repositories.
    #[arg(long)]
    list: bool,
    /// Take back every yes for this repository, or for the one at PATH as listed.
    #[arg(long, value_name = "PATH", num_args = 0..=1, conflicts_with = "list")]
    revoke: Option<Option<String>>,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let file = TrustFile::find();
    if args.list {
        let entries = file.entries()?;
        session.print(&entries, |screen| list(screen, &entries))?;
        return Ok(ExitCode::Verified);
    }
    if let Some(path) = args.revoke {
        let repository = match path {
            Some(path) => path,
            None => look(session, None).await?.repository,
        };
        return revoke(session, &file, &repository);
    }
    let mut found = look(session, args.base).await?;
    if let Some(problem) = &found.problem {
        return Err(Failure::usage(format!("{PATH} cannot be taken: {problem}"))
            .hint("tasks go on without it; its keys are protect, max_diff_lines, max_files, [setup] run, network, [checks] run, [workspace] include, dependencies"));
    }
    let Some(sha256) = found.sha256.clone() else {
        session.print(&found, |screen| shown(screen, &found))?;
        return Ok(ExitCode::Verified);
    };
    let is_known = |entry: &Entry| entry.repository == found.repository && entry.sha256 == sha256;
    found.trusted = file.entries()?.iter().any(is_known);
    let is_new = !found.trusted && args.yes;
    if is_new {
        file.add(entry(&found, sha256.clone()))?;
        found.trusted = true;
    }
    session.print(&found, |screen| shown(screen, &found))?;
    if found.trusted {
        return Ok(ExitCode::Verified);
    }
    let question = "let them, for your jobs in this repository, as long as nothing of this changes?";
    match if session.json { None } else { screen::ask(question) } {
        Some(true) => {
            file.add(entry(&found, sha256))?;
            screen::news("trusted");
            Ok(ExitCode::Verified)
        }
        Some(false) => {
            screen::news("not trusted; nothing has changed");
            Ok(ExitCode::Usage)
        }
        None => {
            screen::news("  → it is not trusted; say yes with: errand trust --yes");
            Ok(ExitCode::Usage)
        }
    }
}

async fn look(session: &Session, base: Option<String>) -> Result<Repository, Failure> {
    let directory = home::current_directory()?;
    session.client().await?.post("/v1/repository", &Look { directory, base }).await
}

fn entry(found: &Repository, sha256: Digest) -> Entry {
    Entry {
        repository: found.repository.clone(),
        sha256,
        trusted_at: crate::api::time(jiff::Timestamp::now().as_millisecond()),
        commands: found.setup.iter().chain(&found.checks).cloned().collect(),
        copies: copies(found).map(|(name, _)| name.clone()).collect(),
    }
}

/// What would be copied out of the checkout, and what that is.
fn copies(found: &Repository) -> impl Iterator<Item = (&String, String)> {
    let private = |path: &str| format!("private files of your checkout, by {path}");
    let include = found.include.iter().map(move |name| (name, private(PATH)));
    let worktree = found.worktree_include.iter().map(move |name| (name, private(WORKTREE_INCLUDE)));
    let folders =
        found.dependencies.iter().map(|name| (name, format!("a dependency folder of your checkout, by {PATH}")));
    include.chain(worktree).chain(folders)
}

fn revoke(session: &Session, file: &TrustFile, repository: &str) -> Result<ExitCode, Failure> {
    let n_revoked = file.remove(repository)?;
    let value = serde_json::json!({ "repository": repository, "revoked": n_revoked });
    session.print(&value, |_| match n_revoked {
        0 => format!("nothing of {} was trusted", safe_line(repository, 200)),
        _ => format!("{} is not trusted any more", safe_line(repository, 200)),
    })?;
    Ok(ExitCode::Verified)
}

fn shown(screen: &Screen, found: &Repository) -> String {
    let short = found.base_commit.get(..10).unwrap_or(&found.base_commit);
    let mut out =
        vec![format!("{} at {short} ({})", safe_line(&found.repository, 200), safe_line(&found.base_name, 60))];
    match &found.sha256 {
        None => out
            .push("nothing: no file of this commit runs a command or copies anything out of your checkout".to_owned()),
        Some(sha256) => {
            out.push("files of this commit would, in a task's own workspace:".to_owned());
            // Commands are shown whole, each on one line: none can look like another.
            let whole = |text: &String| safe_line(text, usize::MAX);
            out.extend(found.setup.iter().map(|command| line(screen, "setup", &whole(command))));
            out.extend(found.network.iter().map(|name| line(screen, "may reach", &whole(name))));
            out.extend(found.checks.iter().map(|command| line(screen, "check", &whole(command))));
            out.extend(found.files.iter().map(|file| {
                let text = format!("{}  {}  sha256 {}", whole(&file.path), file.mode, file.sha256);
                line(screen, "with", &text)
            }));
            out.extend(
                copies(found).map(|(name, what)| line(screen, "copy in", &format!("{}  ({what})", whole(name)))),
            );
            out.push(line(screen, "sha256", sha256.as_str()));
            if found.trusted {
                out.push("trusted".to_owned());
            }
        }
    }
    if !found.ignored.is_empty() {
        out.push(format!(
            "ignored: {} (errand starts nothing from files of a repository)",
            safe(&found.ignored.join(", "))
        ));
    }
    out.join("\n")
}

fn list(screen: &Screen, entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nothing is trusted".to_owned();
    }
    let mut out = Vec::new();
    for entry in entries {
        out.push(format!("{}  since {}", safe_line(&entry.repository, 200), safe(&entry.trusted_at)));
        out.extend(entry.commands.iter().map(|command| line(screen, "runs", &safe_line(command, usize::MAX))));
        out.extend(entry.copies.iter().map(|name| line(screen, "copies in", &safe_line(name, usize::MAX))));
        out.push(line(screen, "sha256", entry.sha256.as_str()));
    }
    out.join("\n")
}
