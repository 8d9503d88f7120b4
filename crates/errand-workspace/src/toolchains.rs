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
    /// Covered by an empty private folder.
    Private,
}
use Kept::{Cache, Private, ReadOnly};

/// A tool chain: the variable that names its folder, where below HOME it is when the variable is not set, and which parts
/// of it are shown: a part that ends in `*` is every name that begins so. What else is in the folder, credentials above
/// all, is not.
struct Row(&'static str, Option<&'static str>, Option<&'static str>, &'static [(&'static str, Kept)]);

const WHOLE: &[(&str, Kept)] = &[("", ReadOnly)];
const WHOLE_CACHE: &[(&str, Kept)] = &[("", Cache)];
/// A conda installation without `.condarc`, whose channels may hold tokens.
const CONDA: &[(&str, Kept)] = &[
    ("bin", ReadOnly),
    ("compiler_compat", ReadOnly),
    ("conda-meta", ReadOnly),
    ("condabin", ReadOnly),
    ("envs", ReadOnly),
    ("etc", ReadOnly),
    ("include", ReadOnly),
    ("lib", ReadOnly),
    ("lib64", ReadOnly),
    ("libexec", ReadOnly),
    ("pkgs", Cache),
    ("share", ReadOnly),
    ("ssl", ReadOnly),
    ("x86_64*", ReadOnly),
    ("aarch64*", ReadOnly),
];

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row("android", Some("ANDROID_HOME"), Some("Android/Sdk"), WHOLE),
    Row("asdf", Some("ASDF_DATA_DIR"), Some(".asdf"), WHOLE),
    Row("asdf versions", None, Some(".tool-versions"), WHOLE),
    Row("bazelisk", Some("BAZELISK_HOME"), Some(".cache/bazelisk"), WHOLE_CACHE),
    Row("bun", Some("BUN_INSTALL"), Some(".bun"),
        &[("bin", ReadOnly), ("install/cache", Cache), ("install/global", ReadOnly)]),
    Row("bundler", None, Some(".bundle/cache"), WHOLE_CACHE),
    // Beside them: Hackage's password, in `config`.
    Row("cabal", Some("CABAL_DIR"), Some(".cabal"), &[("bin", ReadOnly), ("packages", Cache), ("store", Cache)]),
    Row("cabal", None, Some(".cache/cabal/packages"), WHOLE_CACHE),
    Row("cabal", None, Some(".local/state/cabal/store"), WHOLE_CACHE),
    Row("cargo", Some("CARGO_HOME"), Some(".cargo"), &[("bin", ReadOnly), ("git", Cache), ("registry", Cache)]),
    Row("ccache", Some("CCACHE_DIR"), Some(".cache/ccache"), WHOLE_CACHE),
    Row("ccache", None, Some(".ccache"), WHOLE_CACHE),
    Row("composer cache", Some("COMPOSER_CACHE_DIR"), Some(".cache/composer"), WHOLE_CACHE),
    // Beside it: `auth.json`.
    Row("composer", Some("COMPOSER_HOME"), Some(".config/composer"), &[("vendor", ReadOnly)]),
    Row("composer", None, Some(".composer"), &[("cache", Cache), ("vendor", ReadOnly)]),
    Row("conda", None, Some("anaconda3"), CONDA),
    Row("conda", None, Some("mambaforge"), CONDA),
    Row("conda", None, Some("miniconda3"), CONDA),
    Row("conda", None, Some("miniforge3"), CONDA),
    Row("conda", Some("MAMBA_ROOT_PREFIX"), Some("micromamba"), CONDA),
    Row("conda", None, Some(".conda"), &[("envs", ReadOnly), ("pkgs", Cache)]),
    Row("corepack", Some("COREPACK_HOME"), Some(".cache/node/corepack"), WHOLE_CACHE),
    Row("coursier", Some("COURSIER_CACHE"), Some(".cache/coursier"), WHOLE_CACHE),
    Row("coursier", None, Some(".local/share/coursier/bin"), WHOLE),
    Row("cypress", Some("CYPRESS_CACHE_FOLDER"), Some(".cache/Cypress"), WHOLE),
    Row("dart", Some("PUB_CACHE"), Some(".pub-cache"),
        &[("bin", ReadOnly), ("git", Cache), ("global_packages", ReadOnly), ("hosted*", Cache)]),
    Row("deno", Some("DENO_INSTALL"), Some(".deno"), &[("bin", ReadOnly)]),
    // Beside them: what programs stored, and the history of what was typed.
    Row("deno cache", Some("DENO_DIR"), Some(".cache/deno"),
        &[("deps", Cache), ("gen", Cache), ("npm", Cache), ("registries", Cache), ("remote", Cache)]),
    // Beside them: certificates with their keys.
    Row("dotnet", Some("DOTNET_ROOT"), Some(".dotnet"),
        &[("dotnet", ReadOnly), ("host", ReadOnly), ("packs", ReadOnly), ("sdk", ReadOnly), ("sdk-manifests", ReadOnly),
          ("shared", ReadOnly), ("templates", ReadOnly), ("tools", ReadOnly)]),
    Row("elan", Some("ELAN_HOME"), Some(".elan"), WHOLE),
    Row("elixir", Some("MIX_HOME"), Some(".mix"),
        &[("archives", ReadOnly), ("elixir", ReadOnly), ("escripts", ReadOnly), ("rebar*", ReadOnly)]),
    Row("flutter", Some("FLUTTER_ROOT"), None, WHOLE_CACHE),
    Row("fnm", Some("FNM_DIR"), Some(".local/share/fnm"), WHOLE),
    Row("fnm", None, Some(".fnm"), WHOLE),
    // Beside them: keys to wallets.
    Row("foundry", None, Some(".foundry"), &[("bin", ReadOnly), ("versions", ReadOnly)]),
    Row("gems", None, Some(".gem/ruby"), WHOLE),
    Row("gems", None, Some(".local/share/gem/ruby"), WHOLE),
    Row("gems", Some("GEM_HOME"), None,
        &[("bin", ReadOnly), ("build_info", ReadOnly), ("cache", ReadOnly), ("extensions", ReadOnly), ("gems", ReadOnly),
          ("plugins", ReadOnly), ("specifications", ReadOnly)]),
    Row("ghcup", None, Some(".ghcup"), WHOLE),
    Row("go", Some("GOROOT"), None, WHOLE),
    Row("go build cache", Some("GOCACHE"), Some(".cache/go-build"), WHOLE_CACHE),
    Row("go modules", Some("GOPATH"), Some("go"), &[("bin", ReadOnly), ("pkg/mod", Cache)]),
    Row("go modules", Some("GOMODCACHE"), None, WHOLE_CACHE),
    Row("go sdk", None, Some("sdk"), &[("go*", ReadOnly)]),
    Row("goenv", Some("GOENV_ROOT"), Some(".goenv"), WHOLE),
    // Beside them: `gradle.properties`.
    Row("gradle", Some("GRADLE_USER_HOME"), Some(".gradle"), &[("caches", Cache), ("jdks", ReadOnly), ("wrapper", Cache)]),
    Row("hatch", None, Some(".local/share/hatch/env"), WHOLE_CACHE),
    // Beside it: the key, in `hex.config`.
    Row("hex", Some("HEX_HOME"), Some(".hex"), &[("packages", Cache)]),
    Row("ivy", None, Some(".ivy2"), &[("cache", Cache), ("local", Cache)]),
    Row("java", Some("JAVA_HOME"), None, WHOLE),
    Row("jdks", None, Some(".jdks"), WHOLE),
    Row("jenv", None, Some(".jenv"), WHOLE),
    Row("julia", Some("JULIA_DEPOT_PATH"), Some(".julia"),
        &[("artifacts", Cache), ("compiled", Cache), ("juliaup", ReadOnly), ("packages", Cache), ("registries", Cache)]),
    Row("juliaup", None, Some(".juliaup"), WHOLE),
    Row("luarocks", None, Some(".luarocks"), &[("bin", ReadOnly), ("lib", ReadOnly), ("share", ReadOnly)]),
    // Beside them: `settings.xml`.
    Row("maven", None, Some(".m2"), &[("repository", Cache), ("wrapper", Cache)]),
    Row("maven", Some("MAVEN_HOME"), None, WHOLE),
    Row("mise", Some("MISE_DATA_DIR"), Some(".local/share/mise"),
        &[("installs", ReadOnly), ("plugins", ReadOnly), ("shims", ReadOnly)]),
    Row("n", Some("N_PREFIX"), Some("n"), &[("bin", ReadOnly), ("include", ReadOnly), ("lib", ReadOnly), ("n", ReadOnly)]),
    Row("node-gyp", None, Some(".cache/node-gyp"), WHOLE_CACHE),
    Row("nodenv", Some("NODENV_ROOT"), Some(".nodenv"), WHOLE),
    Row("npm", Some("npm_config_cache"), Some(".npm"), &[("_cacache", Cache)]),
    Row("npm", Some("NPM_CONFIG_CACHE"), None, &[("_cacache", Cache)]),
    Row("npm programs", Some("NPM_CONFIG_PREFIX"), Some(".npm-global"), &[("bin", ReadOnly), ("lib", ReadOnly)]),
    Row("nuget", Some("NUGET_PACKAGES"), Some(".nuget/packages"), WHOLE_CACHE),
    Row("nvm", Some("NVM_DIR"), Some(".nvm"), WHOLE),
    // `plugins` may hold the tokens of opam-publish; any other name may be a switch.
    Row("opam", Some("OPAMROOT"), Some(".opam"), &[("", ReadOnly), ("plugins", Private)]),
    Row("perl", None, Some("perl5"), &[("bin", ReadOnly), ("lib", ReadOnly), ("perlbrew", ReadOnly)]),
    Row("pip", Some("PIP_CACHE_DIR"), Some(".cache/pip"), WHOLE_CACHE),
    Row("pipx", Some("PIPX_HOME"), Some(".local/share/pipx"), WHOLE),
    Row("pipx", None, Some(".local/pipx"), WHOLE),
    Row("playwright", Some("PLAYWRIGHT_BROWSERS_PATH"), Some(".cache/ms-playwright"), WHOLE),
    Row("pnpm", Some("PNPM_HOME"), Some(".local/share/pnpm"), WHOLE_CACHE),
    Row("poetry", Some("POETRY_HOME"), Some(".local/share/pypoetry"), &[("bin", ReadOnly), ("venv", ReadOnly)]),
    Row("poetry cache", Some("POETRY_CACHE_DIR"), Some(".cache/pypoetry"),
        &[("artifacts", Cache), ("cache", Cache), ("virtualenvs", Cache)]),
    Row("pre-commit", Some("PRE_COMMIT_HOME"), Some(".cache/pre-commit"), WHOLE_CACHE),
    Row("programs", None, Some(".local/bin"), WHOLE),
    Row("programs", None, Some(".local/lib"), WHOLE),
    Row("proto", Some("PROTO_HOME"), Some(".proto"), &[("bin", ReadOnly), ("shims", ReadOnly), ("tools", ReadOnly)]),
    Row("puppeteer", Some("PUPPETEER_CACHE_DIR"), Some(".cache/puppeteer"), WHOLE),
    Row("pyenv", Some("PYENV_ROOT"), Some(".pyenv"), WHOLE),
    Row("r", None, Some("R"), &[("aarch64*", ReadOnly), ("x86_64*", ReadOnly)]),
    Row("rbenv", Some("RBENV_ROOT"), Some(".rbenv"), WHOLE),
    Row("rebar", Some("REBAR_CACHE_DIR"), Some(".cache/rebar3"), WHOLE_CACHE),
    // Rustup makes folders beside the tool chains when they are missing, and fails where it cannot.
    Row("rustup", Some("RUSTUP_HOME"), Some(".rustup"), &[("settings.toml", ReadOnly), ("toolchains", ReadOnly)]),
    Row("rvm", None, Some(".rvm"), WHOLE),
    // Beside them: `credentials`.
    Row("rye", Some("RYE_HOME"), Some(".rye"),
        &[("config.toml", ReadOnly), ("py", ReadOnly), ("self", ReadOnly), ("shims", ReadOnly), ("tools", ReadOnly),
          ("uv", ReadOnly)]),
    Row("sbt", None, Some(".sbt"), &[("boot", Cache), ("launchers", ReadOnly)]),
    Row("sccache", Some("SCCACHE_DIR"), Some(".cache/sccache"), WHOLE_CACHE),
    Row("sdkman", Some("SDKMAN_DIR"), Some(".sdkman"), &[("candidates", ReadOnly)]),
    Row("stack", Some("STACK_ROOT"), Some(".stack"), &[("pantry", Cache), ("programs", ReadOnly), ("snapshots", Cache)]),
    Row("swiftly", Some("SWIFTLY_HOME_DIR"), Some(".local/share/swiftly"), WHOLE),
    // Beside them: `credentials`.
    Row("uv", None, Some(".local/share/uv"), &[("python", ReadOnly), ("tools", ReadOnly)]),
    Row("uv", Some("UV_PYTHON_INSTALL_DIR"), None, WHOLE),
    Row("uv cache", Some("UV_CACHE_DIR"), Some(".cache/uv"), WHOLE_CACHE),
    Row("virtual environments", Some("WORKON_HOME"), Some(".local/share/virtualenvs"), WHOLE_CACHE),
    Row("virtual environments", None, Some(".virtualenvs"), WHOLE_CACHE),
    Row("volta", Some("VOLTA_HOME"), Some(".volta"), WHOLE),
    Row("yarn", Some("YARN_CACHE_FOLDER"), Some(".cache/yarn"), WHOLE_CACHE),
    Row("yarn", None, Some(".yarn"), &[("berry/cache", Cache), ("bin", ReadOnly)]),
    Row("zig", Some("ZIG_GLOBAL_CACHE_DIR"), Some(".cache/zig"), WHOLE_CACHE),
    Row("zvm", None, Some(".zvm"), WHOLE),
];

/// Every part of the table that has a usual place below HOME: the name of its tool chain, the place, and how it is kept.
pub fn usual_places() -> impl Iterator<Item = (&'static str, String, Kept)> {
    TABLE.iter().filter_map(|Row(name, _, below_home, parts)| Some((name, (*below_home)?, parts))).flat_map(
        |(name, below_home, parts)| {
            parts.iter().map(move |(part, kept)| {
                (*name, format!("{below_home}/{part}").trim_end_matches(['/', '*']).to_owned(), *kept)
            })
        },
    )
}

/// Software of the machine outside `/usr`.
const MACHINE: [&str; 3] = ["/home/linuxbrew/.linuxbrew", "/nix/store", "/opt"];

/// Where the machine's part of every view is.
const SYSTEM: [&str; 6] = ["/bin", "/etc/ca-certificates", "/etc/pki/ca-trust", "/etc/ssl/certs", "/sbin", "/usr"];

/// Variables that name a file or folder of certificates: passed on when it is seen inside. A name that leads nowhere makes
/// many tools fail.
const CERTIFICATES: [&str; 9] = [
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NIX_SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// Small settings that are passed on when the person has them.
const SETTINGS: [&str; 3] = ["LANG", "RUSTUP_TOOLCHAIN", "TZ"];

/// The same in every command.
const FIXED: [(&str, &str); 5] =
    [("CI", "1"), ("NO_COLOR", "1"), ("PIP_DISABLE_PIP_VERSION_CHECK", "1"), ("TERM", "dumb"), ("TMPDIR", "/tmp")];

/// Without a network, tools are told so: they use what is cached and fail at once where nothing is.
pub(crate) const OFFLINE: [(&str, &str); 7] = [
    ("CARGO_NET_OFFLINE", "true"),
    ("COMPOSER_DISABLE_NETWORK", "1"),
    ("GOPROXY", "off"),
    ("HEX_OFFLINE", "1"),
    ("MAVEN_ARGS", "--offline"),
    ("UV_OFFLINE", "1"),
    ("npm_config_offline", "true"),
];

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
            if !is_plain(&folder) || !folder.exists() || holds_any(&folder, &guarded) {
                continue;
            }
            if let (Some(variable), Some(_)) = (variable, set) {
                all.variables.insert((*variable).to_owned(), folder.to_string_lossy().into_owned());
            }
            for (part, kept) in *parts {
                for at in places(&folder, part) {
                    match kept {
                        // Made to be covered: there is no saying when a file will be in it.
                        Private if at.is_dir() => all.holders.push(at),
                        Private => {}
                        ReadOnly | Cache => all.list(name, at, *kept, &guarded),
                    }
                }
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
        for name in CERTIFICATES {
            if let Some(value) = person.get(name).filter(|value| all.sees(Path::new(value))) {
                all.variables.insert(name.to_owned(), value.clone());
            }
        }
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
        let layer =
            |at: &Path| layers.join(at.to_string_lossy().trim_start_matches('/').replace('-', "--").replace('/', "-"));
        let mut all: Vec<_> =
            self.holders.iter().map(|at| Mount::new(at, What::Writable(layer(at).join("holder")))).collect();
        all.extend(self.listed.iter().map(|listed| {
            let what = match listed.kept {
                ReadOnly => What::ReadOnly(listed.at.clone()),
                Cache => What::Cache { lower: listed.at.clone(), layer: layer(&listed.at) },
                Private => What::Writable(layer(&listed.at).join("holder")),
            };
            Mount::new(&listed.at, what)
        }));
        all.extend(self.cargo_config.iter().map(|(copy, at)| Mount::new(at, What::ReadOnly(copy.clone()))));
        all
    }

    fn list(&mut self, name: &str, at: PathBuf, kept: Kept, guarded: &[PathBuf]) {
        let is_new = !is_of_kernel(&at) && !self.listed.iter().any(|listed| listed.at == at);
        if is_new && is_plain(&at) && at.exists() && !holds_any(&at, guarded) {
            self.listed.push(Listed { name: name.to_owned(), at, kept });
        }
    }

    /// The folders of PATH that a command sees; relative ones would mean a program of the workspace. One that is a link into
    /// something shown is named by where it leads, as its neighbours are there. One outside HOME that is not shown yet is
    /// listed by itself.
    fn usable_path(&mut self, path: &str, guarded: &[PathBuf]) -> String {
        let mut usable: Vec<String> = Vec::new();
        for folder in path.split(':').filter(|folder| is_plain(Path::new(folder)) && Path::new(folder).is_dir()) {
            let mut place = PathBuf::from(folder);
            let is_seen = |all: &Self, place: &Path| is_system(place) || all.shows(place);
            if !is_seen(self, &place) {
                match place.canonicalize() {
                    Ok(real) if is_seen(self, &real) => place = real,
                    _ if !is_below(&place, &self.home) => self.list("path", place.clone(), ReadOnly, guarded),
                    _ => {}
                }
            }
            let text = place.to_string_lossy().into_owned();
            if is_seen(self, &place) && !text.contains(':') && !usable.contains(&text) {
                usable.push(text);
            }
        }
        if usable.is_empty() { PATH_WITHOUT_ANY.to_owned() } else { usable.join(":") }
    }

    /// Whether a command finds what the person finds at this place.
    fn sees(&self, place: &Path) -> bool {
        let is_seen = |place: &Path| is_system(place) || self.shows(place);
        is_plain(place) && is_seen(place) && place.canonicalize().is_ok_and(|real| is_seen(&real))
    }

    fn shows(&self, place: &Path) -> bool {
        self.listed.iter().any(|listed| is_below(place, &listed.at))
    }
}

fn is_system(place: &Path) -> bool {
    SYSTEM.iter().any(|system| is_below(place, Path::new(system)))
}

/// The part of a folder, or all parts that begin so.
fn places(folder: &Path, part: &str) -> Vec<PathBuf> {
    let Some(beginning) = part.strip_suffix('*') else {
        return vec![if part.is_empty() { folder.to_owned() } else { folder.join(part) }];
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let meant = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(beginning)));
    let mut all: Vec<_> = meant.map(|entry| entry.path()).collect();
    all.sort();
    all
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

/// Folders of the running system: processes, devices, sockets. Never shown.
const OF_KERNEL: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

fn is_of_kernel(folder: &Path) -> bool {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    OF_KERNEL.iter().any(|kernel| is_below(&real, Path::new(kernel)))
}

/// Why a folder of the person's configuration can never be shown to commands.
pub fn unfit(folder: &Path, home: Option<&Path>, state_dir: &Path) -> Option<&'static str> {
    let state_dir = state_dir.canonicalize().unwrap_or_else(|_| state_dir.to_owned());
    let is_in_state = folder.ancestors().filter_map(|above| above.canonicalize().ok()).any(|above| above == state_dir);
    if !is_plain(folder) {
        Some("it is no absolute path without dots")
    } else if home.is_some_and(|home| holds_any(folder, &[home.to_owned()])) {
        Some("it holds the home directory")
    } else if is_in_state || holds_any(folder, &[state_dir]) {
        Some("errand's state is there")
    } else if is_of_kernel(folder) {
        Some("it belongs to the running system")
    } else if folder.exists() && !folder.is_dir() {
        Some("it is no folder")
    } else {
        None
    }
}

/// Words of cargo's settings that may be secret, or lead to a secret.
const SECRET_SETTINGS: [&str; 6] =
    ["cainfo", "credential-alias", "credential-provider", "global-credential-providers", "proxy", "token"];

/// A copy of cargo's settings without secrets: mirrors and build settings decide whether an offline build works.
fn cargo_config(folder: &Path, state_dir: &Path) -> io::Result<Option<(PathBuf, PathBuf)>> {
    let at = folder.join("config.toml");
    // The second is the older name.
    let text = std::fs::read_to_string(&at).or_else(|_| std::fs::read_to_string(folder.join("config")));
    let Some(mut table) = text.ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
        return Ok(None);
    };
    without_secrets(&mut table);
    let copy = state_dir::folder(state_dir, "sandbox")?.join("cargo-config.toml");
    state_dir::write_durably(&copy, table.to_string().as_bytes())?;
    Ok(Some((copy, at)))
}

/// Words in the names of variables whose values are secret.
const SECRET_WORDS: [&str; 6] = ["AUTH", "CREDENTIAL", "KEY", "PASS", "SECRET", "TOKEN"];

/// An address with a name and a password in it.
fn has_login(value: &toml::Value) -> bool {
    let rest = value.as_str().and_then(|text| text.split_once("://")).map_or("", |(_, rest)| rest);
    rest.split('/').next().is_some_and(|host| host.contains('@'))
}

fn without_secrets(table: &mut toml::Table) {
    table.retain(|name, value| !SECRET_SETTINGS.contains(&name) && !has_login(value));
    if let Some(toml::Value::Table(variables)) = table.get_mut("env") {
        variables.retain(|name, _| !SECRET_WORDS.iter().any(|word| name.to_ascii_uppercase().contains(word)));
    }
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
        for below in ["go", "state", ".elan"] {
            std::fs::create_dir(home.join(below)).unwrap();
        }
        std::os::unix::fs::symlink(&home, home.join(".nvm")).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (above, go) = (text(home.parent().unwrap()), text(&home.join("state")));
        let person = [("HOME", text(&home)), ("PYENV_ROOT", above), ("GOCACHE", go), ("JAVA_HOME", "/".to_owned())];
        let person: Vec<_> = person.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let toolchains = picked(&person, &home.join("state"));
        let at: Vec<_> = toolchains.listed().iter().map(|listed| listed.at.clone()).collect();
        assert_eq!(at.iter().filter(|at| is_below(at, &home)).collect::<Vec<_>>(), [&home.join(".elan")]);
    }

    #[test]
    fn the_table_for_people_is_this_one() {
        let told = include_str!("../../../docs/toolchains.md");
        for Row(name, variable, below_home, parts) in TABLE {
            let line = |line: &&str| {
                line.strip_prefix("| ").is_some_and(|line| line.split(" |").next() == Some(*name))
                    && variable.is_none_or(|variable| line.contains(&format!("`${variable}`")))
                    && below_home.is_none_or(|below| line.contains(&format!("`~/{below}`")))
            };
            let line = told.lines().find(line).unwrap_or_else(|| panic!("{name} {below_home:?} is not told"));
            let is_told = |part: &str| part.is_empty() || line.contains(&format!("`{part}`"));
            assert!(*parts == CONDA || parts.iter().all(|(part, _)| is_told(part)), "{line}");
        }
        assert_eq!(told.lines().filter(|line| line.starts_with("| ")).count(), TABLE.len() + 1, "rows and a head");
    }

    #[test]
    fn a_link_in_path_is_named_by_where_it_leads() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let real = home.join(".local/share/fnm/v20/bin");
        std::fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink(real.parent().unwrap(), home.join("shell")).unwrap();
        let certificate = home.join(".local/share/fnm/ca.pem");
        std::fs::write(&certificate, "").unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let (path, certificate, home_text) = (text(home.join("shell/bin")), text(certificate), text(home.clone()));
        let unseen = text(home.join("ca.pem"));
        let person =
            [("HOME", home_text.as_str()), ("PATH", &path), ("SSL_CERT_FILE", &certificate), ("PIP_CERT", &unseen)];
        let toolchains = picked(&person, Path::new("/nowhere/state"));
        assert_eq!(toolchains.path(), text(real));
        let all = toolchains.environment(true);
        assert!(all.contains(&("SSL_CERT_FILE".to_owned(), certificate.clone())), "{all:?}");
        assert!(!all.iter().any(|(name, _)| name == "PIP_CERT"), "{all:?}");
    }

    #[test]
    fn secrets_of_cargo_are_not_shown() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".cargo/registry")).unwrap();
        let text = "[source.x]\nregistry = \"sparse+https://mirror.example.org/\"\n[registries.x]\ntoken = \"canary\"\n\
                    index = \"i\"\n[http]\nproxy = \"user:canary@p\"\n[source.y]\nregistry = \"https://u:canary@h/\"\n\
                    [env]\nMY_TOKEN = \"canary\"\n";
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
