//! What all workers of a daemon share: the journal, the model client, prices, keys, ledgers, and the lines watchers see.

use crate::credentials::Credentials;
use crate::progress::Progress;
use crate::refusal::Refusal;
use crate::repository_files::RepositoryFiles;
use crate::secrets::Secrets;
use crate::supervisor::Start;
use errand_journal::Store;
use errand_model::client::Client;
use errand_model::prices::Prices;
use errand_task::facts::Source as SourceFacts;
use errand_task::id::TaskId;
use errand_workspace::dirty;
use errand_workspace::git::Git;
use errand_workspace::ledger::Ledger;
use errand_workspace::objects::ObjectFormat;
use errand_workspace::sandbox::Sandbox;
use errand_workspace::source::Source;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

/// Uncommitted changes that are named to the person.
const UNCOMMITTED_NAMED: usize = 5;

/// Where the person's own git settings are.
#[derive(Clone, Debug)]
pub struct Person {
    pub home: PathBuf,
    /// `~/.config`, or what they put in its place.
    pub config_home: PathBuf,
}

/// What the supervisor works with.
pub struct Config {
    /// errand's state directory, which exists.
    pub home: PathBuf,
    pub store: Arc<dyn Store>,
    pub git: Git,
    pub sandbox: Arc<Sandbox>,
    pub client: Client,
    pub prices: Prices,
    /// Where the daemon's log learns what it must not say.
    pub secrets: Secrets,
    pub person: Option<Person>,
    /// What a task's workspace may take of the disk before no command starts in it.
    pub max_workspace_bytes: u64,
    /// Version of errand, for the journal.
    pub version: String,
}

/// What all workers share.
pub struct Shared {
    pub home: PathBuf,
    pub store: Arc<dyn Store>,
    pub git: Git,
    pub sandbox: Arc<Sandbox>,
    pub client: Client,
    pub prices: Prices,
    pub credentials: Credentials,
    pub secrets: Secrets,
    person: Option<Person>,
    pub max_workspace_bytes: u64,
    /// Version of errand, for the journal.
    pub version: String,
    ledgers: Mutex<HashMap<String, Arc<Ledger>>>,
    progress: Mutex<HashMap<TaskId, Progress>>,
    /// By probe; `None` where the tool is not there.
    pub tool_versions: tokio::sync::Mutex<HashMap<&'static str, Option<String>>>,
    pub is_draining: AtomicBool,
}

impl Shared {
    pub fn new(config: Config) -> io::Result<Self> {
        Ok(Self {
            credentials: Credentials::open(&config.home, config.secrets.clone())?,
            secrets: config.secrets,
            person: config.person,
            max_workspace_bytes: config.max_workspace_bytes,
            home: config.home,
            store: config.store,
            git: config.git,
            sandbox: config.sandbox,
            client: config.client,
            prices: config.prices,
            version: config.version,
            ledgers: Mutex::default(),
            progress: Mutex::default(),
            tool_versions: tokio::sync::Mutex::default(),
            is_draining: AtomicBool::new(false),
        })
    }

    /// The line watchers of the task see.
    pub fn progress(&self, task: &TaskId) -> Progress {
        let mut all = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(task.clone()).or_insert_with(|| Progress::new(self.secrets.clone())).clone()
    }

    pub fn forget_progress(&self, task: &TaskId) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).remove(task);
    }

    /// The ledger of a task's repository, with the base in it.
    pub fn ledger_of_task(&self, facts: &SourceFacts) -> Result<Arc<Ledger>, String> {
        let known = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner).get(&facts.repository).cloned();
        if let Some(ledger) = known
            && ledger.tree_of(&facts.base_commit).is_ok()
        {
            return Ok(ledger);
        }
        let checkout = Path::new(&facts.repository);
        let source = match Source::open(&self.git, checkout) {
            Ok(source) => source,
            // A repository that is gone or moved: what the ledger holds of it is still there.
            Err(error) => {
                let format = ObjectFormat::of_hex(facts.base_commit.as_str()).ok_or_else(|| error.to_string())?;
                let ledger = Ledger::open(&self.git, &self.home, checkout, format);
                let whole = ledger.filter(|ledger| ledger.tree_of(&facts.base_commit).is_ok());
                return whole.map(Arc::new).ok_or_else(|| error.to_string());
            }
        };
        let ledger = self.ledger(&source)?;
        ledger.bring_base(&source, &facts.base_commit).map_err(|error| error.to_string())?;
        Ok(ledger)
    }

    /// One ledger per repository for the life of the daemon: it caches.
    fn ledger(&self, source: &Source) -> Result<Arc<Ledger>, String> {
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = ledgers.get(&source.repository()) {
            return Ok(Arc::clone(ledger));
        }
        let opened = Ledger::open_or_create(&self.git, &self.home, source).map_err(|error| error.to_string())?;
        let ledger = Arc::new(opened);
        ledgers.insert(source.repository(), Arc::clone(&ledger));
        Ok(ledger)
    }

    /// Finds the repository, brings the base into the ledger, names what the task will not see.
    pub fn source_facts(&self, directory: &Path, start: &Start) -> Result<(SourceFacts, Vec<String>), Refusal> {
        let source = Source::open(&self.git, directory).map_err(Refusal::from)?;
        let revision = match start {
            Start::Revision(revision) => revision,
            Start::Head | Start::Checkout => "HEAD",
        };
        let base = source.resolve(revision).map_err(Refusal::from)?;
        let excludes =
            self.person.as_ref().map(|person| dirty::excludes_of(&self.git, &person.home, &person.config_home));
        let ledger = self.ledger(&source).map_err(Refusal::internal)?;
        ledger.bring_base(&source, &base.commit).map_err(Refusal::internal)?;
        let facts = |base_commit, n_uncommitted, dirty| SourceFacts {
            repository: source.repository(),
            base_commit,
            base_name: base.name.clone(),
            n_uncommitted,
            dirty,
        };
        if *start == Start::Checkout {
            let at = crate::clock::now_ms() / 1_000;
            let (commit, dirty) = dirty::take(&ledger, &source, &base.commit, excludes.as_deref(), at)?;
            return Ok((facts(commit, 0, Some(dirty)), Vec::new()));
        }
        let uncommitted = source.uncommitted(&ledger, &base.commit, excludes.as_deref()).map_err(Refusal::internal)?;
        let first = uncommitted.paths.into_iter().take(UNCOMMITTED_NAMED).collect();
        Ok((facts(base.commit.clone(), uncommitted.n, None), first))
    }

    /// What the base's own files ask for.
    pub fn repository_files(&self, facts: &SourceFacts) -> Result<RepositoryFiles, Refusal> {
        let ledger = self.ledger_of_task(facts).map_err(Refusal::internal)?;
        let tree = ledger.tree_of(&facts.base_commit).map_err(Refusal::internal)?;
        RepositoryFiles::of(&ledger, &tree).map_err(Refusal::internal)
    }
}
