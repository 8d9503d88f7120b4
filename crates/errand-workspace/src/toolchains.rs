//! The environment of commands, built from a list: nothing of the person's reaches a command because it was there.
//!
//! HOME is private to the task, so tool chains that live below the person's HOME are named by their variables. Until the
//! sandbox mounts them read-only, a command can write to them, and a credentials file in one of them can be read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A tool chain's folder: the variable that names it, and where it is when the variable is not set.
const FOLDERS: [(&str, Option<&str>); 24] = [
    ("ASDF_DATA_DIR", Some(".asdf")),
    ("BUN_INSTALL", Some(".bun")),
    ("CARGO_HOME", Some(".cargo")),
    ("DOTNET_ROOT", Some(".dotnet")),
    ("ELAN_HOME", Some(".elan")),
    ("GEM_HOME", None),
    ("GOCACHE", Some(".cache/go-build")),
    ("GOMODCACHE", None),
    ("GOPATH", Some("go")),
    ("GOROOT", None),
    ("GRADLE_USER_HOME", Some(".gradle")),
    ("JAVA_HOME", None),
    ("JULIA_DEPOT_PATH", Some(".julia")),
    ("MISE_DATA_DIR", Some(".local/share/mise")),
    ("NVM_DIR", Some(".nvm")),
    ("PNPM_HOME", None),
    ("PYENV_ROOT", Some(".pyenv")),
    ("RBENV_ROOT", Some(".rbenv")),
    ("RUSTUP_HOME", Some(".rustup")),
    ("SDKMAN_DIR", Some(".sdkman")),
    ("STACK_ROOT", Some(".stack")),
    ("UV_CACHE_DIR", Some(".cache/uv")),
    ("VOLTA_HOME", Some(".volta")),
    ("npm_config_cache", Some(".npm")),
];

/// Small settings that are passed on when the person has them.
const SETTINGS: [&str; 4] = ["LANG", "RUSTUP_TOOLCHAIN", "SSL_CERT_FILE", "TZ"];

/// The same in every command.
const FIXED: [(&str, &str); 3] = [("CI", "1"), ("NO_COLOR", "1"), ("TERM", "dumb")];

const PATH_WITHOUT_ANY: &str = "/usr/local/bin:/usr/bin:/bin";

/// What the binary captured of the person's environment, reduced to what commands may get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchains {
    /// The absolute folders of PATH that exist.
    path: String,
    variables: BTreeMap<String, String>,
}

impl Toolchains {
    /// Picks from the person's variables.
    pub fn of(person: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let person: BTreeMap<String, String> = person
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut variables = BTreeMap::new();
        for (name, below_home) in FOLDERS {
            let usual = || Some(Path::new(person.get("HOME")?).join(below_home?));
            let folder = person.get(name).map(PathBuf::from).or_else(usual);
            if let Some(folder) = folder.filter(|folder| folder.is_absolute() && folder.is_dir()) {
                variables.insert(name.to_owned(), folder.to_string_lossy().into_owned());
            }
        }
        for name in SETTINGS {
            variables.extend(person.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        variables.entry("LANG".to_owned()).or_insert_with(|| "C.UTF-8".to_owned());
        Self { path: usable_path(person.get("PATH").map_or("", String::as_str)), variables }
    }

    /// PATH as commands see it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole environment of a command, sorted by name.
    pub fn environment(&self, home: &Path, tmp: &Path) -> Vec<(String, String)> {
        let mut all = self.variables.clone();
        all.extend(FIXED.map(|(name, value)| (name.to_owned(), value.to_owned())));
        all.insert("PATH".to_owned(), self.path.clone());
        all.insert("HOME".to_owned(), home.to_string_lossy().into_owned());
        all.insert("TMPDIR".to_owned(), tmp.to_string_lossy().into_owned());
        all.into_iter().collect()
    }
}

/// The absolute folders that exist; relative ones would mean a program of the workspace.
fn usable_path(path: &str) -> String {
    let mut usable: Vec<&str> = Vec::new();
    for folder in path.split(':').filter(|folder| Path::new(folder).is_absolute() && Path::new(folder).is_dir()) {
        if !usable.contains(&folder) {
            usable.push(folder);
        }
    }
    if usable.is_empty() { PATH_WITHOUT_ANY.to_owned() } else { usable.join(":") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_list_is_passed() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".cargo")).unwrap();
        let home = home.path().to_str().unwrap();
        let person = [
            ("PATH", ".:node_modules/.bin:/usr/bin::/nowhere:/usr/bin"),
            ("HOME", home),
            ("ANTHROPIC_API_KEY", "canary"),
            ("LD_PRELOAD", "/evil.so"),
            ("BASH_ENV", "/evil.sh"),
            ("GOROOT", "relative"),
            ("TZ", "UTC"),
        ];
        let toolchains = Toolchains::of(person.map(|(name, value)| (name.into(), value.into())));
        let expected = [
            ("CARGO_HOME", format!("{home}/.cargo")),
            ("CI", "1".into()),
            ("HOME", "/h".into()),
            ("LANG", "C.UTF-8".into()),
            ("NO_COLOR", "1".into()),
            ("PATH", "/usr/bin".into()),
            ("TERM", "dumb".into()),
            ("TMPDIR", "/t".into()),
            ("TZ", "UTC".into()),
        ];
        let environment = toolchains.environment(Path::new("/h"), Path::new("/t"));
        assert_eq!(environment, expected.map(|(name, value)| (name.to_owned(), value)));
    }
}
