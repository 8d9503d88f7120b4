//! Where a bench ran: without it the figures say nothing.

use super::stage::Stage;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

pub struct Machine {
    n_cores: usize,
    cpu: String,
    kernel: String,
    /// Of the folder on disk.
    file_system: String,
    /// Load of the last minute when the bench began: others measured with us.
    load: String,
    program: String,
}

impl Machine {
    pub fn look(stage: &Stage) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        Self {
            n_cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned()),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(stage.dir()),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            program: said(Command::new(stage.binary()).arg("--version")),
        }
    }

    pub fn line(&self, n_runs: usize) -> String {
        let Self { n_cores, cpu, kernel, file_system, load, program } = self;
        format!(
            "{program} · {n_cores} cores of {cpu} · Linux {kernel} · state on {file_system} · load {load} at the start · \
             medians of {n_runs} runs"
        )
    }

    pub fn to_json(&self) -> Value {
        let Self { n_cores, cpu, kernel, file_system, load, program } = self;
        json!({
            "program": program, "n_cores": n_cores, "cpu": cpu, "kernel": kernel, "file_system": file_system, "load": load
        })
    }
}

fn file_system(dir: &Path) -> String {
    let said = said(Command::new("df").arg("--output=fstype").arg(dir));
    // The first line is a heading.
    said.lines().last().unwrap_or_default().to_owned()
}

/// What the command prints.
fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}
