//! A journal in a temporary folder and short ways to it: the one place of these tests that knows the API.

use errand_journal::sqlite::Sqlite;
use errand_journal::{Batch, Committed, LedgerRow, Store, StoreError};
use errand_task::contract::{Draft, Mode};
use errand_task::event::{Event, ModelEvent, PersonEvent, TaskEvent};
use errand_task::facts::{Endpoint, Source, Stop};
use errand_task::id::{CommitId, CredentialId, Digest, Seq, TaskId};
use errand_task::money::{Cost, Pico, PriceRow, Usage};
use errand_task::state::Record;
use errand_task::summary::Summary;
use errand_task::text::{Blob, Text};
use errand_task::verdict::Status;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a child process is to do, and where.
pub const CHILD: &str = "ERRAND_JOURNAL_TEST";

pub struct Rig {
    pub dir: tempfile::TempDir,
}

impl Rig {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("journal.db")
    }

    pub fn open(&self) -> Journal {
        Journal::open(&self.path()).unwrap()
    }

    /// A closed journal in which each of these tasks has so many events.
    pub fn with(tasks: &[(&str, u64)]) -> Self {
        let rig = Self::new();
        let journal = rig.open();
        for &(task, n_events) in tasks {
            for n in 0..n_events {
                journal.append(task, n, &[&format!("{task} says {}", n + 1)]).unwrap();
            }
        }
        journal.close();
        rig
    }

    /// The file without errand: for damage, and for looking at every row.
    pub fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    pub fn sql(&self, sql: &str) {
        self.raw().execute_batch(sql).unwrap();
    }

    /// Every row of every table.
    pub fn dump(&self) -> Vec<String> {
        let raw = self.raw();
        let mut rows = Vec::new();
        for table in ["events", "blobs", "tasks", "ledger"] {
            let mut statement = raw.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
            let n_columns = statement.column_count();
            let row = statement.query_map([], |row| {
                (0..n_columns).map(|n| Ok(format!("{:?}", row.get::<_, rusqlite::types::Value>(n)?))).collect()
            });
            let found: Vec<Vec<String>> = row.unwrap().map(|row| row.unwrap()).collect();
            rows.extend(found.into_iter().map(|row| format!("{table} {}", row.join(" "))));
        }
        rows
    }

    /// Every file of the folder with its bytes.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        };
        let mut files: Vec<_> = std::fs::read_dir(self.dir.path()).unwrap().map(read).collect();
        files.sort();
        files
    }

    /// The bytes of the database and of its log.
    pub fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let wal = self.dir.path().join("journal.db-wal");
        (std::fs::read(self.path()).unwrap(), std::fs::read(wal).unwrap_or_default())
    }

    /// A folder with these bytes as database and log.
    pub fn of_bytes(database: &[u8], log: &[u8]) -> Self {
        let rig = Self::new();
        std::fs::write(rig.path(), database).unwrap();
        std::fs::write(rig.dir.path().join("journal.db-wal"), log).unwrap();
        rig
    }
}

/// An open journal, asked from outside of async.
pub struct Journal {
    path: PathBuf,
    pub store: Sqlite,
    pub runtime: tokio::runtime::Runtime,
}

impl Journal {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Ok(Self { path: path.to_owned(), store: Sqlite::open(path)?, runtime })
    }

    /// Drops it and waits until its writer has let go of the file: the last to close it removes the log.
    pub fn close(self) {
        drop(self.store);
        let log = self.path.with_extension("db-wal");
        let begun = std::time::Instant::now();
        while log.exists() {
            assert!(begun.elapsed().as_secs() < 20, "the writer does not let go");
            std::thread::yield_now();
        }
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Appends answers of a person; told is what it became or the message of the error.
    pub fn append(&self, task: &str, expected: u64, texts: &[&str]) -> Result<Vec<Record>, String> {
        self.append_batch(task, expected, batch(task, texts.iter().map(|text| says(text)).collect()))
    }

    pub fn append_batch(&self, task: &str, expected: u64, batch: Batch) -> Result<Vec<Record>, String> {
        let appended = self.wait(self.store.append(&TaskId::new(task), Seq(expected), batch));
        appended.map_err(|error| error.to_string())
    }

    /// The sequence and text of every event after `after`.
    pub fn read(&self, task: &str, after: u64) -> Result<Vec<(u64, String)>, String> {
        let records = self.wait(self.store.records(&TaskId::new(task), Seq(after)));
        records.map(|records| records.iter().map(short).collect()).map_err(|error| error.to_string())
    }

    pub fn blob(&self, digest: &Digest) -> Result<Vec<u8>, String> {
        self.wait(self.store.blob(digest)).map_err(|error| error.to_string())
    }

    pub fn summaries(&self) -> Vec<Summary> {
        self.wait(self.store.summaries()).unwrap()
    }

    /// Id and note of every listed task.
    pub fn listed(&self) -> Vec<(String, String)> {
        self.summaries().into_iter().map(|line| (line.id.to_string(), line.note)).collect()
    }

    pub fn ledger(&self, task: Option<&str>) -> Vec<LedgerRow> {
        self.wait(self.store.ledger(task.map(TaskId::new).as_ref())).unwrap()
    }

    pub fn remove(&self, task: &str) -> Result<(), String> {
        self.wait(self.store.remove(&TaskId::new(task), 5)).map_err(|error| error.to_string())
    }

    pub fn restore(&self, task: &str) -> Result<(), String> {
        self.wait(self.store.restore(&TaskId::new(task))).map_err(|error| error.to_string())
    }

    /// Ids of the removed tasks, and when they were removed.
    pub fn removed(&self) -> Vec<(String, i64)> {
        let removed = self.wait(self.store.removed()).unwrap();
        removed.into_iter().map(|removed| (removed.summary.id.to_string(), removed.at_ms)).collect()
    }

    /// Notices that are waiting, as `task@head`.
    pub fn told(receiver: &mut tokio::sync::broadcast::Receiver<Committed>) -> Vec<String> {
        let next = || receiver.try_recv().ok();
        std::iter::from_fn(next).map(|notice| format!("{}@{}", notice.task, notice.head)).collect()
    }
}

fn short(record: &Record) -> (u64, String) {
    let text = match &record.event {
        Event::Person(PersonEvent::Replied { text }) => text.clone(),
        other => other.kind().to_owned(),
    };
    (record.seq.0, text)
}

pub fn says(text: &str) -> Event {
    Event::Person(PersonEvent::Replied { text: text.to_owned() })
}

pub fn submitted() -> Event {
    Event::Task(TaskEvent::Submitted {
        name: Some("login".to_owned()),
        contract: Box::new(Draft::default().complete("fix the login test").unwrap()),
        source: Source {
            repository: "/r".to_owned(),
            base_commit: CommitId::new("c"),
            base_name: "main".to_owned(),
            n_uncommitted: 0,
            dirty: None,
        },
        endpoint: Endpoint { base_url: "https://host".to_owned(), credential: CredentialId::new("k") },
        version: "0".to_owned(),
        notices: Vec::new(),
    })
}

/// A batch whose summary notes the last text; its time is 1000.
pub fn batch(task: &str, events: Vec<Event>) -> Batch {
    let note = match events.last() {
        Some(Event::Person(PersonEvent::Replied { text })) => text.clone(),
        Some(other) => other.kind().to_owned(),
        None => "nothing".to_owned(),
    };
    Batch { events, blobs: Vec::new(), summary: summary(task, &note), at_ms: 1_000 }
}

pub fn summary(task: &str, note: &str) -> Summary {
    Summary {
        id: TaskId::new(task),
        name: None,
        goal: "fix it".to_owned(),
        mode: Mode::Change,
        repository: "/r".to_owned(),
        status: Status::Working,
        verdict: None,
        exit_code: None,
        note: note.to_owned(),
        model: "sonnet".to_owned(),
        n_steps: 0,
        spent: Pico::ZERO,
        uncertain: Pico::ZERO,
        budget: Pico(1),
        n_files: 0,
        added: 0,
        removed: 0,
        is_applied: false,
        created_at_ms: 1_000,
        changed_at_ms: 1_000,
        ended_at_ms: None,
    }
}

pub fn blob(bytes: &[u8]) -> Blob {
    Blob { digest: Digest::of(bytes), bytes: bytes.to_vec() }
}

pub fn usage() -> Usage {
    Usage { input: 1, write_5m: 2, write_1h: 3, read: 4, output: 5, web_searches: 6 }
}

pub fn received(cost: Cost) -> Event {
    Event::Model(ModelEvent::Received {
        step: 1,
        message_id: "m".to_owned(),
        model: "sonnet".to_owned(),
        content: Text::inline("[]"),
        text: Text::inline(""),
        calls: Vec::new(),
        stop: Stop::EndTurn,
        usage: usage(),
        cost,
        duration_ms: 1,
    })
}

pub fn known(amount: i64) -> Cost {
    let price = Pico(1);
    let row = PriceRow {
        as_of: "2026-01-01".to_owned(),
        input: price,
        output: price,
        write_5m: price,
        write_1h: price,
        read: price,
        web_search: price,
    };
    Cost::Known { amount: Pico(amount), row }
}

pub fn interrupted(uncertain: i64) -> Event {
    Event::Model(ModelEvent::Interrupted { step: 1, attempt: 1, uncertain: Pico(uncertain) })
}

/// The job of this process, when it is the child of a test: its name and its place.
pub fn child() -> Option<(String, PathBuf)> {
    let job = std::env::var(CHILD).ok()?;
    let (name, place) = job.split_once('=').unwrap();
    Some((name.to_owned(), PathBuf::from(place)))
}

/// This test binary again, behind these shell words, with a job for the test `name`.
pub fn again(shell: &str, test: &str, job: &str, path: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    let script = format!("{shell} exec \"$0\" \"$@\"");
    command.arg("-c").arg(script).arg(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(CHILD, format!("{job}={}", path.display()));
    command
}
