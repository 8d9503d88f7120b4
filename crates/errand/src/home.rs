//! Where errand keeps its state, and which endpoint and key the person uses. The only reader of the environment.

use crate::failure::Failure;
use errand_task::verdict::ExitCode;
use std::env;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// errand's state directory.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// `ERRAND_HOME`, else `$XDG_STATE_HOME/errand`, else `~/.local/state/errand`.
    pub fn find() -> Result<Self, Failure> {
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        if let Some(given) = env::var_os("ERRAND_HOME").filter(|given| !given.is_empty()) {
            let path = PathBuf::from(given);
            if !path.is_absolute() {
                return Err(Failure::usage(format!("ERRAND_HOME is `{}`, not an absolute path", path.display()))
                    .hint("give a full path, or leave it out to use ~/.local/state/errand"));
            }
            return Ok(Self(path));
        }
        absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
            .map(|state| Self(state.join("errand")))
            .ok_or_else(|| Failure::usage("neither ERRAND_HOME nor HOME is set").hint("set ERRAND_HOME to a directory"))
    }

    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.sqlite")
    }

    pub fn lock(&self) -> PathBuf {
        self.0.join("daemon.lock")
    }

    pub fn log(&self) -> PathBuf {
        self.0.join("daemon.log")
    }

    /// Unix socket paths are at most 107 bytes; a longer one is reached through a handle of its directory.
    pub fn socket(&self) -> PathBuf {
        let plain = self.0.join("daemon.sock");
        if plain.as_os_str().len() <= 100 {
            return plain;
        }
        static DIRECTORY: OnceLock<File> = OnceLock::new();
        let handle = match DIRECTORY.get() {
            Some(handle) => Some(handle),
            // The handle stays open for the life of the process, so the name stays good.
            None => File::open(&self.0).ok().map(|opened| DIRECTORY.get_or_init(|| opened)),
        };
        match handle {
            Some(handle) => PathBuf::from(format!("/proc/self/fd/{}/daemon.sock", handle.as_raw_fd())),
            None => plain,
        }
    }

    /// Creates the directory for its owner alone; one sentence when that is not possible.
    pub fn create(&self) -> Result<(), Failure> {
        errand_workspace::state_dir::create_dir(&self.0).map_err(|error| {
            Failure::new(
                ExitCode::EnvironmentNotReady,
                format!("the state directory {} cannot be used: {error}", self.0.display()),
            )
            .hint("make it writable, or set ERRAND_HOME to a directory that is")
        })
    }
}

/// The person's own settings: `$XDG_CONFIG_HOME/errand`, else `~/.config/errand`. `ERRAND_HOME` moves state, not these.
pub fn config_dir() -> Option<PathBuf> {
    config_home().map(|config| config.join("errand"))
}

/// `$XDG_CONFIG_HOME`, else `~/.config`.
pub fn config_home() -> Option<PathBuf> {
    let named = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| of_person().map(|home| home.join(".config")))
}

/// The person's home directory.
pub fn of_person() -> Option<PathBuf> {
    env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Endpoint and key travel as one pair.
pub struct Endpoint {
    pub base_url: String,
    pub key: String,
}

/// What this shell says about endpoint and key, for a task that is there already.
pub fn endpoint_of_shell(moves: bool) -> Result<Option<crate::api::NewEndpoint>, Failure> {
    match Endpoint::find() {
        Ok(Endpoint { base_url, key }) => Ok(Some(crate::api::NewEndpoint { base_url, key, moves })),
        Err(failure) if moves => Err(failure),
        Err(_) => Ok(None),
    }
}

const VENDOR: &str = "https://api.anthropic.com";
const KEY: &str = "ANTHROPIC_API_KEY";

impl Endpoint {
    /// From `ANTHROPIC_BASE_URL` and `ANTHROPIC_API_KEY`. A server on this machine needs no key.
    pub fn find() -> Result<Self, Failure> {
        let set =
            |name: &str| env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let base_url = set("ANTHROPIC_BASE_URL").unwrap_or_else(|| VENDOR.to_owned());
        let is_local =
            ["http://127.", "http://localhost", "http://[::1]"].iter().any(|start| base_url.starts_with(start));
        match set(KEY) {
            Some(key) => Ok(Self { base_url, key }),
            None if is_local => Ok(Self { base_url, key: "local".to_owned() }),
            None => Err(Failure::new(ExitCode::EnvironmentNotReady, "no model key is set").hint(
                "export ANTHROPIC_API_KEY=…, or point ANTHROPIC_BASE_URL at a server on this machine \
                 (Ollama, llama.cpp and vLLM speak this API), or look around with: errand demo",
            )),
        }
    }
}

/// The person's environment, from which commands get a listed part.
pub fn environment() -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    env::vars_os().collect()
}

/// The person's PATH.
pub fn search_path() -> std::ffi::OsString {
    env::var_os("PATH").unwrap_or_default()
}

/// This program.
pub fn own_program() -> Result<PathBuf, Failure> {
    env::current_exe().map_err(|error| Failure::internal(format!("this program's own file is not found: {error}")))
}

/// Where the person stands.
pub fn current_directory() -> Result<String, Failure> {
    let directory =
        env::current_dir().map_err(|error| Failure::usage(format!("the current directory cannot be used: {error}")))?;
    directory
        .into_os_string()
        .into_string()
        .map_err(|_| Failure::usage("the path of this directory is not valid UTF-8").hint("work from a path that is"))
}

/// The person's environment for another process of this program, which knows what of it commands may see. The key stays
/// behind: it travels with the task. Variables that are not text are left out.
pub fn for_child() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    env::vars_os().filter_map(text).filter(|(name, _)| name != KEY).collect()
}
