//! `errand doctor`: is everything there that a job needs, and which walls stand.

use super::Session;
use crate::api::{Finding, Health};
use crate::failure::Failure;
use crate::home::Endpoint;
use crate::screen::{Look, Screen, safe, safe_line};
use errand_task::verdict::ExitCode;

/// Look whether everything is there that a job needs.
#[derive(clap::Args)]
pub struct Args {}

pub async fn run(session: &Session, _: Args) -> Result<ExitCode, Failure> {
    let findings = [endpoint()].into_iter().chain(relative_path()).collect();
    let mut health = Health { findings, doors: Vec::new() };
    match session.client().await {
        Ok(client) => {
            let of_daemon: Health = client.get("/v1/doctor").await?;
            health.findings.extend(of_daemon.findings);
            health.doors = of_daemon.doors;
        }
        Err(failure) => health.findings.push(Finding {
            subject: "daemon".to_owned(),
            is_ok: false,
            text: failure.text,
            hint: failure.hint,
        }),
    }
    session.print(&health, |screen| table(screen, &health))?;
    let is_ok = health.findings.iter().all(|finding| finding.is_ok);
    Ok(if is_ok { ExitCode::Verified } else { ExitCode::EnvironmentNotReady })
}

fn endpoint() -> Finding {
    let subject = "model".to_owned();
    match Endpoint::find() {
        Ok(endpoint) => {
            Finding { subject, is_ok: true, text: format!("a key is set for {}", endpoint.base_url), hint: None }
        }
        Err(failure) => Finding { subject, is_ok: false, text: failure.text, hint: failure.hint },
    }
}

/// Nothing is started from such a folder by errand, but by the person's own shell it is.
fn relative_path() -> Option<Finding> {
    let path = crate::home::search_path();
    let relative: Vec<_> = std::env::split_paths(&path).filter(|folder| !folder.is_absolute()).collect();
    let names = relative.iter().map(|folder| format!("`{}`", folder.display())).collect::<Vec<_>>().join(", ");
    (!relative.is_empty()).then(|| Finding {
        subject: "PATH".to_owned(),
        is_ok: true,
        text: format!("relative folders are passed over: {names}"),
        hint: Some("take them out of PATH: a repository can put programs there".to_owned()),
    })
}

fn table(screen: &Screen, health: &Health) -> String {
    let mut out = Vec::new();
    for finding in &health.findings {
        let (mark, look) = if finding.is_ok { ("ok", Look::Good) } else { ("missing", Look::Bad) };
        out.push(format!(
            "{:<12} {}  {}",
            finding.subject,
            screen.paint(look, &format!("{mark:<8}")),
            safe(&finding.text)
        ));
        if let Some(hint) = &finding.hint {
            out.push(format!("{:<22} → {}", "", safe(hint)));
        }
    }
    if !health.doors.is_empty() {
        out.extend([
            String::new(),
            screen.paint(Look::Dim, &format!("      {}", row(["wall", "door", "expected", "found"]))),
        ]);
    }
    for door in &health.doors {
        let (mark, look) = if door.is_shut { ("shut", Look::Good) } else { ("OPEN", Look::Bad) };
        let line = row([&door.wall, &door.name, &door.expected, &door.found].map(String::as_str));
        out.push(format!("{}  {}", screen.paint(look, mark), safe_line(&line, screen.width.saturating_sub(6))));
    }
    out.join("\n")
}

fn row([wall, door, expected, found]: [&str; 4]) -> String {
    format!("{wall:<12} {door:<31} {expected:<30} {found}")
}
