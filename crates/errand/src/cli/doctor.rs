//! `errand doctor`: is everything there that a job needs, and which walls stand.

use super::Session;
use crate::api::Finding;
use crate::failure::Failure;
use crate::home::Endpoint;
use crate::screen::{Look, Screen, safe};
use errand_task::verdict::ExitCode;

/// Look whether everything is there that a job needs.
#[derive(clap::Args)]
pub struct Args {}

pub async fn run(session: &Session, _: Args) -> Result<ExitCode, Failure> {
    let mut findings = vec![endpoint()];
    match session.client().await {
        Ok(client) => findings.extend(client.get::<Vec<Finding>>("/v1/doctor").await?),
        Err(failure) => findings.push(Finding {
            subject: "daemon".to_owned(),
            is_ok: false,
            text: failure.text,
            hint: failure.hint,
        }),
    }
    session.print(&findings, |screen| table(screen, &findings))?;
    let is_ok = findings.iter().all(|finding| finding.is_ok);
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

fn table(screen: &Screen, findings: &[Finding]) -> String {
    let mut out = Vec::new();
    for finding in findings {
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
    out.join("\n")
}
