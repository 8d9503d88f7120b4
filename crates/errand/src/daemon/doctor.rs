//! What the daemon finds when it looks at itself. A wall that is not built is said, not passed over.

use crate::api::Finding;
use crate::home::Home;
use errand_runner::Supervisor;
use std::sync::Arc;

pub async fn findings(supervisor: &Arc<Supervisor>, home: &Home) -> Vec<Finding> {
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
    found.push(Finding {
        subject: "sandbox".to_owned(),
        is_ok: false,
        text:
            "not built yet: commands run in their own session with a listed environment and limits, but see your files \
               and your network"
                .to_owned(),
        hint: Some("hand off jobs on repositories you trust".to_owned()),
    });
    found
}
