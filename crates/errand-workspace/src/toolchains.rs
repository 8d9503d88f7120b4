//! Tool chains: which of the person's folders a command sees read-only, which caches it may write to in a private layer,
//! and the environment, built from a list. Nothing of the person's reaches a command because it was there.
//!
//! HOME is, inside, an empty private folder at the same path as the person's, so that tool chains below it are where
//! programs look for them. To add one: a row of [`TABLE`], or the person's configuration.

use crate::sandbox::plan::{Mount, What};
use crate::state_dir;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// How a folder is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// As it is, not to be changed.
    ReadOnly,
    /// As it is, with a private layer over it that takes the task's writes.
    Cache,
}
use Kept::{Cache, ReadOnly};

/// A tool chain: the variable that names its folder, where below HOME it is when the variable is not set, and which parts
/// of it are shown. What else is in the folder, credentials above all, is not.
struct Row(&'static str, Option<&'static str>, Option<&'static str>, &'static [(&'static str, Kept)]);

const WHOLE: &[(&str, Kept)] = &[("", ReadOnly)];
const WHOLE_CACHE: &[(&str, Kept)] = &[("", Cache)];

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row("asdf", Some("ASDF_DATA_DIR"), Some(".asdf"), WHOLE),
    Row("bun", Some("BUN_INSTALL"), Some(".bun"), &[("bin", ReadOnly), ("install/cache", Cache)]),
    Row("bundler", None, Some(".bundle/cache"), WHOLE_CACHE),
    Row("cargo", Some("CARGO_HOME"), Some(".cargo"), &[("bin", ReadOnly), ("git", Cache), ("registry", Cache)]),
    Row("conda", None, Some("miniconda3"), WHOLE),
    Row("conda", None, Some("anaconda3"), WHOLE),
    Row("conda", None, Some("miniforge3"), WHOLE),
    Row("deno", Some("DENO_INSTALL"), Some(".deno"), WHOLE),
    Row("deno cache", Some("DENO_DIR"), Some(".cache/deno"), WHOLE_CACHE),
    Row("dotnet", Some("DOTNET_ROOT"), Some(".dotnet"), WHOLE),
    Row("elan", Some("ELAN_HOME"), Some(".elan"), WHOLE),
    Row("fnm", Some("FNM_DIR"), Some(".local/share/fnm"), WHOLE),
    Row("gems", Some("GEM_HOME"), Some(".gem"), &[("ruby", ReadOnly)]),
    Row("ghcup", None, Some(".ghcup"), WHOLE),
    Row("go", Some("GOROOT"), None, WHOLE),
    Row("go sdk", None, Some("sdk"), WHOLE),
    Row("go build cache", Some("GOCACHE"), Some(".cache/go-build"), WHOLE_CACHE),
    Row("go modules", Some("GOPATH"), Some("go"), &[("bin", ReadOnly), ("pkg/mod", Cache)]),
    Row("go modules", Some("GOMODCACHE"), None, WHOLE_CACHE),
    Row("gradle", Some("GRADLE_USER_HOME"), Some(".gradle"), &[("caches", Cache), ("wrapper", Cache)]),
    Row("java", Some("JAVA_HOME"), None, WHOLE),
    Row("jdks", None, Some(".jdks"), WHOLE),
    Row("julia", Some("JULIA_DEPOT_PATH"), Some(".julia"),
        &[("artifacts", Cache), ("compiled", Cache), ("packages", Cache), ("registries", Cache)]),
    Row("juliaup", None, Some(".juliaup"), WHOLE),
    Row("maven", None, Some(".m2/repository"), WHOLE_CACHE),
    Row("mise", Some("MISE_DATA_DIR"), Some(".local/share/mise"), WHOLE),
    Row("npm", Some("npm_config_cache"), Some(".npm"), &[("_cacache", Cache)]),
    Row("nuget", Some("NUGET_PACKAGES"), Some(".nuget/packages"), WHOLE_CACHE),
    Row("nvm", Some("NVM_DIR"), Some(".nvm"), WHOLE),
    Row("opam", Some("OPAMROOT"), Some(".opam"), WHOLE),
    Row("pip", Some("PIP_CACHE_DIR"), Some(".cache/pip"), WHOLE_CACHE),
    Row("pipx", None, Some(".local/share/pipx"), WHOLE),
    Row("pnpm", Some("PNPM_HOME"), Some(".local/share/pnpm"), WHOLE_CACHE),
    Row("programs", None, Some(".local/bin"), WHOLE),
    Row("programs", None, Some(".local/lib"), WHOLE),
    Row("pyenv", Some("PYENV_ROOT"), Some(".pyenv"), WHOLE),
    Row("rbenv", Some("RBENV_ROOT"), Some(".rbenv"), WHOLE),
    // Rustup makes folders beside the tool chains when they are missing, and fails where it cannot.
    Row("rustup", Some("RUSTUP_HOME"), Some(".rustup"), &[("settings.toml", ReadOnly), ("toolchains", ReadOnly)]),
    Row("rvm", None, Some(".rvm"), WHOLE),
    Row("sdkman", Some("SDKMAN_DIR"), Some(".sdkman"), &[("candidates", ReadOnly)]),
    Row("uv", None, Some(".local/share/uv"), WHOLE),
    Row("uv cache", Some("UV_CACHE_DIR"), Some(".cache/uv"), WHOLE_CACHE),
    Row("volta", Some("VOLTA_HOME"), Some(".volta"), WHOLE),
    Row("yarn", Some("YARN_CACHE_FOLDER"), Some(".cache/yarn"), WHOLE_CACHE),
    Row("yarn", None, Some(".yarn/berry/cache"), WHOLE_CACHE),
];

/// Software of the machine outside `/usr`.
const MACHINE: [&str; 2] = ["/opt", "/nix/store"];

/// Small settings that are passed on when the person has them.
const SETTINGS: [&str; 3] = ["LANG", "RUSTUP_TOOLCHAIN", "TZ"];

/// The same in every command.
const FIXED: [(&str, &str); 5] =
    [("CI", "1"), ("NO_COLOR", "1"), ("PIP_DISABLE_PIP_VERSION_CHECK", "1"), ("TERM", "dumb"), ("TMPDIR", "/tmp")];

/// Without a network, tools are told so: they use what is cached and fail at once where nothing is.
const OFFLINE: [(&str, &str); 4] =
    [("CARGO_NET_OFFLINE", "true"), ("GOPROXY", "off"), ("UV_OFFLINE", "1"), ("npm_config_offline", "true")];

const PATH_WITHOUT_ANY: &str = "/usr/local/bin:/usr/bin:/bin";
const HOME_WITHOUT_ANY: &str = "/home/errand";

/// What the person adds in their own configuration: absolute folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    pub read_only: Vec<PathBuf>,
    pub caches: Vec<PathBuf>,
}

/// A folder that commands see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The tool chain.
    pub name: String,
    pub at: PathBuf,
    pub kept: Kept,
}

/// What the binary captured of the person's environment, reduced to what commands may get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchains {
    home: PathBuf,
    path: String,
    variables: BTreeMap<String, String>,
    listed: Vec<Listed>,
    /// Private folders that hold the shown parts of a tool chain outside HOME.
    holders: Vec<PathBuf>,
    /// Cargo's settings without what is secret in them: the copy, and its place.
    cargo_config: Option<(PathBuf, PathBuf)>,
}

impl Toolchains {
    /// Picks from the person's variables. Folders that hold HOME or errand's state are never listed.
    pub fn of(
        person: impl IntoIterator<Item = (OsString, OsString)>,
        added: &Added,
        state_dir: &Path,
    ) -> io::Result<Self> {
        let person: BTreeMap<String, String> = person
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let given_home = person.get("HOME").map(PathBuf::from).filter(|home| is_plain(home) && home.parent().is_some());
        let home = given_home.clone().unwrap_or_else(|| PathBuf::from(HOME_WITHOUT_ANY));
        let mut all = Self {
            home: home.clone(),
            path: String::new(),
            variables: BTreeMap::new(),
            listed: Vec::new(),
            holders: Vec::new(),
            cargo_config: None,
        };
        let guarded = [home, state_dir.to_owned()];
        for Row(name, variable, below_home, parts) in TABLE {
            let set = variable.and_then(|variable| person.get(variable)).map(PathBuf::from);
            let usual = || Some(given_home.as_ref()?.join(below_home.as_ref()?));
            let Some(folder) = set.clone().or_else(usual) else { continue };
            if !is_plain(&folder) || !folder.is_dir() || holds_any(&folder, &guarded) {
                continue;
            }
            if let (Some(variable), Some(_)) = (variable, set) {
                all.variables.insert((*variable).to_owned(), folder.to_string_lossy().into_owned());
            }
            for (part, kept) in *parts {
                all.list(name, folder.join(part), *kept, &guarded);
            }
            if *name == "cargo" {
                all.cargo_config = cargo_config(&folder, state_dir)?;
            }
            let is_partial = parts.iter().all(|(part, _)| !part.is_empty());
            if is_partial && !is_below(&folder, &all.home) {
                all.holders.push(folder);
            }
        }
        for path in MACHINE {
            all.list("machine", PathBuf::from(path), ReadOnly, &guarded);
        }
        for (paths, kept) in [(&added.read_only, ReadOnly), (&added.caches, Cache)] {
            for path in paths {
                all.list("configuration", path.clone(), kept, &guarded);
            }
        }
        all.path = all.usable_path(person.get("PATH").map_or("", String::as_str), &guarded);
        for name in SETTINGS {
            all.variables.extend(person.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        all.variables.entry("LANG".to_owned()).or_insert_with(|| "C.UTF-8".to_owned());
        Ok(all)
    }

    /// HOME as commands see it.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// PATH as commands see it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is shown, in the table's order.
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }

    /// The whole environment of a command, sorted by name.
    pub fn environment(&self, is_offline: bool) -> Vec<(String, String)> {
        let mut all = self.variables.clone();
        let fixed = FIXED.into_iter().chain(OFFLINE.into_iter().filter(|_| is_offline));
        all.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        all.insert("PATH".to_owned(), self.path.clone());
        all.insert("HOME".to_owned(), self.home.to_string_lossy().into_owned());
        all.into_iter().collect()
    }

    /// The mounts of a task whose private layers are below `layers`.
    pub fn mounts(&self, layers: &Path) -> Vec<Mount> {
        let layer = |at: &Path| layers.join(at.to_string_lossy().trim_start_matches('/').replace('/', "-"));
        let mut all: Vec<_> =
            self.holders.iter().map(|at| Mount::new(at, What::Writable(layer(at).join("holder")))).collect();
        all.extend(self.listed.iter().map(|listed| {
            let what = match listed.kept {
                ReadOnly => What::ReadOnly(listed.at.clone()),
                Cache => What::Cache { lower: listed.at.clone(), layer: layer(&listed.at) },
            };
            Mount::new(&listed.at, what)
        }));
        all.extend(self.cargo_config.iter().map(|(copy, at)| Mount::new(at, What::ReadOnly(copy.clone()))));
        all
    }

    fn list(&mut self, name: &str, at: PathBuf, kept: Kept, guarded: &[PathBuf]) {
        let is_new = !self.listed.iter().any(|listed| listed.at == at);
        if is_new && is_plain(&at) && at.exists() && !holds_any(&at, guarded) {
            self.listed.push(Listed { name: name.to_owned(), at, kept });
        }
    }

    /// The folders of PATH that a command sees; relative ones would mean a program of the workspace. One outside HOME that
    /// is not shown yet is listed by itself.
    fn usable_path(&mut self, path: &str, guarded: &[PathBuf]) -> String {
        let mut usable: Vec<&str> = Vec::new();
        for folder in path.split(':').filter(|folder| is_plain(Path::new(folder)) && Path::new(folder).is_dir()) {
            let place = Path::new(folder);
            let is_system = ["/usr", "/bin", "/sbin"].iter().any(|system| is_below(place, Path::new(system)));
            if !is_system && !is_below(place, &self.home) && !self.shows(place) {
                self.list("path", place.to_owned(), ReadOnly, guarded);
            }
            if (is_system || self.shows(place)) && !usable.contains(&folder) {
                usable.push(folder);
            }
        }
        if usable.is_empty() { PATH_WITHOUT_ANY.to_owned() } else { usable.join(":") }
    }

    fn shows(&self, place: &Path) -> bool {
        self.listed.iter().any(|listed| is_below(place, &listed.at))
    }
}

/// Absolute, without dots.
fn is_plain(path: &Path) -> bool {
    path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

/// `path` is `above` or below it, by their components; both are plain.
pub(crate) fn is_below(path: &Path, above: &Path) -> bool {
    path.ancestors().any(|ancestor| ancestor == above)
}

/// Whether `folder`, with its links resolved, is or holds one of the guarded folders.
fn holds_any(folder: &Path, guarded: &[PathBuf]) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = real(folder);
    guarded.iter().any(|guarded| is_below(&real(guarded), &folder))
}

/// Words of cargo's settings that may be secret, or lead to a secret.
const SECRET_SETTINGS: [&str; 6] =
    ["cainfo", "credential-alias", "credential-provider", "global-credential-providers", "proxy", "token"];

/// A copy of cargo's settings without secrets: mirrors and build settings decide whether an offline build works.
fn cargo_config(folder: &Path, state_dir: &Path) -> io::Result<Option<(PathBuf, PathBuf)>> {
    let at = folder.join("config.toml");
    let Some(mut table) = std::fs::read_to_string(&at).ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
        return Ok(None);
    };
    without_secrets(&mut table);
    let copy = state_dir::folder(state_dir, "sandbox")?.join("cargo-config.toml");
    state_dir::write_durably(&copy, table.to_string().as_bytes())?;
    Ok(Some((copy, at)))
}

fn without_secrets(table: &mut toml::Table) {
    table.retain(|name, _| !SECRET_SETTINGS.contains(&name));
    for (_, value) in table.iter_mut() {
        if let toml::Value::Table(inner) = value {
            without_secrets(inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(person: &[(&str, &str)], state_dir: &Path) -> Toolchains {
        let person = person.iter().map(|(name, value)| (name.into(), value.into()));
        Toolchains::of(person, &Added::default(), state_dir).unwrap()
    }

    #[test]
    fn only_the_list_is_passed() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".cargo/bin")).unwrap();
        let cargo = home.path().join(".cargo").display().to_string();
        let home = home.path().to_str().unwrap();
        let path = format!(".:node_modules/.bin:/usr/bin::/nowhere:/usr/bin:{home}/bin:{cargo}/bin");
        let person = [
            ("PATH", path.as_str()),
            ("HOME", home),
            ("CARGO_HOME", &cargo),
            ("ANTHROPIC_API_KEY", "canary"),
            ("LD_PRELOAD", "/evil.so"),
            ("BASH_ENV", "/evil.sh"),
            ("GOROOT", "relative"),
            ("TZ", "UTC"),
        ];
        let toolchains = picked(&person, Path::new("/nowhere/state"));
        let expected = [
            ("CARGO_HOME", cargo.as_str()),
            ("CI", "1"),
            ("HOME", home),
            ("LANG", "C.UTF-8"),
            ("NO_COLOR", "1"),
            ("PATH", &format!("/usr/bin:{cargo}/bin")),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
            ("TERM", "dumb"),
            ("TMPDIR", "/tmp"),
            ("TZ", "UTC"),
        ];
        assert_eq!(toolchains.environment(false), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn folders_that_hold_home_or_the_state_are_not_listed() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        for below in ["go", "state", ".rustup"] {
            std::fs::create_dir(home.join(below)).unwrap();
        }
        std::os::unix::fs::symlink(&home, home.join(".nvm")).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (above, go) = (text(home.parent().unwrap()), text(&home.join("state")));
        let person = [("HOME", text(&home)), ("PYENV_ROOT", above), ("GOCACHE", go), ("JAVA_HOME", "/".to_owned())];
        let person: Vec<_> = person.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let toolchains = picked(&person, &home.join("state"));
        let at: Vec<_> = toolchains.listed().iter().map(|listed| listed.at.clone()).collect();
        assert_eq!(at.iter().filter(|at| is_below(at, &home)).collect::<Vec<_>>(), [&home.join(".rustup")]);
    }

    #[test]
    fn secrets_of_cargo_are_not_shown() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".cargo/registry")).unwrap();
        let text = "[source.x]\nregistry = \"sparse+https://mirror.example.org/\"\n[registries.x]\ntoken = \"canary\"\n\
                    index = \"i\"\n[http]\nproxy = \"user:canary@p\"\n";
        std::fs::write(home.path().join(".cargo/config.toml"), text).unwrap();
        let state = home.path().join("state");
        state_dir::create_dir(&state).unwrap();
        let toolchains = picked(&[("HOME", home.path().to_str().unwrap())], &state);
        let (copy, _) = toolchains.cargo_config.unwrap();
        let shown = std::fs::read_to_string(copy).unwrap();
        assert!(shown.contains("mirror.example.org") && shown.contains("index"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
