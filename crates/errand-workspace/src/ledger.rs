//! The ledger: our own copy of a source repository's history, and everything errand stores beside it.
//!
//! Two bare git directories per source. `base.git` holds what was fetched from the person, reachable history only; the
//! scratch repository that the agent's own git uses borrows from it. `work.git` borrows from it too and holds snapshots
//! and results, which no sandbox ever sees. Both are written by errand alone, their configuration is ours.
//!
//! The whole reachable history of a base is fetched: `git log` and `git blame` are how agents find causes. A first task
//! on a very large history pays for that once; later bases bring only what is new.

use crate::folders::FolderCache;
use crate::git::{Git, GitError};
use crate::limits::{COMPARISON_BYTES, DEPTH, FILE_BYTES, GIT_TIME, LISTINGS_KEPT};
use crate::objects::{Kind, ObjectFormat, ObjectStore, Oid};
use crate::paths::BadPath;
use crate::reader::{self, Reader};
use crate::source::Source;
use crate::state_dir;
use crate::trees::{EntryMode, TreeEntry};
use errand_task::id::{CommitId, Digest, TaskId, TreeId};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum LedgerError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("object {id} is missing from the ledger")]
    Missing { id: String },
    #[error("object {id} is larger than {limit} bytes")]
    TooLarge { id: String, limit: u64 },
    #[error("object {id} is not a {expected}")]
    WrongKind { id: String, expected: &'static str },
    #[error("tree {id} is not as git writes trees; `git fsck` in the repository says more")]
    Malformed { id: String },
    #[error("tree {id} is more than {DEPTH} folders deep")]
    TooDeep { id: String },
    #[error("two trees differ in more than {COMPARISON_BYTES} bytes")]
    TooMuch,
    #[error(transparent)]
    BadPath(#[from] BadPath),
    #[error("`{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// One commit of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub short_id: String,
    /// Day of the commit, `2026-01-31`.
    pub date: String,
    /// First line of the message, as it stands; it is the repository's text.
    pub subject: String,
}

/// The ledger of one source repository. Keep one per source: it caches, and its answers never change.
#[derive(Debug)]
pub struct Ledger {
    git: Git,
    dir: PathBuf,
    /// The person's checkout.
    checkout: PathBuf,
    objects: ObjectStore,
    reader: Reader,
    trees: Mutex<HashMap<CommitId, TreeId>>,
    listings: Mutex<Vec<(TreeId, Arc<Vec<TreeEntry>>)>>,
    pub(crate) folders: Mutex<FolderCache>,
    logs: Mutex<HashMap<(CommitId, usize), Vec<LogLine>>>,
}

/// The bytes of files are the truth: nothing in a tree may convert, filter or hide them.
const ATTRIBUTES: &str =
    "* -text -eol -crlf -ident !filter !working-tree-encoding !diff !merge !export-ignore !export-subst !whitespace\n";

/// For the one call that reads the person's repository through upload-pack. Looking for better deltas takes longer than
/// copying what they would save.
const FETCH_CONFIG: &str = "[safe]\n\tdirectory = *\n[pack]\n\twindow = 0\n";

/// The other side of a fetch, in the person's repository. A partial clone with a missing object would start what its
/// configuration names to get it; older programs do not know `GIT_NO_LAZY_FETCH`, but without a protocol none can.
const UPLOAD_PACK: &str = "GIT_ALLOW_PROTOCOL=none git -c protocol.allow=never -c core.hooksPath=/dev/null upload-pack";

impl Ledger {
    /// The ledger of `source` below `state_dir`; made when it is not there.
    pub fn open_or_create(git: &Git, state_dir: &Path, source: &Source) -> Result<Self, LedgerError> {
        let format = source.format();
        let dir = Self::folder(state_dir, source.top(), format);
        if !dir.join("ready").exists() {
            create(&dir, format).map_err(|source| LedgerError::Io { path: dir.clone(), source })?;
        }
        Ok(Self::at(git, dir, source.top(), format))
    }

    /// The ledger of a checkout that may be gone itself; `None` when there is no ledger.
    pub fn open(git: &Git, state_dir: &Path, checkout: &Path, format: ObjectFormat) -> Option<Self> {
        let dir = Self::folder(state_dir, checkout, format);
        dir.join("ready").exists().then(|| Self::at(git, dir, checkout, format))
    }

    /// Where the ledger of a checkout is.
    pub fn folder(state_dir: &Path, checkout: &Path, format: ObjectFormat) -> PathBuf {
        let key = format!("{}\0{format:?}", checkout.to_string_lossy());
        let hash = Digest::of(key.as_bytes());
        let name = checkout.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy());
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let name: String = name.chars().take(40).map(|c| if is_plain(c) { c } else { '_' }).collect();
        state_dir.join("ledgers").join(format!("{name}-{}", hash.as_str().get(..16).unwrap_or_default()))
    }

    fn at(git: &Git, dir: PathBuf, checkout: &Path, format: ObjectFormat) -> Self {
        Self {
            git: git.clone(),
            objects: ObjectStore::new(dir.join("work.git/objects"), format),
            reader: Reader::new(git.clone(), dir.join("work.git")),
            dir,
            checkout: checkout.to_owned(),
            trees: Mutex::default(),
            listings: Mutex::default(),
            folders: Mutex::default(),
            logs: Mutex::default(),
        }
    }

    /// The path of the person's checkout.
    pub fn checkout(&self) -> &Path {
        &self.checkout
    }

    /// Where it and everything beside it is stored.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn format(&self) -> ObjectFormat {
        self.objects.format()
    }

    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    /// The git directory for host git: sees base history, snapshots and results.
    pub(crate) fn work_git(&self) -> PathBuf {
        self.dir.join("work.git")
    }

    /// Objects that scratch repositories may borrow.
    pub(crate) fn base_objects(&self) -> PathBuf {
        self.dir.join("base.git/objects")
    }

    /// What keeps a base and its history.
    pub(crate) fn base_reference(&self, id: &Oid) -> PathBuf {
        self.dir.join(format!("base.git/refs/errand/base/{id}"))
    }

    pub fn objects(&self) -> &ObjectStore {
        &self.objects
    }

    /// Fetches `commit` with its history from the person's repository; starts no process when it is here already.
    pub fn bring_base(&self, source: &Source, commit: &CommitId) -> Result<(), LedgerError> {
        let id = Oid::parse(commit.as_str()).ok_or_else(|| missing(commit.as_str()))?;
        let base_git = self.dir.join("base.git");
        let reference = format!("refs/errand/base/{id}");
        if self.base_reference(&id).exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        if self.base_reference(&id).exists() {
            return Ok(());
        }
        let mut call = self.git.call("fetch", &base_git).args(["-c", "protocol.file.allow=always", "fetch", "--quiet"]);
        call.limit = GIT_TIME;
        // Upload-pack would refuse a checkout that belongs to someone else, because other git commands run code there.
        // This one does not, so the setting below lifts the refusal for this call.
        call.command.env("GIT_ALLOW_PROTOCOL", "file").env("GIT_CONFIG_GLOBAL", self.dir.join("fetch.config"));
        call.command.args(["--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"]);
        call.command.args(["--upload-pack", UPLOAD_PACK, "--update-shallow", "--end-of-options"]);
        call.command.arg(source.common_dir()).arg(format!("+{id}:{reference}"));
        call.output()?;
        // A shallow source gives a shallow history; whoever borrows the objects must know where it ends.
        match std::fs::copy(base_git.join("shallow"), self.work_git().join("shallow")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LedgerError::Io { path: self.work_git().join("shallow"), source: error })
            }
            _ => Ok(()),
        }
    }

    /// Keeps `id`, a commit, alive under the task's name, also for people who look into the ledger.
    pub fn keep(&self, task: &TaskId, commit: &CommitId) -> Result<(), LedgerError> {
        let dir = self.work_git().join("refs/errand");
        let path = dir.join(task.as_str());
        std::fs::create_dir_all(&dir)
            .and_then(|()| state_dir::write_durably(&path, format!("{commit}\n").as_bytes()))
            .map_err(|source| LedgerError::Io { path, source })
    }

    /// The tree of a commit.
    pub fn tree_of(&self, commit: &CommitId) -> Result<TreeId, LedgerError> {
        if let Some(tree) = lock(&self.trees).get(commit) {
            return Ok(tree.clone());
        }
        let bytes = self.read(commit.as_str(), Kind::Commit, 1 << 20)?;
        let text = String::from_utf8_lossy(&bytes);
        let named = text.lines().next().and_then(|line| line.strip_prefix("tree ")).and_then(Oid::parse);
        let tree = named.ok_or(GitError::Garbled { what: "cat-file" })?.tree_id();
        lock(&self.trees).insert(commit.clone(), tree.clone());
        Ok(tree)
    }

    /// Every file, link and submodule of a tree, sorted by path bytes.
    pub fn list_tree(&self, tree: &TreeId) -> Result<Arc<Vec<TreeEntry>>, LedgerError> {
        if let Some((_, entries)) = lock(&self.listings).iter().find(|(id, _)| id == tree) {
            return Ok(Arc::clone(entries));
        }
        let id = Oid::parse(tree.as_str()).ok_or_else(|| missing(tree.as_str()))?;
        let args = ["ls-tree", "-r", "-t", "-z", "--long", "--full-tree", &id.to_string()];
        let output = self.git.call("ls-tree", &self.work_git()).args(args).output()?;
        let garbled = || GitError::Garbled { what: "ls-tree" };
        let (mut entries, mut known) = (Vec::new(), vec![id]);
        for line in output.split(|&byte| byte == 0).filter(|line| !line.is_empty()) {
            let (entry, id) = parse_line(line).ok_or_else(garbled)?;
            known.push(id);
            entries.extend(entry);
        }
        entries.sort_by(|a: &TreeEntry, b| a.path.cmp(&b.path));
        self.objects.note_known(known);
        let entries = Arc::new(entries);
        self.remember(tree.clone(), Arc::clone(&entries));
        Ok(entries)
    }

    /// Stores a listing whose blobs are stored, as a tree; durable when this returns.
    pub fn write_tree(&self, entries: Vec<TreeEntry>) -> Result<TreeId, LedgerError> {
        let written = crate::trees::write(&self.objects, &entries).and_then(|id| self.objects.sync().map(|()| id));
        let id = written.map_err(|source| LedgerError::Io { path: self.work_git(), source })?.tree_id();
        self.remember(id.clone(), Arc::new(entries));
        Ok(id)
    }

    /// The content of a blob; the default limit is the largest file a snapshot takes.
    pub fn read_blob(&self, id: &Oid) -> Result<Vec<u8>, LedgerError> {
        self.read(&id.to_string(), Kind::Blob, FILE_BYTES)
    }

    /// The last `n` commits that `commit` reaches, newest first.
    pub fn last_commits(&self, commit: &CommitId, n: usize) -> Result<Vec<LogLine>, LedgerError> {
        let key = (commit.clone(), n);
        if let Some(lines) = lock(&self.logs).get(&key) {
            return Ok(lines.clone());
        }
        let id = Oid::parse(commit.as_str()).ok_or_else(|| missing(commit.as_str()))?;
        let args = ["log", "-z", "--no-color", "--format=%h%x09%cs%x09%s", &format!("-n{n}"), &id.to_string(), "--"];
        let output = self.git.call("log", &self.work_git()).args(args).output()?;
        let parse = |line: &[u8]| {
            let text = String::from_utf8_lossy(line).into_owned();
            let (short_id, rest) = text.split_once('\t')?;
            let (date, subject) = rest.split_once('\t')?;
            Some(LogLine { short_id: short_id.to_owned(), date: date.to_owned(), subject: subject.to_owned() })
        };
        let lines: Vec<_> = output.split(|&byte| byte == 0).filter_map(parse).collect();
        lock(&self.logs).insert(key, lines.clone());
        Ok(lines)
    }

    /// One at a time among all processes that change this ledger's refs.
    pub(crate) fn lock(&self) -> Result<std::fs::File, LedgerError> {
        let path = self.dir.join("lock");
        state_dir::lock(&path).map_err(|source| LedgerError::Io { path, source })
    }

    /// Streams each blob to `take` in the order of `ids`.
    pub(crate) fn read_many<E: From<GitError>>(
        &self,
        ids: &[Oid],
        take: impl FnMut(usize, u64, &mut dyn io::Read) -> Result<(), E>,
    ) -> Result<(), E> {
        reader::read_many(&self.git, &self.work_git(), ids, take)
    }

    /// The sizes of these objects, in their order; 0 for one that is missing.
    pub(crate) fn sizes(&self, ids: &[Oid]) -> Result<Vec<u64>, LedgerError> {
        Ok(self.reader.sizes(ids)?)
    }

    pub(crate) fn read(&self, id: &str, kind: Kind, limit: u64) -> Result<Vec<u8>, LedgerError> {
        let oid = Oid::parse(id).ok_or_else(|| missing(id))?;
        let wrong = || LedgerError::WrongKind { id: id.to_owned(), expected: kind.as_str() };
        let too_large = || LedgerError::TooLarge { id: id.to_owned(), limit };
        match self.objects.read_loose(&oid, limit) {
            Ok(Some((found, bytes))) => return if found == kind { Ok(bytes) } else { Err(wrong()) },
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(too_large()),
            Err(source) => return Err(LedgerError::Io { path: self.work_git(), source }),
        }
        match self.reader.read(&oid, limit) {
            Ok(Some(object)) if object.kind == kind.as_str() => Ok(object.bytes),
            Ok(Some(_)) => Err(wrong()),
            Ok(None) => Err(missing(id)),
            Err(GitError::Io { source, .. }) if source.kind() == io::ErrorKind::FileTooLarge => Err(too_large()),
            Err(error) => Err(error.into()),
        }
    }

    fn remember(&self, tree: TreeId, entries: Arc<Vec<TreeEntry>>) {
        let mut listings = lock(&self.listings);
        listings.retain(|(id, _)| *id != tree);
        listings.insert(0, (tree, entries));
        listings.truncate(LISTINGS_KEPT);
    }
}

fn missing(id: &str) -> LedgerError {
    LedgerError::Missing { id: id.to_owned() }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `<mode> <type> <id> <size>\t<path>`; a folder has an id worth knowing but is no entry.
fn parse_line(line: &[u8]) -> Option<(Option<TreeEntry>, Oid)> {
    let tab = line.iter().position(|&byte| byte == b'\t')?;
    let head = String::from_utf8_lossy(line.get(..tab)?).into_owned();
    let mut words = head.split_whitespace();
    let (mode, kind, id, size) = (words.next()?, words.next()?, Oid::parse(words.next()?)?, words.next()?);
    if kind == "tree" {
        return Some((None, id));
    }
    let size = size.parse().unwrap_or(0);
    let path = line.get(tab + 1..)?.to_owned();
    Some((Some(TreeEntry { path, mode: EntryMode::parse(mode)?, id, size }), id))
}

fn create(dir: &Path, format: ObjectFormat) -> io::Result<()> {
    state_dir::create_dir(dir)?;
    let _lock = state_dir::lock(&dir.join("lock"))?;
    if dir.join("ready").exists() {
        return Ok(());
    }
    for name in ["base.git", "work.git"] {
        create_git_dir(&dir.join(name), format)?;
    }
    let alternate = format!("{}\n", dir.join("base.git/objects").display());
    state_dir::write_durably(&dir.join("work.git/objects/info/alternates"), alternate.as_bytes())?;
    state_dir::write_durably(&dir.join("fetch.config"), FETCH_CONFIG.as_bytes())?;
    state_dir::write_durably(&dir.join("ready"), b"1\n")
}

/// What `git init --bare` would make, without templates and with our configuration.
pub(crate) fn create_git_dir(dir: &Path, format: ObjectFormat) -> io::Result<()> {
    for folder in ["objects/info", "objects/pack", "refs/heads", "refs/errand", "info"] {
        state_dir::create_dir(&dir.join(folder))?;
    }
    let config = match format {
        ObjectFormat::Sha1 => "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
        ObjectFormat::Sha256 => {
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
        }
    };
    for (name, text) in [("config", config), ("info/attributes", ATTRIBUTES), ("HEAD", "ref: refs/heads/none\n")] {
        state_dir::write_durably(&dir.join(name), text.as_bytes())?;
    }
    Ok(())
}
