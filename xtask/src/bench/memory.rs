//! What a task costs in the daemon's memory while it waits for the model, and after it has ended.
//!
//! The figure of a task is the growth of the daemon from idle to 100 tasks, divided by 100; caches that all tasks share
//! are in it. A task that waits for its first answer is the cheapest kind, so one in the middle of its job is measured too.
//! State is in memory where it can be: 100 workspaces are slow to write, and not in the daemon's memory either way.

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

/// When a task is where it is to be measured.
#[derive(Clone, Copy)]
enum Until {
    /// It has sent so many requests; the last one is not answered.
    Requests(usize),
    Finished,
}

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
    let aim = Some(Aim::Below(AIM_BYTES));
    for (name, script, until, aim) in [
        ("waiting for its first answer", script::job_that_waits(&[]), Until::Requests(1), aim),
        ("waiting after six steps", script::job_that_waits(&middle), Until::Requests(middle.len() + 1), aim),
        ("finished after six steps", script::job(&middle), Until::Finished, None),
    ] {
        let (idle, full) = grown(stage, name, &script, until)?;
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
fn grown(stage: &Stage, name: &str, script: &str, until: Until) -> anyhow::Result<(Memory, Memory)> {
    eprintln!("memory: {N_TASKS} tasks {name}");
    let repository = stage.repository(N_FILES)?;
    let sim = stage::sim(script)?;
    let home = stage.home(Place::Memory, &sim)?;
    let pid = home.start_daemon()?;
    let idle = settled(pid)?;
    let tasks = (0..N_TASKS).map(|_| home.hand_off(&repository)).collect::<anyhow::Result<Vec<_>>>()?;
    match until {
        Until::Requests(n_requests) => drop(stage.requests(&sim, N_TASKS * n_requests)?),
        Until::Finished => tasks.iter().try_for_each(|task| home.finish(task))?,
    }
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
