//! From `errand run` to the first model request, with the daemon there or not, and the repository known to it or not.
//!
//! The floor is `errand daemon status` on the same daemon: starting the same program and one question over the socket.
//! The model never answers and the task is stopped then, so no case works while the next one is measured.

use super::figure::{Aim, Figure, Spread, Unit};
use super::script;
use super::stage::{self, Home, Place, Stage};
use errand_sim::Sim;
use std::time::Duration;

const GROUP: &str = "start: from `errand run` to the first model request; floor: `errand daemon status`";
const SIZES: [usize; 3] = [200, 2_000, 20_000];
/// The size that the aim speaks of.
const AIM_SIZE: usize = 2_000;
const AIM_MS: f64 = 60.0;

/// What is there when the command is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    WarmKnown,
    WarmNew,
    ColdKnown,
    ColdNew,
}

impl Case {
    const ALL: [Self; 4] = [Self::WarmKnown, Self::WarmNew, Self::ColdKnown, Self::ColdNew];

    fn as_str(self) -> &'static str {
        match self {
            Self::WarmKnown => "daemon warm, base known",
            Self::WarmNew => "daemon warm, repository new",
            Self::ColdKnown => "daemon cold, base known",
            Self::ColdNew => "daemon cold, repository new",
        }
    }

    fn is_warm(self) -> bool {
        match self {
            Self::WarmKnown | Self::WarmNew => true,
            Self::ColdKnown | Self::ColdNew => false,
        }
    }
}

struct Sample {
    case: Case,
    first_request: Duration,
    returned: Duration,
}

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for n_files in stage.sizes(&SIZES) {
        let (mut samples, mut floors) = (Vec::new(), Vec::new());
        for run in 1..=stage.n_runs {
            eprintln!("start: {n_files} files, run {run} of {}", stage.n_runs);
            one_run(stage, n_files, &mut samples, &mut floors)?;
        }
        let floor = Spread::of_times(floors);
        for case in Case::ALL {
            let of_case = samples.iter().filter(|sample| sample.case == case);
            let aim = (case.is_warm() && n_files == AIM_SIZE).then_some(Aim::Below(AIM_MS));
            let name = format!("{n_files} files, {}", case.as_str());
            let first = Spread::of_times(of_case.clone().map(|sample| sample.first_request));
            figures
                .extend(first.map(|first| Figure::new(GROUP, name, Unit::Milliseconds, first).floor(floor).aim(aim)));
            if case == Case::WarmKnown {
                let returned = Spread::of_times(of_case.map(|sample| sample.returned));
                let name = format!("{n_files} files, until the command came back");
                figures.extend(
                    returned.map(|returned| Figure::new(GROUP, name, Unit::Milliseconds, returned).floor(floor)),
                );
            }
        }
    }
    Ok(figures)
}

/// Every case once, in two fresh homes.
fn one_run(stage: &Stage, n_files: usize, samples: &mut Vec<Sample>, floors: &mut Vec<Duration>) -> anyhow::Result<()> {
    let repository = stage.repository(n_files)?;
    let sim = stage::sim(&script::job_that_waits(&[]))?;
    let sample = |case, home: &Home<'_>, sim: &Sim| {
        let n_before = sim.requests().len();
        let task = home.hand_off(&repository)?;
        let requests = stage.requests(sim, n_before + 1)?;
        let at = requests.get(n_before).map_or(task.started_at, |request| request.at);
        home.stop(&task)?;
        anyhow::Ok(Sample { case, first_request: at.duration_since(task.started_at)?, returned: task.returned_after })
    };
    let home = stage.home(Place::Disk, &sim)?;
    home.start_daemon()?;
    samples.push(sample(Case::WarmNew, &home, &sim)?);
    floors.push(home.round_trip()?);
    samples.push(sample(Case::WarmKnown, &home, &sim)?);
    floors.push(home.round_trip()?);
    home.stop_daemon()?;
    samples.push(sample(Case::ColdKnown, &home, &sim)?);
    drop(home);
    let home = stage.home(Place::Disk, &sim)?;
    samples.push(sample(Case::ColdNew, &home, &sim)?);
    Ok(())
}
