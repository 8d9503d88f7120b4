//! `errand cost`: the ledger, by task, model and day.

use super::{Session, task_path};
use crate::api::LedgerLine;
use crate::failure::Failure;
use crate::screen::{Look, Screen, safe};
use crate::show::amount;
use errand_task::verdict::ExitCode;
use std::collections::BTreeMap;

/// What was spent: by task, model and day.
#[derive(clap::Args)]
pub struct Args {
    /// Only this task: id, unique prefix or name.
    id: Option<String>,
}

pub async fn run(session: &Session, args: Args) -> Result<ExitCode, Failure> {
    let client = session.client().await?;
    let path = match &args.id {
        Some(id) => task_path(id, "/ledger")?,
        None => "/v1/ledger".to_owned(),
    };
    let lines: Vec<LedgerLine> = client.get(&path).await?;
    session.print(&lines, |screen| tables(screen, &lines))?;
    Ok(ExitCode::Verified)
}

#[derive(Default)]
struct Sum {
    usd: f64,
    uncertain_usd: f64,
    n_requests: usize,
    n_prompt: u64,
    n_cached: u64,
    n_output: u64,
}

impl Sum {
    fn add(&mut self, line: &LedgerLine) {
        self.usd += line.usd;
        self.uncertain_usd += line.uncertain_usd;
        self.n_requests += 1;
        self.n_prompt += line.input_tokens + line.cache_read_tokens + line.cache_write_tokens;
        self.n_cached += line.cache_read_tokens;
        self.n_output += line.output_tokens;
    }

    fn row(&self, label: &str) -> String {
        let cached = (self.n_cached * 100).checked_div(self.n_prompt).unwrap_or(0);
        let uncertain = if self.uncertain_usd > 0.0 {
            format!("  + {} uncertain", amount(self.uncertain_usd))
        } else {
            String::new()
        };
        format!(
            "  {:<28} {:>9} {:>9} {:>12} {:>6} % {:>10}{uncertain}",
            safe(label),
            amount(self.usd),
            self.n_requests,
            self.n_prompt,
            cached,
            self.n_output
        )
    }
}

/// What lines are summed by.
type Key<'a> = &'a dyn Fn(&LedgerLine) -> String;

fn tables(screen: &Screen, lines: &[LedgerLine]) -> String {
    if lines.is_empty() {
        return "nothing was spent yet".to_owned();
    }
    let mut out = Vec::new();
    let day = |line: &LedgerLine| line.at.get(..10).unwrap_or_default().to_owned();
    let model = |line: &LedgerLine| if line.model.is_empty() { "(no answer)".to_owned() } else { line.model.clone() };
    let task = |line: &LedgerLine| line.task.clone();
    let groupings: [(&str, Key<'_>); 3] = [("task", &task), ("model", &model), ("day", &day)];
    for (label, key) in groupings {
        let head =
            format!("  {label:<28} {:>9} {:>9} {:>12} {:>8} {:>10}", "cost", "requests", "prompt", "cached", "output");
        out.push(screen.paint(Look::Dim, &head));
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        lines.iter().for_each(|line| sums.entry(key(line)).or_default().add(line));
        out.extend(sums.iter().map(|(label, sum)| sum.row(label)));
        out.push(String::new());
    }
    let mut all = Sum::default();
    lines.iter().for_each(|line| all.add(line));
    out.push(all.row("all"));
    out.join("\n")
}
