//! Harness time per step: the time between two requests of a job, when the model answers at once.
//!
//! The floor sends the very bytes the job sent to a fresh simulator with the same script, so both contain the same work
//! of the simulator. What the tools do (searching 2,000 files, starting a command) counts as harness. The first step also
//! lays out the workspace, so the steps behind it have a line of their own; the floor of that work is `cp`.

use super::figure::{Aim, Figure, Spread, Unit};
use super::script::{self, Kind};
use super::stage::{self, Place, Stage};
use super::{floor, repository::Repository};
use anyhow::{Context as _, ensure};
use errand_sim::Captured;
use serde_json::Value;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const GROUP: &str = "steps: harness time per step of a 30-step job; floor: a bare loop sending the same bytes";
const BY_KIND: &str = "steps by kind, mixed job without its first step";
const LAYOUT: &str = "steps: laying out the first workspace of 2000 files, once per base; floor: `cp -r` of the files";
const DISK: &str = "steps: what reaches the disk";
const N_FILES: usize = 2_000;
const AIM: Aim = Aim::TimesFloor(3.0);
/// Durable writes timed in a row.
const N_WRITES: u32 = 50;

/// One job and its floor: times from each request to the next.
struct Run {
    harness: Vec<Duration>,
    floor: Vec<Duration>,
    layout: Duration,
    copy: Duration,
    n_durable: usize,
}

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let (mut figures, mut layouts, mut kinds_apart, mut durable) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, kinds) in [("mixed", script::mixed()), ("reads only", script::reads())] {
        for place in stage.places() {
            let name = format!("{name}, state on {}", place_name(place));
            let mut runs = Vec::new();
            for run in 1..=stage.n_runs {
                eprintln!("steps: {name}, run {run} of {}", stage.n_runs);
                runs.push(one_run(stage, place, &kinds)?);
            }
            figures.extend(means(&runs, &name, place));
            if kinds.contains(&Kind::Edit) {
                layouts.extend(layout(&runs, place));
                kinds_apart.extend(by_kind(&runs, &kinds, place));
            }
            if place == Place::Disk {
                let n_durable = Spread::of(runs.iter().map(|run| run.n_durable as f64 / kinds.len() as f64));
                let title = format!("commits per step that something waits for, {name}");
                durable.extend(n_durable.map(|value| Figure::new(DISK, title, Unit::Count, value)));
            }
        }
    }
    let write = durable_writes(stage.dir())?;
    let name = "4 KiB appended and synced, on this disk";
    durable.extend(write.map(|value| Figure::new(DISK, name, Unit::Milliseconds, value)));
    Ok([figures, layouts, kinds_apart, durable].concat())
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Disk => "disk",
        Place::Memory => "tmpfs",
    }
}

/// Time per step: of all steps, and of those behind the first.
fn means(runs: &[Run], name: &str, place: Place) -> Vec<Figure> {
    let aim = (place == Place::Disk).then_some(AIM);
    let figure = |title: String, n_skipped: usize| {
        let of = |times: fn(&Run) -> &[Duration]| {
            Spread::of_times(runs.iter().map(|run| mean(times(run).get(n_skipped..).unwrap_or_default())))
        };
        let floor = of(|run| &run.floor);
        of(|run| &run.harness).map(|value| Figure::new(GROUP, title, Unit::Milliseconds, value).floor(floor).aim(aim))
    };
    [figure(name.to_owned(), 0), figure(format!("{name}, without the first step"), 1)].into_iter().flatten().collect()
}

fn layout(runs: &[Run], place: Place) -> Option<Figure> {
    let value = Spread::of_times(runs.iter().map(|run| run.layout))?;
    let floor = Spread::of_times(runs.iter().map(|run| run.copy));
    Some(Figure::new(LAYOUT, format!("state on {}", place_name(place)), Unit::Milliseconds, value).floor(floor))
}

fn one_run(stage: &Stage, place: Place, kinds: &[Kind]) -> anyhow::Result<Run> {
    let repository = stage.repository(N_FILES)?;
    let script = script::job(kinds);
    let sim = stage::sim(&script)?;
    let home = stage.home(place, &sim)?;
    home.start_daemon()?;
    let task = home.hand_off(&repository)?;
    home.finish(&task)?;
    let requests = sim.requests();
    let n_requests = kinds.len() + 1;
    ensure!(requests.len() == n_requests, "{} requests instead of {n_requests}", requests.len());
    let fresh = stage::sim(&script)?;
    floor::replay(&fresh.base_url(), &requests)?;
    let events = home.events(&task)?;
    let layout_ms = events.iter().find_map(|event| event["event"]["workspace"]["prepared"]["duration_ms"].as_u64());
    Ok(Run {
        harness: gaps(&requests)?,
        floor: gaps(&fresh.requests())?,
        layout: Duration::from_millis(layout_ms.context("no workspace was laid out")?),
        copy: copy(&repository, &home.state().join("copy"))?,
        n_durable: n_durable(&events),
    })
}

/// How long plain `cp` takes for the files of the repository.
fn copy(repository: &Repository, to: &Path) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let status = Command::new("cp").arg("-r").arg(repository.dir.join("src")).arg(to).status()?;
    ensure!(status.success(), "cp: {status}");
    Ok(started.elapsed())
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

fn by_kind(runs: &[Run], kinds: &[Kind], place: Place) -> Vec<Figure> {
    let of_kind = |times: fn(&Run) -> &[Duration], kind| {
        let steps = runs.iter().flat_map(|run| times(run).iter().zip(kinds).skip(1));
        let chosen = steps.filter(|&(_, &of)| of == kind);
        Spread::of_times(chosen.map(|(time, _)| *time))
    };
    let figure = |kind: Kind| {
        let harness = of_kind(|run| &run.harness, kind)?;
        let floor = of_kind(|run| &run.floor, kind);
        let name = format!("{}, state on {}", kind.as_str(), place_name(place));
        Some(Figure::new(BY_KIND, name, Unit::Milliseconds, harness).floor(floor))
    };
    Kind::ALL.into_iter().filter_map(figure).collect()
}

/// Events that are on disk before the job goes on: intents, and responses that were paid for.
fn n_durable(events: &[Value]) -> usize {
    let is_durable = |event: &Value| {
        let has = |rib: &str, name: &str| event["event"][rib].get(name).is_some();
        has("model", "requested") || has("model", "received") || has("tool", "started")
    };
    events.iter().filter(|event| is_durable(event)).count()
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
