//! What the daemon finds when it looks at itself. A wall that is not built is said, not passed over.

use crate::api::{Door, Finding, Health};
use crate::home::Home;
use crate::settings::Settings;
use errand_runner::Supervisor;
use errand_workspace::sandbox::{Backend, Standing};
use std::collections::BTreeSet;
use std::sync::Arc;

pub async fn look(supervisor: &Arc<Supervisor>, home: &Home, settings: &Settings) -> Health {
    let shared = &supervisor.shared;
    let ok = |subject: &str, text: String| Finding { subject: subject.to_owned(), is_ok: true, text, hint: None };
    let mut found = vec![
        ok("daemon", format!("errand {} in {}", env!("CARGO_PKG_VERSION"), home.path().display())),
        ok("git", format!("{}", shared.git.program().display())),
    ];
    found.push(match shared.store.summaries().await {
        Ok(tasks) => ok("journal", format!("{} tasks", tasks.len())),
        Err(error) => Finding {
            subject: "journal".to_owned(),
            is_ok: false,
            text: error.to_string(),
            hint: Some("look at the directory's permissions and at the free space".to_owned()),
        },
    });
    let (sandbox, doors) = match shared.sandbox.standing().await {
        Standing::Whole(walls) => {
            let backend = match &walls.backend {
                Backend::Native => "own namespaces".to_owned(),
                Backend::Bwrap(path) => format!("namespaces by {}", path.display()),
            };
            let third = if walls.has_landlock { "Landlock" } else { "no Landlock: the third wall is missing" };
            let n_shut = walls.doors.len();
            (ok("sandbox", format!("{backend}, seccomp, {third}; {n_shut} of {n_shut} doors shut")), &walls.doors)
        }
        Standing::Missing { why, remedy, doors } => {
            let text = format!("commands are refused: {why}");
            (Finding { subject: "sandbox".to_owned(), is_ok: false, text, hint: Some(remedy.clone()) }, doors)
        }
    };
    found.push(sandbox);
    let caches = shared.sandbox.toolchains().listed();
    let names: BTreeSet<_> = caches.iter().map(|listed| listed.name.as_str()).collect();
    found.push(ok(
        "tool chains",
        match names.is_empty() {
            true => "those of the machine".to_owned(),
            false => format!("those of the machine, and: {}", names.into_iter().collect::<Vec<_>>().join(", ")),
        },
    ));
    found.extend(settings.missing.iter().map(|folder| Finding {
        subject: "settings".to_owned(),
        is_ok: false,
        text: format!("{} is not there, so commands do not see it", folder.display()),
        hint: Some("correct config.toml in errand's config directory, then: errand daemon stop".to_owned()),
    }));
    let doors = doors.iter().map(|door| Door {
        wall: door.wall.as_str().to_owned(),
        name: door.name.clone(),
        expected: door.expected.clone(),
        found: door.found.clone(),
        is_shut: door.is_shut,
    });
    Health { findings: found, doors: doors.collect() }
}
