//! Who makes the namespaces, and whether the walls stand: found out once in a daemon's life by trying.

use super::doors::{self, Tried};
use super::plan::{self, Limits, Mount, SandboxPlan, What};
use super::stand::Stand;
use super::system;
use super::view::{COVERED_FILES, COVERED_FOLDERS, DEVICE_LINKS, DEVICES, SHM};
use super::{INIT, OUTER, OUTER_BWRAP, pins};
use crate::git::find_program;
use crate::ledger::Ledger;
use crate::proxy::outside::{Outside, System};
use crate::toolchains::{Toolchains, is_below};
use crate::workspace::Workspace;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Where our own binary is in a view that needs it.
pub(super) const PROGRAM: &str = "/run/errand/errand";
/// Where the agent's own git finds the history it borrows.
pub(crate) const HISTORY: &str = "/run/errand/history";
/// The ways out of a workspace's commands, a folder with a proxy's socket each. A command sees its own in their place.
pub(crate) const WAYS: &str = "/run/errand/ways";
/// Where the socket of its proxy is for a command that has one.
pub(crate) const PROXY: &str = "/run/errand/ways/proxy";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Our own outer stage.
    Native,
    /// The system's bwrap, at this path.
    Bwrap(PathBuf),
}

impl Backend {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Bwrap(_) => "bwrap",
        }
    }
}

/// A sandbox all of whose doors are shut.
#[derive(Clone, Debug)]
pub struct Walls {
    pub backend: Backend,
    pub has_landlock: bool,
    pub doors: Vec<Tried>,
    /// Why those tried before this one were not taken.
    pub passed_over: Vec<String>,
}

/// What became of the proof.
#[derive(Clone, Debug)]
pub enum Standing {
    Whole(Walls),
    /// Commands are refused.
    Missing {
        why: String,
        remedy: String,
        doors: Vec<Tried>,
    },
}

/// What a command of some folder of errand's sees: the mounts, and which of them is its workspace.
#[derive(Debug)]
pub(crate) struct View {
    mounts: Vec<Mount>,
    place: PathBuf,
    stand: Option<Arc<Stand>>,
}

impl View {
    /// The top folder of layered files.
    pub(crate) fn files(&self) -> Option<BorrowedFd<'_>> {
        self.stand.as_ref()?.files()
    }
}

/// The one sandbox of a daemon.
#[derive(Debug)]
pub struct Sandbox {
    /// Our own binary, or one like it that calls [`super::enter`].
    pub(crate) program: PathBuf,
    /// The file behind it, to be shown in views.
    pub(super) program_file: PathBuf,
    bwrap: Option<PathBuf>,
    pub(super) state_dir: PathBuf,
    /// What every command sees of the machine.
    pub(super) system: Vec<Mount>,
    toolchains: Toolchains,
    /// Where granted names lead.
    outside: Arc<dyn Outside>,
    standing: OnceCell<Standing>,
}

impl Sandbox {
    /// `program` must call [`super::enter`] first; bwrap is looked for in `path`.
    pub fn new(program: &Path, path: &OsStr, state_dir: &Path, toolchains: Toolchains) -> io::Result<Arc<Self>> {
        Self::with_outside(program, path, state_dir, toolchains, Arc::new(System))
    }

    /// The same with another world behind its proxies.
    pub fn with_outside(
        program: &Path,
        path: &OsStr,
        state_dir: &Path,
        toolchains: Toolchains,
        outside: Arc<dyn Outside>,
    ) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            program: program.to_owned(),
            program_file: program.canonicalize()?,
            bwrap: find_program("bwrap", path),
            state_dir: state_dir.to_owned(),
            system: system::mounts(state_dir, toolchains.home())?,
            toolchains,
            outside,
            standing: OnceCell::new(),
        }))
    }

    pub(crate) fn outside(&self) -> Arc<dyn Outside> {
        Arc::clone(&self.outside)
    }

    pub fn toolchains(&self) -> &Toolchains {
        &self.toolchains
    }

    /// A script for bash with `pipefail`, or for `sh` where there is no bash, in a workspace.
    pub fn shell(&self, workspace: &Workspace, script: &str, limits: Limits) -> SandboxPlan {
        let system = OsStr::new("/bin:/usr/bin:/usr/local/bin");
        let shell = match find_program("bash", system) {
            Some(bash) => vec![bash.to_string_lossy().into_owned(), "-o".to_owned(), "pipefail".to_owned()],
            None => vec!["/bin/sh".to_owned()],
        };
        let argv = shell.into_iter().chain(["-c".to_owned(), script.to_owned()]).collect();
        self.plan(workspace.view(), workspace.dir(), argv, limits)
    }

    /// A script for `sh` in an empty folder below `dir`, a folder of errand's own. One at a time.
    pub fn bare_shell(&self, dir: &Path, script: &str, limits: Limits) -> SandboxPlan {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let (mounts, place) = self.mounts(dir, What::Writable(dir.join("tree")), Path::new("/workspace/empty"));
        self.plan(&View { mounts, place, stand: None }, dir, argv, limits)
    }

    /// The view of a workspace in the folder `dir`, whose files are `files`; it stands where our own namespaces can be
    /// had. Blocks for some milliseconds.
    pub(crate) fn view(&self, dir: &Path, files: What, ledger: &Ledger) -> io::Result<View> {
        let is_layered = matches!(files, What::Layered { .. });
        let (mut mounts, place) = self.mounts(dir, files, ledger.checkout());
        mounts.push(Mount::new(HISTORY, What::ReadOnly(ledger.base_objects())));
        mounts.sort_by(|a, b| a.at.cmp(&b.at));
        let is_native = match self.standing.get() {
            Some(Standing::Whole(walls)) => walls.backend == Backend::Native,
            // Nothing will run.
            Some(Standing::Missing { .. }) => false,
            None => true,
        };
        if !is_native {
            return match is_layered {
                false => Ok(View { mounts, place, stand: None }),
                true => Err(io::Error::other("layers need namespaces of errand's own, which cannot be made here")),
            };
        }
        match Stand::build(&self.program, mounts.clone()) {
            Ok((stand, mounts)) => Ok(View { mounts, place, stand: Some(Arc::new(stand)) }),
            Err(error) if is_layered => Err(error),
            // The next command tries again, and says why it cannot.
            Err(_) => Ok(View { mounts, place, stand: None }),
        }
    }

    /// What a command sees, and where its workspace is in it.
    fn mounts(&self, dir: &Path, files: What, checkout: &Path) -> (Vec<Mount>, PathBuf) {
        let mut mounts = self.system.clone();
        mounts.extend([
            Mount::new(self.toolchains.home(), What::Writable(dir.join("home"))),
            Mount::new("/tmp", What::Writable(dir.join("tmp"))),
            Mount::new("/var/tmp", What::Writable(dir.join("tmp"))),
            Mount::new(WAYS, What::ReadOnly(dir.join("ways"))),
        ]);
        mounts.extend(self.toolchains.mounts(&dir.join("layers")));
        let place = place(checkout, &mounts);
        mounts.push(Mount::new(&place, files));
        mounts.sort_by(|a, b| a.at.cmp(&b.at));
        (mounts, place)
    }

    fn plan(&self, view: &View, dir: &Path, argv: Vec<String>, limits: Limits) -> SandboxPlan {
        SandboxPlan {
            mounts: view.mounts.clone(),
            stand: view.stand.clone(),
            dir: view.place.clone(),
            argv,
            environment: self.toolchains.environment(true),
            limits,
            network: Vec::new(),
            way: None,
            lock: dir.join("lock"),
            storage: dir.to_owned(),
        }
    }

    /// The backends in the order they are tried.
    pub fn backends(&self) -> Vec<Backend> {
        [Backend::Native].into_iter().chain(self.bwrap.clone().map(Backend::Bwrap)).collect()
    }

    /// Whether the walls stand. The first question tries every door and takes some ten milliseconds.
    pub async fn standing(self: &Arc<Self>) -> &Standing {
        self.standing.get_or_init(|| self.prove()).await
    }

    async fn prove(self: &Arc<Self>) -> Standing {
        let mut why = Vec::new();
        let mut tried = Vec::new();
        for backend in self.backends() {
            match doors::prove(self, &backend).await {
                Ok((has_landlock, doors)) => {
                    let open: Vec<_> =
                        doors.iter().filter(|door| !door.is_shut).map(|door| door.name.as_str()).collect();
                    if open.is_empty() {
                        return Standing::Whole(Walls { backend, has_landlock, doors, passed_over: why });
                    }
                    why.push(format!("{}: open doors: {}", backend.name(), open.join(", ")));
                    tried = doors;
                }
                Err(error) => why.push(format!("{}: {error}", backend.name())),
            }
        }
        Standing::Missing {
            why: format!("no sandbox can be built here ({})", why.join("; ")),
            remedy: match self.bwrap {
                Some(_) => "allow user namespaces for this user and seccomp filters, then restart the daemon",
                None => "allow user namespaces for this user, or install bubblewrap, then restart the daemon",
            }
            .to_owned(),
            doors: tried,
        }
    }

    /// The plan as the backend needs it, and the outer stage's arguments. Blocks for some milliseconds where no view
    /// stands yet.
    pub(crate) fn outer(&self, backend: &Backend, mut plan: SandboxPlan) -> io::Result<(SandboxPlan, Vec<OsString>)> {
        let bwrap = match backend {
            Backend::Native => {
                if plan.stand.is_none() {
                    let (stand, mounts) = Stand::build(&self.program, plan.mounts)?;
                    (plan.mounts, plan.stand) = (mounts, Some(Arc::new(stand)));
                }
                return Ok((plan, vec![OUTER.into()]));
            }
            Backend::Bwrap(bwrap) => bwrap,
        };
        // It was built before the proof.
        plan.stand = None;
        if plan.mounts.iter().any(|mount| matches!(mount.what, What::Layered { .. })) {
            let why = match self.standing.get() {
                Some(Standing::Whole(walls)) => walls.passed_over.join("; "),
                Some(Standing::Missing { .. }) | None => String::new(),
            };
            let text = format!("the workspace needs namespaces of errand's own, which cannot be made here ({why})");
            return Err(io::Error::other(text));
        }
        plan = plan.with(Mount::new(PROGRAM, What::ReadOnly(self.program_file.clone())));
        plan::make_folders(&plan.mounts)?;
        plan.mounts = pins::pinned(plan.mounts)?;
        let arguments = bwrap_arguments(bwrap, &plan);
        Ok((plan, arguments))
    }
}

/// The checkout's own path, unless something else of the view would be at it or below it.
fn place(checkout: &Path, mounts: &[Mount]) -> PathBuf {
    let reserved = ["/dev", "/etc", "/proc", "/run", "/sys"].map(Path::new);
    let is_taken = reserved.iter().any(|folder| is_below(checkout, folder))
        || mounts.iter().any(|mount| is_below(&mount.at, checkout));
    let name = checkout.file_name().map_or_else(|| "root".into(), |name| name.to_owned());
    if is_taken { Path::new("/workspace").join(name) } else { checkout.to_owned() }
}

fn bwrap_arguments(bwrap: &Path, plan: &SandboxPlan) -> Vec<OsString> {
    let mut all: Vec<OsString> =
        vec![OUTER_BWRAP.into(), plan.lock.clone().into(), plan.limits.tasks.to_string().into(), bwrap.into()];
    let mut add = |words: &[&dyn AsRef<OsStr>]| all.extend(words.iter().map(|word| word.as_ref().to_owned()));
    add(&[
        &"--unshare-user",
        &"--unshare-ipc",
        &"--unshare-pid",
        &"--unshare-net",
        &"--unshare-uts",
        &"--unshare-cgroup",
    ]);
    add(&[&"--disable-userns", &"--as-pid-1", &"--die-with-parent", &"--new-session", &"--clearenv"]);
    add(&[&"--hostname", &"errand", &"--cap-drop", &"ALL"]);
    add(&[&"--proc", &"/proc"]);
    for name in COVERED_FOLDERS.iter().map(|name| format!("/proc/{name}")).filter(|path| Path::new(path).is_dir()) {
        add(&[&"--size", &"4096", &"--tmpfs", &name, &"--remount-ro", &name]);
    }
    for name in COVERED_FILES.iter().map(|name| format!("/proc/{name}")).filter(|path| Path::new(path).exists()) {
        add(&[&"--ro-bind", &"/dev/null", &name]);
    }
    add(&[&"--remount-ro", &"/proc", &"--dir", &"/dev"]);
    for path in DEVICES.map(|name| format!("/dev/{name}")) {
        add(&[&"--dev-bind", &path, &path]);
    }
    for (name, target) in DEVICE_LINKS {
        add(&[&"--symlink", &target, &format!("/dev/{name}")]);
    }
    for mount in &plan.mounts {
        match &mount.what {
            What::ReadOnly(source) if mount.at == Path::new(WAYS) => {
                if let Some(name) = &plan.way {
                    add(&[&"--ro-bind", &source.join(name), &mount.at]);
                }
            }
            What::ReadOnly(source) | What::Cache { lower: source, .. } => add(&[&"--ro-bind", source, &mount.at]),
            // Refused by the caller.
            What::Layered { .. } => {}
            What::Writable(source) => add(&[&"--bind", source, &mount.at]),
            What::Link(target) => add(&[&"--symlink", target, &mount.at]),
        }
    }
    add(&[&"--size", &plan.limits.shm_bytes.to_string(), &"--tmpfs", &SHM]);
    add(&[&"--remount-ro", &"/", &"--", &PROGRAM, &INIT]);
    all
}
