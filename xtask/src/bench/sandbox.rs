//! What a sandbox costs a command: `true` behind three walls, beside `true` alone, `unshare` with the same namespaces,
//! and bwrap with the same view. And how many doors were tried.

use super::figure::{Aim, Figure, Spread, Unit};
use super::stage::Stage;
use anyhow::{Context as _, ensure};
use errand_workspace::command::run;
use errand_workspace::git::Git;
use errand_workspace::ledger::Ledger;
use errand_workspace::sandbox::Standing;
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::source::Source;
use errand_workspace::workspace::{Ground, Workspace};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const GROUP: &str = "sandbox: one command; floor: `unshare` of the same namespaces";
/// Commands of each kind.
const N_COMMANDS: usize = 100;
/// Files of the repository whose workspace they run in.
const N_FILES: usize = 200;
/// Commands at the same moment.
const AT_ONCE: usize = 8;

const UNSHARE: &[&str] = &["-U", "-r", "-m", "-p", "-f", "-n", "-i", "-u", "-C", "true"];
#[rustfmt::skip]
const BWRAP: &[&str] = &[
    "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr",
    "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc",
    "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/home", "--", "true",
];

/// A kind of command: its name, how one is run, how long each took.
type Kind<'a> = (&'static str, Box<dyn FnMut() -> bool + 'a>, Vec<Duration>);

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    eprintln!("sandbox: {N_COMMANDS} commands of each kind");
    let state_dir = stage.dir().join("sandbox");
    let sandbox = stage.sandbox(&state_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let began = Instant::now();
    let standing = runtime.block_on(sandbox.standing()).clone();
    let proof = began.elapsed();
    let walls = match standing {
        Standing::Whole(walls) => walls,
        Standing::Missing { why, .. } => anyhow::bail!("{why}"),
    };
    let repository = stage.repository(N_FILES)?;
    let git = Git::find(&std::env::var_os("PATH").unwrap_or_default())?;
    let source = Source::open(&git, &repository.dir)?;
    let ledger = Arc::new(Ledger::open_or_create(&git, &state_dir, &source)?);
    ledger.bring_base(&source, &source.head().commit)?;
    let tree = ledger.tree_of(&source.head().commit)?;
    let ground = Ground::of(&ledger, &source.head().commit);
    let workspace = Workspace::create(&sandbox, &ground, &tree, &state_dir.join("workspace"))?;
    let one = || {
        let plan = sandbox.shell(&workspace, "exec true", Limits::usual());
        runtime.block_on(async { run(&sandbox, plan).finished().await }).end.is_success()
    };
    let many = || {
        let sandbox = Arc::clone(&sandbox);
        let running: Vec<_> = runtime.block_on(async {
            let plan = || sandbox.shell(&workspace, "exec true", Limits::usual());
            (0..AT_ONCE).map(|_| run(&sandbox, plan())).collect()
        });
        running.iter().all(|command| runtime.block_on(command.finished()).end.is_success())
    };
    let program = |name: &str, arguments: &'static [&'static str]| {
        let name = name.to_owned();
        move || Command::new(&name).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    // In turn, so that what else the machine does meets all of them alike.
    let mut kinds: Vec<Kind> = vec![
        ("`true` behind three walls", Box::new(one), Vec::new()),
        ("`unshare` of the same namespaces", Box::new(program("unshare", UNSHARE)), Vec::new()),
        ("`true` alone", Box::new(program("true", &[])), Vec::new()),
        ("bwrap with a smaller view, one wall", Box::new(program("bwrap", BWRAP)), Vec::new()),
        ("8 at once behind three walls, until all ended", Box::new(many), Vec::new()),
    ];
    for _ in 0..N_COMMANDS {
        for (name, command, times) in &mut kinds {
            let began = Instant::now();
            ensure!(command(), "{name} failed");
            times.push(began.elapsed());
        }
    }
    let spread = |position: usize| {
        let times = kinds.get(position).map(|(_, _, times)| times.clone()).unwrap_or_default();
        Spread::of_times(times).context("nothing was measured")
    };
    let floor = spread(1)?;
    let mut figures = Vec::new();
    for (position, (name, _, _)) in kinds.iter().enumerate() {
        let aim = (position == 0).then_some(Aim::TimesFloor(1.5));
        figures.push(Figure::new(GROUP, *name, Unit::Milliseconds, spread(position)?).floor(Some(floor)).aim(aim));
    }
    let once = Spread::of_times([proof]).context("nothing was measured")?;
    figures.push(Figure::new(GROUP, "the proof at the daemon's start", Unit::Milliseconds, once));
    let n_doors = walls.doors.len() as f64;
    let doors = Spread { median: n_doors, min: n_doors, max: n_doors };
    figures.push(Figure::new(GROUP, format!("doors tried and shut, {}", walls.backend.name()), Unit::Count, doors));
    Ok(figures)
}
