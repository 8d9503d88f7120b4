//! The folders that hold what a build needs, and the files that say what is in them. To add one: a row.
//!
//! Not here: folders that hold results rather than dependencies (`dist`, `.next`, `build`), and those that hold
//! credentials beside them (`.bundle`, `.terraform`). The person can name further ones.

/// Whether a folder made for other lock files may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stale {
    /// It would be believed: the lock files must be the base's.
    Wrong,
    /// The tool compares what is there with what it needs, and makes only the rest.
    Checked,
}
use Stale::{Checked, Wrong};

/// A folder by the end of its path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub name: &'static str,
    /// Say exactly what is in it. Looked for beside it, then in the folders above. One `*` stands for any characters.
    pub locks: &'static [&'static str],
    /// Stand in when there is no lock file.
    pub manifests: &'static [&'static str],
    /// Inside: what the installer writes down of what it did. A folder that was half installed gets another key when it
    /// is whole.
    pub records: &'static [&'static str],
    pub stale: Stale,
}

const NODE: &[&str] =
    &["bun.lock", "bun.lockb", "npm-shrinkwrap.json", "package-lock.json", "pnpm-lock.yaml", "yarn.lock"];
const PYTHON: &[&str] = &["Pipfile.lock", "pdm.lock", "poetry.lock", "requirements*.txt", "uv.lock"];
const PYTHON_MANIFESTS: &[&str] = &["Pipfile", "pyproject.toml", "setup.cfg", "setup.py"];

#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    Row { name: ".build", locks: &["Package.resolved"], manifests: &["Package.swift"], records: &[], stale: Checked },
    Row { name: ".dart_tool", locks: &["pubspec.lock"], manifests: &["pubspec.yaml"],
          records: &["package_config.json"], stale: Wrong },
    Row { name: ".tox", locks: PYTHON, manifests: &["tox.ini", "pyproject.toml", "setup.cfg"], records: &[], stale: Wrong },
    Row { name: ".venv", locks: PYTHON, manifests: PYTHON_MANIFESTS, records: &["pyvenv.cfg"], stale: Wrong },
    Row { name: "Pods", locks: &["Podfile.lock"], manifests: &["Podfile"], records: &["Manifest.lock"], stale: Wrong },
    Row { name: "_build", locks: &["mix.lock"], manifests: &["mix.exs"], records: &[], stale: Checked },
    Row { name: "deps", locks: &["mix.lock"], manifests: &["mix.exs"], records: &[], stale: Wrong },
    Row { name: "elm-stuff", locks: &["elm.json"], manifests: &[], records: &[], stale: Checked },
    Row { name: "node_modules", locks: NODE, manifests: &["package.json"],
          records: &[".modules.yaml", ".package-lock.json", ".yarn-integrity", ".yarn-state.yml"], stale: Wrong },
    Row { name: "target", locks: &["Cargo.lock"], manifests: &["Cargo.toml"], records: &[], stale: Checked },
    Row { name: "vendor", locks: &["Gemfile.lock", "composer.lock", "go.sum"], manifests: &["composer.json", "go.mod"],
          records: &["composer/installed.json", "modules.txt"], stale: Wrong },
    // Where `vendor` itself holds files of the repository.
    Row { name: "vendor/bundle", locks: &["Gemfile.lock"], manifests: &["Gemfile"], records: &[], stale: Wrong },
    Row { name: "venv", locks: PYTHON, manifests: PYTHON_MANIFESTS, records: &["pyvenv.cfg"], stale: Wrong },
];

/// The row for a path, by its end.
pub(super) fn row_of(path: &[u8]) -> Option<&'static Row> {
    let is_end = |name: &str| {
        let before = path.strip_suffix(name.as_bytes());
        before.is_some_and(|before| before.last().is_none_or(|&byte| byte == b'/'))
    };
    TABLE.iter().find(|row| is_end(row.name))
}

/// Whether a file's name is one of these.
pub(super) fn names(patterns: &[&str], name: &[u8]) -> bool {
    patterns.iter().any(|pattern| match pattern.split_once('*') {
        None => pattern.as_bytes() == name,
        Some((start, end)) => {
            name.strip_prefix(start.as_bytes()).is_some_and(|rest| rest.strip_suffix(end.as_bytes()).is_some())
        }
    })
}

/// Whether a file is left out of every layer by its name: it holds the person's secrets, not a dependency.
pub(super) fn is_secret_name(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    const PUBLIC: &[&[u8]] = &[b".env.dist", b".env.example", b".env.sample", b".env.template"];
    const SECRET: &[&[u8]] = &[
        b".env",
        b".git-credentials",
        b".netrc",
        b".npmrc",
        b".pypirc",
        b"id_dsa",
        b"id_ecdsa",
        b"id_ed25519",
        b"id_rsa",
    ];
    let is_variant = name.strip_prefix(b".env.").is_some() && !PUBLIC.contains(&name.as_slice());
    SECRET.contains(&name.as_slice()) || is_variant
}

/// Whether a file is left out when it holds a private key. By the name alone it may be a list of authorities, without
/// which no program in a virtual environment can speak TLS.
pub(super) fn may_hold_key(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    [&b".pem"[..], b".key"].iter().any(|end| name.strip_suffix(*end).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_the_end_of_a_path() {
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
        for (path, expected) in [
            ("node_modules", Some("node_modules")),
            ("packages/x/node_modules", Some("node_modules")),
            ("a/vendor/bundle", Some("vendor/bundle")),
            ("bundle", None),
            ("my_node_modules", None),
            ("target/debug", None),
        ] {
            assert_eq!(row_of(path.as_bytes()).map(|row| row.name), expected, "{path}");
        }
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (name, expected) in [
            ("requirements.txt", true),
            ("requirements-dev.txt", true),
            ("uv.lock", true),
            ("requirements.in", false),
            ("my-requirements.txt", false),
            ("require.txt", false),
        ] {
            assert_eq!(names(PYTHON, name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn secrets_are_known_by_name() {
        for (name, expected) in [
            (".env", true),
            (".env.local", true),
            (".ENV.Production", true),
            (".env.example", false),
            (".environment", false),
            ("id_rsa", true),
            ("id_rsa.pub", false),
            ("cacert.pem", false),
        ] {
            assert_eq!(is_secret_name(name.as_bytes()), expected, "{name}");
        }
        assert!(may_hold_key(b"server.PEM") && may_hold_key(b"a.key") && !may_hold_key(b"key.js"));
    }
}
