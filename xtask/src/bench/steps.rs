//! Harness time per step: the time between two requests of a job, when the model answers at once.
//!
//! The floor sends the very bytes the job sent to a fresh simulator with the same script, so both contain the same work
//! of the simulator. What the tools do (searching 2,000 files, starting a command) counts as harness.

use super::figure::{Aim, Figure, Spread, Unit};
use super::script::{self, Kind};
use super::stage::{self, HandedOff, Home, Place, Stage};
use super::{floor, repository::Repository};
use anyhow::ensure;
use errand_sim::Captured;
use serde_json::Value;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

const GROUP: &str = "steps: harness time per step of a 30-step job; floor: a bare loop sending the same bytes";
const BY_KIND: &str = "steps by kind, mixed job, state on disk";
const DISK: &str = "steps: what reaches the disk";
const N_FILES: usize = 2_000;
const AIM: Aim = Aim::TimesFloor(3.0);
/// Durable writes timed in a row.
const N_WRITES: u32 = 50;

/// One job and its floor.
struct Run {
    harness: Vec<Duration>,
    floor: Vec<Duration>,
    n_durable: usize,
}

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let repository = stage.repository(N_FILES)?;
    let mut figures = Vec::new();
    let mut details = Vec::new();
    for (name, kinds) in [("mixed", script::mixed()), ("reads only", script::reads())] {
        for place in stage.places() {
            let (place_name, aim) = match place {
                Place::Disk => ("disk", Some(AIM)),
                Place::Memory => ("tmpfs", None),
            };
            let mut runs = Vec::new();
            for run in 1..=stage.n_runs {
                eprintln!("steps: {name}, state on {place_name}, run {run} of {}", stage.n_runs);
                runs.push(one_run(stage, place, &repository, &kinds)?);
            }
            let harness = Spread::of_times(runs.iter().map(|run| mean(&run.harness)));
            let floor = Spread::of_times(runs.iter().map(|run| mean(&run.floor)));
            let name = format!("{name}, state on {place_name}");
            figures.extend(
                harness.map(|value| Figure::new(GROUP, &name, Unit::Milliseconds, value).floor(floor).aim(aim)),
            );
            if place == Place::Disk {
                let n_durable = Spread::of(runs.iter().map(|run| run.n_durable as f64 / kinds.len() as f64));
                let title = format!("commits per step that something waits for, {name}");
                details.extend(n_durable.map(|value| Figure::new(DISK, title, Unit::Count, value)));
                if kinds.iter().any(|&kind| kind != Kind::Read) {
                    details.extend(by_kind(&runs, &kinds));
                }
            }
        }
    }
    details.sort_by_key(|figure| figure.group == DISK);
    figures.extend(details);
    figures.extend(
        durable_writes(stage.dir())?
            .map(|value| Figure::new(DISK, "4 KiB appended and synced, on this disk", Unit::Milliseconds, value)),
    );
    Ok(figures)
}

fn one_run(stage: &Stage, place: Place, repository: &Repository, kinds: &[Kind]) -> anyhow::Result<Run> {
    let script = script::job(kinds);
    let sim = stage::sim(&script)?;
    let home = stage.home(place, &sim)?;
    home.start_daemon()?;
    let task = home.hand_off(repository)?;
    home.finish(&task)?;
    let requests = sim.requests();
    let n_requests = kinds.len() + 1;
    ensure!(requests.len() == n_requests, "{} requests instead of {n_requests}", requests.len());
    let fresh = stage::sim(&script)?;
    floor::replay(&fresh.base_url(), &requests)?;
    Ok(Run { harness: gaps(&requests)?, floor: gaps(&fresh.requests())?, n_durable: n_durable(&home, &task)? })
}

/// From each request to the next.
fn gaps(requests: &[Captured]) -> anyhow::Result<Vec<Duration>> {
    let later = requests.iter().skip(1);
    requests.iter().zip(later).map(|(one, next)| Ok(next.at.duration_since(one.at)?)).collect()
}

fn mean(times: &[Duration]) -> Duration {
    let n_times = u32::try_from(times.len().max(1)).unwrap_or(u32::MAX);
    times.iter().sum::<Duration>() / n_times
}

fn by_kind(runs: &[Run], kinds: &[Kind]) -> Vec<Figure> {
    let of_kind = |times: fn(&Run) -> &[Duration], kind| {
        let chosen = runs.iter().flat_map(|run| times(run).iter().zip(kinds)).filter(|&(_, &of)| of == kind);
        Spread::of_times(chosen.map(|(time, _)| *time))
    };
    let figure = |kind: Kind| {
        let harness = of_kind(|run| &run.harness, kind)?;
        let floor = of_kind(|run| &run.floor, kind);
        Some(Figure::new(BY_KIND, kind.as_str(), Unit::Milliseconds, harness).floor(floor))
    };
    Kind::ALL.into_iter().filter_map(figure).collect()
}

/// Events that are on disk before the job goes on: intents, and responses that were paid for.
fn n_durable(home: &Home<'_>, task: &HandedOff) -> anyhow::Result<usize> {
    let is_durable = |event: &Value| {
        let has = |rib: &str, name: &str| event["event"][rib].get(name).is_some();
        has("model", "requested") || has("model", "received") || has("tool", "started")
    };
    Ok(home.events(task)?.iter().filter(|event| is_durable(event)).count())
}

/// What one durable write costs, without anything of errand.
fn durable_writes(dir: &Path) -> anyhow::Result<Option<Spread>> {
    let mut file = File::create(dir.join("durable"))?;
    let mut times = Vec::new();
    for _ in 0..N_WRITES {
        let started = Instant::now();
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    Ok(Spread::of_times(times))
}
