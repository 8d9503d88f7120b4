//! What a task costs in the daemon's memory while it waits for the model, and after it has ended.
//!
//! The figure of a task is the growth of the daemon from idle to 100 tasks, divided by 100; caches that all tasks share
//! are in it. A task that waits for its first answer is the cheapest kind, so one in the middle of its job is measured too.

use super::figure::{Aim, Figure, Spread, Unit};
use super::script::{self, Kind};
use super::stage::{self, Place, Stage};
use anyhow::Context as _;
use std::time::Duration;

const GROUP: &str = "memory: growth of the daemon per task, at 100 tasks";
const N_TASKS: usize = 100;
const N_FILES: usize = 2_000;
const AIM_BYTES: f64 = 1_048_576.0;
/// The daemon is looked at when it has not grown for this long.
const QUIET: Duration = Duration::from_millis(500);

/// Bytes of one process.
#[derive(Clone, Copy, PartialEq)]
struct Memory {
    resident: f64,
    /// Pages shared with other processes count in proportion.
    proportional: f64,
}

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let middle = [Kind::Read, Kind::Search, Kind::Read, Kind::Edit, Kind::Read, Kind::Run];
    let mut figures = Vec::new();
    for (name, script, n_requests, aim) in [
        ("waiting for its first answer", script::job_that_waits(&[]), 1, Some(Aim::Below(AIM_BYTES))),
        ("waiting after six steps", script::job_that_waits(&middle), middle.len() + 1, Some(Aim::Below(AIM_BYTES))),
        ("finished after six steps", script::job(&middle), middle.len() + 1, None),
    ] {
        let (idle, full) = grown(stage, name, &script, n_requests)?;
        if figures.is_empty() {
            figures.push(figure("the daemon without tasks, VmRSS", idle.resident));
        }
        let each = |get: fn(&Memory) -> f64| (get(&full) - get(&idle)) / N_TASKS as f64;
        figures.push(figure(format!("a task {name}, VmRSS"), each(|memory| memory.resident)).aim(aim));
        figures.push(figure(format!("a task {name}, Pss"), each(|memory| memory.proportional)));
    }
    Ok(figures)
}

fn figure(name: impl Into<String>, bytes: f64) -> Figure {
    Figure::new(GROUP, name, Unit::Bytes, Spread { median: bytes, min: bytes, max: bytes })
}

/// The daemon's memory before and with the tasks.
fn grown(stage: &Stage, name: &str, script: &str, n_requests: usize) -> anyhow::Result<(Memory, Memory)> {
    eprintln!("memory: {N_TASKS} tasks {name}");
    let repository = stage.repository(N_FILES)?;
    let sim = stage::sim(script)?;
    let home = stage.home(Place::Disk, &sim)?;
    let pid = home.start_daemon()?;
    let idle = settled(pid)?;
    for _ in 0..N_TASKS {
        home.hand_off(&repository)?;
    }
    stage.requests(&sim, N_TASKS * n_requests)?;
    Ok((idle, settled(pid)?))
}

/// The daemon's memory once it stays the same.
fn settled(pid: u32) -> anyhow::Result<Memory> {
    let mut last = look(pid)?;
    loop {
        std::thread::sleep(QUIET);
        let now = look(pid)?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
}

fn look(pid: u32) -> anyhow::Result<Memory> {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        anyhow::Ok(kib * 1_024.0)
    };
    Ok(Memory { resident: field("status", "VmRSS:")?, proportional: field("smaps_rollup", "Pss:")? })
}
