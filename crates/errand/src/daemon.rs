//! The daemon: one process per state directory that owns the journal and does the work.
//!
//! One lock on a descriptor makes it the only one; the socket is its owner's alone and asks who connects.

mod doctor;
mod events;
mod log;
mod routes;
mod view;

use crate::failure::Failure;
use crate::home::Home;
use crate::settings::Settings;
use errand_journal::sqlite::Sqlite;
use errand_journal::{Store, StoreError};
use errand_model::client::{Client, ClientOptions};
use errand_model::prices::Prices;
use errand_runner::secrets::Secrets;
use errand_runner::{Config, Person, Refusal, RefusalKind, Supervisor};
use errand_task::verdict::ExitCode;
use errand_workspace::git::Git;
use errand_workspace::sandbox::Sandbox;
use errand_workspace::toolchains::Toolchains;
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

/// After a failed accept, as when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What every route is given.
#[derive(Clone)]
pub struct Daemon {
    supervisor: Arc<Supervisor>,
    home: Home,
    /// As they were when it started.
    settings: Arc<Settings>,
    started_at_ms: i64,
    /// Told when the daemon is to end.
    end: Arc<Notify>,
}

/// Runs until it is told to stop.
pub async fn run(home: Home) -> Result<ExitCode, Failure> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    keep_memory_private()?;
    home.create()?;
    let secrets = Secrets::default();
    log::begin(secrets.clone());
    let _lock = lock(&home)?;
    let settings = Settings::read(home.path())?;
    let supervisor = start(&home, &settings, secrets).await?;
    let daemon = Daemon {
        supervisor,
        home: home.clone(),
        settings: Arc::new(settings),
        started_at_ms: jiff::Timestamp::now().as_millisecond(),
        end: Arc::new(Notify::new()),
    };
    let listener = listen(&home)?;
    tokio::spawn(clean_up_daily(daemon.clone()));
    let end = Arc::clone(&daemon.end);
    tracing::info!(socket = %home.socket().display(), "listening");
    let serving = axum::serve(OwnersOnly(listener), routes::router(daemon.clone()));
    tokio::select! {
        outcome = serving => outcome.map_err(Failure::internal)?,
        () = end.notified() => {}
        () = told_by_signal() => daemon.supervisor.drain().await,
    }
    let _ = std::fs::remove_file(home.socket());
    tracing::info!("stopped");
    Ok(ExitCode::Verified)
}

/// At start and once a day as long as it runs.
async fn clean_up_daily(daemon: Daemon) {
    let keep = DAY * daemon.settings.workspaces.keep_days;
    let mut days = tokio::time::interval(DAY);
    loop {
        days.tick().await;
        daemon.supervisor.clean_up(keep).await;
    }
}

/// Keys are in its memory: no other process of this user may read it, and neither it nor a command leaves a core.
fn keep_memory_private() -> Result<(), Failure> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(Failure::internal)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(Failure::internal)
}

/// Held for the life of the process.
fn lock(home: &Home) -> Result<File, Failure> {
    let unusable = |error: std::io::Error| {
        Failure::new(
            ExitCode::EnvironmentNotReady,
            format!("the state directory {} cannot be used: {error}", home.path().display()),
        )
        .hint("make it writable, or set ERRAND_HOME to a directory that is")
    };
    let file = errand_workspace::state_dir::append_file(&home.lock()).map_err(unusable)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Failure::new(ExitCode::TryLater, format!("a daemon is already running for {}", home.path().display()))
            .hint("look at it with: errand daemon status")
    })?;
    Ok(file)
}

async fn start(home: &Home, settings: &Settings, secrets: Secrets) -> Result<Arc<Supervisor>, Failure> {
    let store = Sqlite::open(&home.journal()).map_err(journal_failure)?;
    let person = crate::home::environment();
    let git = Git::find(&crate::home::search_path()).map_err(|error| {
        Failure::new(ExitCode::EnvironmentNotReady, error).hint("install git 2.38 or newer and have it in PATH")
    })?;
    let client =
        Client::new(ClientOptions::standard()).map_err(|error| Failure::new(ExitCode::EnvironmentNotReady, error))?;
    let unusable = |error: std::io::Error| {
        Failure::new(ExitCode::EnvironmentNotReady, format!("the sandbox cannot be set up: {error}"))
            .hint("look at the state directory's permissions and at the free space")
    };
    let toolchains = Toolchains::of(person, &settings.added, home.path()).map_err(unusable)?;
    // Not by its path: after an upgrade that leads to another version, which does not know our plans.
    let program = Path::new("/proc/self/exe");
    let sandbox = Sandbox::new(program, &crate::home::search_path(), home.path(), toolchains).map_err(unusable)?;
    let config = Config {
        home: home.path().to_owned(),
        store: Arc::new(store) as Arc<dyn Store>,
        git,
        sandbox,
        client,
        prices: Prices::built_in(),
        secrets,
        person: crate::home::of_person()
            .zip(crate::home::config_home())
            .map(|(home, config_home)| Person { home, config_home }),
        max_workspace_bytes: settings.workspaces.max_bytes(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Supervisor::start(config).await.map_err(Failure::from)
}

fn journal_failure(error: StoreError) -> Failure {
    let hint = match &error {
        StoreError::Newer { .. } => "use the newer errand, or another ERRAND_HOME; nothing was changed",
        StoreError::Foreign { .. } => "another program's file has the journal's name; use another ERRAND_HOME",
        _ => "look at the directory's permissions and at the free space",
    };
    Failure::new(ExitCode::EnvironmentNotReady, error).hint(hint)
}

/// The socket of the last daemon may still lie there; the lock says that nobody listens.
fn listen(home: &Home) -> Result<UnixListener, Failure> {
    let path = home.socket();
    let _ = std::fs::remove_file(&path);
    let failed =
        |error: std::io::Error| Failure::internal(format!("the socket {} cannot be made: {error}", path.display()));
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Takes connections of this user alone; the socket's mode says the same, this holds where modes do not.
struct OwnersOnly(UnixListener);

impl axum::serve::Listener for OwnersOnly {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        let own = rustix::process::geteuid().as_raw();
        loop {
            match self.0.accept().await {
                Ok((stream, address)) if stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0) => {
                    return (stream, address);
                }
                Ok(_) => tracing::warn!("a connection of another user was refused"),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

async fn told_by_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = match refusal.kind {
            RefusalKind::Usage => ExitCode::Usage,
            RefusalKind::Environment => ExitCode::EnvironmentNotReady,
            RefusalKind::TryLater => ExitCode::TryLater,
            RefusalKind::Internal => ExitCode::Internal,
        };
        Self { text: refusal.text, hint: refusal.hint, exit }
    }
}
