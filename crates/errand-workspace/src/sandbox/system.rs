//! The part of the machine that every command sees, read-only: its programs, and of `/etc` what programs need.

use super::plan::{Mount, What};
use crate::state_dir;
use std::io;
use std::path::{Path, PathBuf};

/// What is there of `/etc` when the machine has it. Names that end in `*` are beginnings.
const ETC: [&str; 32] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "java*",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "lsb-release",
    "magic",
    "maven/logging",
    "maven/m2.conf",
    "maven/toolchains.xml",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/java",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "protocols",
    "python*",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
];

/// Folders of programs. On most machines all but the first are links into it.
const PROGRAMS: [&str; 7] = ["/usr", "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"];

/// Mounts of the machine, and of three files of ours that stand for its users and hosts.
pub(super) fn mounts(state_dir: &Path, home: &Path) -> io::Result<Vec<Mount>> {
    let mut all = Vec::new();
    for path in PROGRAMS.map(Path::new) {
        match std::fs::read_link(path) {
            Ok(target) => all.push(Mount::new(path, What::Link(target))),
            Err(_) if path.is_dir() => all.push(Mount::new(path, What::ReadOnly(path.to_owned()))),
            Err(_) => {}
        }
    }
    for name in ETC {
        for path in named(name) {
            all.push(Mount::new(&path, What::ReadOnly(path.clone())));
        }
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let root = if uid == 0 { String::new() } else { "root:x:0:0:root:/nonexistent:/bin/sh\n".to_owned() };
    let user = if uid == 0 { "root" } else { "errand" };
    let passwd = format!(
        "{root}{user}:x:{uid}:{gid}:errand:{}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
        home.display()
    );
    let group = match gid {
        0 => "root:x:0:\nnogroup:x:65534:\n".to_owned(),
        _ => format!("root:x:0:\nerrand:x:{gid}:\nnogroup:x:65534:\n"),
    };
    let hosts = "127.0.0.1 localhost errand\n::1 localhost\n".to_owned();
    for (name, text) in [("passwd", passwd), ("group", group), ("hosts", hosts)] {
        all.push(Mount::new(format!("/etc/{name}"), What::ReadOnly(own_file(state_dir, name, text.as_bytes())?)));
    }
    all.sort_by(|a, b| a.at.cmp(&b.at));
    Ok(all)
}

/// What `/etc` has under a name of the list.
fn named(name: &str) -> Vec<PathBuf> {
    let etc = Path::new("/etc");
    match name.strip_suffix('*') {
        None => [etc.join(name)].into_iter().filter(|path| path.exists()).collect(),
        Some(beginning) => {
            let entries = std::fs::read_dir(etc).into_iter().flatten().flatten();
            let is_meant = |path: &PathBuf| {
                path.file_name().is_some_and(|name| name.to_string_lossy().strip_prefix(beginning).is_some())
            };
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).filter(is_meant).collect()
        }
    }
}

/// A file of errand's own with these bytes, to be shown in views.
fn own_file(state_dir: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let path = state_dir::folder(state_dir, "sandbox")?.join(name);
    if std::fs::read(&path).ok().as_deref() != Some(bytes) {
        state_dir::write_durably(&path, bytes)?;
    }
    Ok(path)
}
