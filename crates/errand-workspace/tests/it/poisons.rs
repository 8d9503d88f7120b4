//! What a repository can hold that makes git start a program: one poison after the other, each with its own marker.
//!
//! The configuration keys come from the installed git itself, chosen by what their names promise, so that a newer git
//! brings its own. Shared with the tests of the binary; uses nothing but the standard library and the `git` program.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A repository to poison and the place where what ran leaves its marker.
pub struct Bait {
    pub repository: PathBuf,
    /// Beside the repository: programs, markers, and what stands for the rest of the person's files.
    pub beside: PathBuf,
}

/// One way to make git run something or look elsewhere.
pub struct Poison {
    pub name: String,
    pub plant: Box<dyn Fn(&Bait) + Send + Sync>,
    pub end: End,
}

/// What errand makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything works as if it were not there.
    Works,
    /// It is refused with a sentence that has this in it.
    Refused(&'static str),
}

impl Bait {
    pub fn of(repository: &Path, beside: &Path) -> Self {
        std::fs::create_dir_all(beside.join("markers")).unwrap();
        std::fs::create_dir_all(beside.join("programs")).unwrap();
        std::fs::create_dir_all(beside.join("elsewhere")).unwrap();
        Self { repository: repository.to_owned(), beside: beside.to_owned() }
    }

    /// A program that leaves a marker of that name and passes on what it is given, as a filter would.
    pub fn program(&self, name: &str) -> String {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let (path, marker) = (self.beside.join("programs").join(&name), self.beside.join("markers").join(&name));
        write(&path, &format!("#!/bin/sh\necho \"$*\" >> '{}'\ncat\n", marker.display()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    /// Names of the programs that ran.
    pub fn markers(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.beside.join("markers")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Forgets what ran while it was planted.
    pub fn forget(&self) {
        self.markers().iter().for_each(|name| std::fs::remove_file(self.beside.join("markers").join(name)).unwrap());
    }

    pub fn in_git(&self, path: &str) -> PathBuf {
        self.repository.join(".git").join(path)
    }

    pub fn elsewhere(&self) -> PathBuf {
        self.beside.join("elsewhere")
    }

    fn configure(&self, key: &str, value: &str) {
        append(&self.in_git("config"), &config_text(key, value));
    }
}

pub fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn append(path: &Path, text: &str) {
    let before = std::fs::read_to_string(path).unwrap_or_default();
    write(path, &(before + text));
}

/// `section.sub.key` as lines of a configuration file.
fn config_text(key: &str, value: &str) -> String {
    let (section, rest) = key.split_once('.').unwrap();
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    match rest.rsplit_once('.') {
        Some((sub, key)) => format!("[{section} \"{sub}\"]\n\t{key} = \"{value}\"\n"),
        None => format!("[{section}]\n\t{rest} = \"{value}\"\n"),
    }
}

/// Endings of key names that promise a program, a place to fetch from, or a file to write.
const ENDINGS: [&str; 28] = [
    "cmd",
    "command",
    "program",
    "helper",
    "driver",
    "editor",
    "pager",
    "hook",
    "clean",
    "smudge",
    "process",
    "textconv",
    "external",
    "askpass",
    "proxy",
    "uploadpack",
    "receivepack",
    "fsmonitor",
    "difffilter",
    "viewer",
    "browser",
    "tool",
    ".path",
    "target",
    "templatedir",
    "attributesfile",
    "excludesfile",
    "mailmap.file",
];

/// Keys that can run something but are in no list of git's, or need a value of their own form.
const OWN_FORM: [(&str, &str); 22] = [
    ("alias.status", "!{}"),
    ("alias.rev-parse", "!{}"),
    ("alias.cat-file", "!{}"),
    ("alias.update-ref", "!{}"),
    ("alias.upload-pack", "!{}"),
    ("credential.helper", "!{}"),
    ("diff.evil.command", "{}"),
    ("diff.evil.textconv", "{}"),
    ("filter.evil.process", "{}"),
    ("filter.lfs.process", "{}"),
    ("merge.evil.driver", "{} %A"),
    ("merge.default", "evil"),
    ("submodule.sub.update", "!{}"),
    ("submodule.sub.url", "ext::{} %S"),
    ("url.ext::{} .insteadOf", "https://"),
    ("url.ext::{} /.pushInsteadOf", "/"),
    ("remote.origin.url", "ext::{} %S"),
    ("remote.vcs.vcs", "{}"),
    ("http.proxy", "ext::{}"),
    ("core.pager", "{}"),
    ("uploadpack.packObjectsHook", "{}"),
    ("gc.recentObjectsHook", "{}"),
];

/// Settings that run nothing but let the others do it. They stand in every poisoned configuration.
const OPENERS: [(&str, &str); 17] = [
    ("protocol.allow", "always"),
    ("protocol.ext.allow", "always"),
    ("protocol.file.allow", "always"),
    ("commit.gpgSign", "true"),
    ("tag.gpgSign", "true"),
    ("log.showSignature", "true"),
    ("merge.verifySignatures", "false"),
    ("filter.evil.required", "true"),
    ("submodule.recurse", "true"),
    ("submodule.sub.active", "true"),
    ("core.logAllRefUpdates", "always"),
    ("gc.auto", "1"),
    ("user.name", "x; {};#"),
    ("user.email", "person@example.org"),
    ("uploadarchive.allowUnreachable", "true"),
    ("uploadpack.allowAnySHA1InWant", "true"),
    ("diff.submodule", "log"),
];

/// The openers with `{}` as this program.
pub fn open_up(bait: &Bait) {
    OPENERS.iter().for_each(|(key, value)| bait.configure(key, &value.replace("{}", &bait.program(key))));
}

/// Every key of the installed git whose name promises a program, with its placeholders filled in.
fn keys_of_git() -> BTreeSet<String> {
    let output = Command::new("git").args(["help", "-c"]).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut keys = BTreeSet::new();
    for key in text.lines() {
        let lower = key.to_lowercase();
        if ENDINGS.iter().any(|ending| lower.ends_with(ending)) {
            for tool in ["evil", "vimdiff"] {
                let key = key.replace("<driver>", "evil").replace("<tool>", tool).replace("<format>", "ssh");
                let name = if key.starts_with("submodule") { "sub" } else { "origin" };
                keys.insert(key.replace("<name>", name).replace("<condition>", "onbranch:main"));
            }
        }
        if lower.starts_with("pager.<") {
            keys.extend(
                ["diff", "log", "rev-parse", "cat-file", "ls-tree", "update-ref"].map(|cmd| format!("pager.{cmd}")),
            );
        }
    }
    keys.extend(["gpg.x509.program", "gpg.openpgp.program", "sequence.editor"].map(str::to_owned));
    // These say whether to show something; with another value git only complains.
    keys.retain(|key| !["advice.", "color.", "column."].iter().any(|part| key.starts_with(part)));
    keys.retain(|key| !key.ends_with("cachetextconv"));
    keys.retain(|key| !key.contains('<') && !OWN_FORM.iter().any(|(own, _)| own == key));
    keys
}

/// Names of all hooks, server side and `git p4` too.
pub const HOOKS: [&str; 28] = [
    "applypatch-msg",
    "commit-msg",
    "fsmonitor-watchman",
    "p4-changelist",
    "p4-post-changelist",
    "p4-pre-submit",
    "p4-prepare-changelist",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-receive",
    "post-rewrite",
    "post-update",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "pre-receive",
    "prepare-commit-msg",
    "proc-receive",
    "push-to-checkout",
    "reference-transaction",
    "sendemail-validate",
    "update",
];

fn plant_hooks(bait: &Bait) {
    for hook in HOOKS {
        let path = bait.in_git("hooks").join(hook);
        write(&path, &format!("#!/bin/sh\nexec {}\n", bait.program(&format!("hook-{hook}"))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn works(name: &str, plant: impl Fn(&Bait) + Send + Sync + 'static) -> Poison {
    Poison { name: name.to_owned(), plant: Box::new(plant), end: End::Works }
}

fn refused(name: &str, sentence: &'static str, plant: impl Fn(&Bait) + Send + Sync + 'static) -> Poison {
    Poison { name: name.to_owned(), plant: Box::new(plant), end: End::Refused(sentence) }
}

/// One for each configuration key that can run something.
pub fn of_config() -> Vec<Poison> {
    let of_git = keys_of_git().into_iter().map(|key| (key, "{}"));
    let own = OWN_FORM.iter().map(|(key, value)| ((*key).to_owned(), *value));
    of_git
        .chain(own)
        .map(|(key, form)| {
            works(&key.clone(), move |bait| {
                let program = bait.program(&key);
                let value = if key.ends_with(".path") && key.starts_with("include") {
                    let path = bait.elsewhere().join("included");
                    write(&path, &config_text("core.fsmonitor", &program));
                    path.display().to_string()
                } else if key.ends_with("Target") {
                    // Git writes to this one itself.
                    bait.beside.join("markers").join(&key).display().to_string()
                } else {
                    form.replace("{}", &program)
                };
                bait.configure(&key.replace("{}", &program), &value);
            })
        })
        .collect()
}

/// What is poisonous by where it stands and not by a key alone. Everything here leaves the repository usable.
pub fn of_structure() -> Vec<Poison> {
    let evil = |bait: &Bait, name: &str| config_text("core.fsmonitor", &bait.program(name));
    vec![
        works("all hooks", plant_hooks),
        works("hooks path in the tree", |bait| {
            let hooks = bait.repository.join("in-tree-hooks");
            plant_hooks(bait);
            std::fs::rename(bait.in_git("hooks"), &hooks).unwrap();
            bait.configure("core.hooksPath", "in-tree-hooks");
        }),
        works("include of a file in the tree", move |bait| {
            write(&bait.repository.join("in-tree.config"), &evil(bait, "include"));
            bait.configure("include.path", "../in-tree.config");
        }),
        works("conditional include of a file in the tree", move |bait| {
            write(&bait.repository.join("in-tree.config"), &evil(bait, "include-if"));
            bait.configure("includeIf.gitdir:**.path", "../in-tree.config");
        }),
        works("configuration of the worktree", move |bait| {
            bait.configure("extensions.worktreeConfig", "true");
            write(&bait.in_git("config.worktree"), &evil(bait, "config-worktree"));
        }),
        works("worktree elsewhere", |bait| {
            write(&bait.elsewhere().join("a"), "not yours\n");
            bait.configure("core.worktree", &bait.elsewhere().display().to_string());
        }),
        works("calls itself bare", |bait| bait.configure("core.bare", "true")),
        works("promises objects elsewhere", |bait| {
            bait.configure("core.repositoryFormatVersion", "1");
            bait.configure("extensions.partialClone", "promisor");
            bait.configure("remote.promisor.promisor", "true");
            bait.configure("remote.promisor.url", &format!("ext::{} %S", bait.program("promisor-url")));
            bait.configure("remote.promisor.uploadpack", &bait.program("promisor-uploadpack"));
        }),
        works("attributes beside the tree", |bait| {
            write(&bait.in_git("info/attributes"), "* filter=evil diff=evil merge=evil text eol=crlf ident\n");
            bait.configure("filter.evil.clean", &bait.program("info-attributes"));
        }),
        works("everything is excluded", |bait| write(&bait.in_git("info/exclude"), "*\n")),
        works("exclude file is a link", |bait| {
            std::fs::remove_file(bait.in_git("info/exclude")).ok();
            symlink("/proc/self/environ", bait.in_git("info/exclude")).unwrap();
        }),
        works("exclude file waits for a writer", |bait| {
            std::fs::remove_file(bait.in_git("info/exclude")).ok();
            assert!(Command::new("mkfifo").arg(bait.in_git("info/exclude")).status().unwrap().success());
        }),
        works("sparse checkout", |bait| {
            bait.configure("core.sparseCheckout", "true");
            write(&bait.in_git("info/sparse-checkout"), "/dir/\n");
        }),
        works("head and tree are replaced", |bait| {
            let head = git(bait, &["rev-parse", "HEAD"]);
            let other = git(bait, &["rev-parse", "side"]);
            write(&bait.in_git("refs/replace").join(head), &format!("{other}\n"));
        }),
        works("alternates lead everywhere", |bait| {
            let text = format!("/dev\n../../../..\n{}\n/nowhere\n../objects\n", bait.elsewhere().display());
            write(&bait.in_git("objects/info/alternates"), &text);
        }),
        works("index is garbage", |bait| write(&bait.in_git("index"), "DIRC\0\0\0\u{2}nonsense")),
        works("index is a link", |bait| {
            std::fs::remove_file(bait.in_git("index")).unwrap();
            symlink("/dev/zero", bait.in_git("index")).unwrap();
        }),
        works("index with its own monitor", |bait| {
            git(bait, &["update-index", "--untracked-cache", "--fsmonitor"]);
            bait.configure("core.fsmonitor", &bait.program("index-monitor"));
        }),
        works("index is split", |bait| drop(git(bait, &["update-index", "--split-index"]))),
        works("bare repository in the tree", move |bait| {
            write(&bait.repository.join("embedded/config"), &evil(bait, "embedded"));
        }),
        works("submodule's own configuration", move |bait| {
            let module = bait.in_git("modules/sub");
            for folder in ["objects", "refs/heads"] {
                std::fs::create_dir_all(module.join(folder)).unwrap();
            }
            write(&module.join("HEAD"), "ref: refs/heads/main\n");
            write(&module.join("config"), &evil(bait, "submodule-config"));
            write(&bait.repository.join("sub/.git"), "gitdir: ../.git/modules/sub\n");
        }),
        works("refs lead elsewhere", |bait| {
            write(&bait.elsewhere().join("ref"), "not an id\n");
            symlink(bait.elsewhere().join("ref"), bait.in_git("refs/heads/out")).unwrap();
            symlink("/", bait.in_git("refs/heads/root")).unwrap();
            write(&bait.in_git("refs/heads/loop"), "ref: refs/heads/loop\n");
            write(&bait.in_git("refs/heads/up"), "ref: ../../config\n");
        }),
        works("name and notes of the committer", |bait| {
            bait.configure("user.useConfigOnly", "true");
            bait.configure("core.notesRef", "refs/heads/main");
        }),
    ]
}

/// What makes a repository unusable, or would lead us to write elsewhere.
pub fn of_ruin() -> Vec<Poison> {
    vec![
        refused("git directory is a link", "does not point back", |bait| {
            let moved = bait.elsewhere().join("moved.git");
            std::fs::rename(bait.in_git(""), &moved).unwrap();
            symlink(moved, bait.repository.join(".git")).unwrap();
        }),
        refused("git file leads elsewhere", "does not point back", |bait| {
            let moved = bait.elsewhere().join("moved.git");
            std::fs::rename(bait.in_git(""), &moved).unwrap();
            write(&bait.repository.join(".git"), &format!("gitdir: {}\n", moved.display()));
        }),
        refused(
            "git file leads to a folder of the tree that shares another repository",
            "does not point back",
            |bait| {
                let private = bait.elsewhere().join("private.git");
                std::fs::rename(bait.in_git(""), &private).unwrap();
                let decoy = bait.repository.join("decoy");
                write(&decoy.join("HEAD"), "ref: refs/heads/main\n");
                write(&decoy.join("commondir"), &private.display().to_string());
                write(&decoy.join("gitdir"), &bait.repository.join(".git").display().to_string());
                write(&bait.repository.join(".git"), "gitdir: decoy\n");
            },
        ),
        refused("common directory leads elsewhere", "does not point back", |bait| {
            write(&bait.in_git("commondir"), "../../elsewhere\n");
        }),
        refused("common directory is a broken link", "does not point back", |bait| {
            symlink("/nowhere", bait.in_git("commondir")).unwrap();
        }),
        refused("head is garbage", "git", |bait| write(&bait.in_git("HEAD"), "\u{1b}]0;owned\u{7}\n")),
        refused("head is a link to a file elsewhere", "git", |bait| {
            write(&bait.elsewhere().join("secret"), "0123456789\n");
            std::fs::remove_file(bait.in_git("HEAD")).unwrap();
            symlink(bait.elsewhere().join("secret"), bait.in_git("HEAD")).unwrap();
        }),
        refused("packed refs are garbage", "git", |bait| {
            std::fs::remove_file(bait.in_git("refs/heads/main")).ok();
            write(&bait.in_git("packed-refs"), "# pack-refs with: peeled\nzz refs/heads/main\n");
        }),
        refused("shallow file is garbage", "shallow", |bait| write(&bait.in_git("shallow"), "nonsense\n")),
        refused("configuration is garbage", "config", |bait| write(&bait.in_git("config"), "[core\nfoo\n")),
        refused("includes itself", "include", |bait| bait.configure("include.path", "config")),
        refused("format of the future", "version", |bait| bait.configure("core.repositoryFormatVersion", "99")),
        refused("a promised object is missing", "git fetch failed", |bait| {
            promise_and_lose(bait, "HEAD:dir/c");
        }),
        refused("branches are kept elsewhere", "leads outside the repository", |bait| {
            let moved = bait.elsewhere().join("heads");
            std::fs::rename(bait.in_git("refs/heads"), &moved).unwrap();
            symlink(moved, bait.in_git("refs/heads")).unwrap();
        }),
        refused("the branch's log is a start file of the shell", "leads outside the repository", |bait| {
            write(&bait.elsewhere().join("rc"), "# mine\n");
            std::fs::create_dir_all(bait.in_git("logs/refs/heads")).unwrap();
            symlink(bait.elsewhere().join("rc"), bait.in_git("logs/refs/heads/made")).unwrap();
        }),
        refused("logs are kept elsewhere", "leads outside the repository", |bait| {
            std::fs::remove_dir_all(bait.in_git("logs")).ok();
            symlink(bait.elsewhere(), bait.in_git("logs")).unwrap();
        }),
        refused("a folder of objects is elsewhere", "leads outside the repository", |bait| {
            let free = (0..=255).map(|n| bait.in_git(&format!("objects/{n:02x}"))).filter(|path| !path.exists());
            free.for_each(|path| symlink(bait.elsewhere(), path).unwrap());
        }),
    ]
}

/// A partial clone that lacks this object, and whose remote is a program.
pub fn promise_and_lose(bait: &Bait, object: &str) {
    let id = git(bait, &["rev-parse", object]);
    let (folder, file) = id.split_at(2);
    std::fs::remove_file(bait.in_git("objects").join(folder).join(file)).unwrap();
    bait.configure("core.repositoryFormatVersion", "1");
    bait.configure("extensions.partialClone", "promisor");
    bait.configure("remote.promisor.promisor", "true");
    bait.configure("remote.promisor.url", &bait.repository.display().to_string());
    bait.configure("remote.promisor.uploadpack", &bait.program("missing-uploadpack"));
}

/// The person's own git, before anything is planted that it would run.
fn git(bait: &Bait, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(&bait.repository).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Everything at once that leaves the repository usable, also for the person's own git.
pub fn plant_all(bait: &Bait) {
    let masks = [
        "worktree elsewhere",
        "calls itself bare",
        "index is garbage",
        "index is a link",
        "index is split",
        "head and tree are replaced",
        "sparse checkout",
        "hooks path in the tree",
        "alternates lead everywhere",
        "refs lead elsewhere",
        "exclude file waits for a writer",
        "everything is excluded",
        "core.hooksPath",
        "include.path",
        "merge.default",
        // This one fails before the other filters have their turn.
        "filter.evil.process",
        "core.attributesFile",
        "name and notes of the committer",
    ];
    let is_usable = |poison: &Poison| !masks.contains(&poison.name.as_str());
    for poison in of_structure().iter().chain(&of_config()).filter(|poison| is_usable(poison)) {
        (poison.plant)(bait);
    }
    open_up(bait);
    bait.forget();
}
