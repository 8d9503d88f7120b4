//! Reads objects through one long-lived `git cat-file` per ledger: a start costs more than a hundred answers.
//!
//! The process starts at the first question and starts again when it has died; it ends when its input closes.

use crate::git::{Git, GitError};
use crate::limits::SIZES_AT_ONCE;
use crate::objects::Oid;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError};

const WHAT: &str = "cat-file";

#[derive(Debug)]
pub(crate) struct Reader {
    git: Git,
    git_dir: PathBuf,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// One object as git hands it out.
pub(crate) struct Object {
    pub kind: String,
    pub bytes: Vec<u8>,
}

impl Reader {
    pub fn new(git: Git, git_dir: PathBuf) -> Self {
        Self { git, git_dir, process: Mutex::default() }
    }

    /// The object, `None` when there is none of that id.
    pub fn read(&self, id: &Oid, limit: u64) -> Result<Option<Object>, GitError> {
        self.ask(|process| process.read(id, limit))
    }

    /// The sizes of objects in the order of `ids`, 0 for one that is missing.
    pub fn sizes(&self, ids: &[Oid]) -> Result<Vec<u64>, GitError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(|process| process.sizes(ids))
    }

    fn ask<T>(&self, question: impl Fn(&mut Process) -> io::Result<T>) -> Result<T, GitError> {
        let mut slot = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let mut process = match slot.take() {
            Some(process) => process,
            None => Process::start(&self.git, &self.git_dir)?,
        };
        let mut answer = question(&mut process);
        if answer.is_err() {
            // It may have died since the last question; a fresh one is asked once.
            process = Process::start(&self.git, &self.git_dir)?;
            answer = question(&mut process);
        }
        if answer.is_ok() {
            *slot = Some(process);
        }
        answer.map_err(|source| GitError::Io { what: WHAT, source })
    }
}

impl Process {
    fn start(git: &Git, git_dir: &Path) -> Result<Self, GitError> {
        let mut call = git.call(WHAT, git_dir).args(["cat-file", "--batch-command"]);
        call.command.stdin(Stdio::piped()).stderr(Stdio::null());
        let io = |source| GitError::Io { what: WHAT, source };
        let mut child = call.command.spawn().map_err(io)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Self { child, input, output: BufReader::new(output) }),
            (_, _) => Err(io(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn read(&mut self, id: &Oid, limit: u64) -> io::Result<Option<Object>> {
        self.input.write_all(format!("contents {id}\n").as_bytes())?;
        let Some((kind, size)) = read_header(&mut self.output)? else { return Ok(None) };
        if size > limit {
            // The rest of the answer would have to be read to ask on; starting again is simpler and rare.
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        self.output.read_exact(&mut bytes)?;
        self.output.read_exact(&mut [0])?;
        Ok(Some(Object { kind, bytes }))
    }

    fn sizes(&mut self, ids: &[Oid]) -> io::Result<Vec<u64>> {
        let mut sizes = Vec::with_capacity(ids.len());
        for ids in ids.chunks(SIZES_AT_ONCE) {
            let questions: String = ids.iter().map(|id| format!("info {id}\n")).collect();
            self.input.write_all(questions.as_bytes())?;
            for _ in ids {
                sizes.push(read_header(&mut self.output)?.map_or(0, |(_, size)| size));
            }
        }
        Ok(sizes)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It only reads; there is nothing to finish.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `<id> <kind> <size>`, or `None` for `<id> missing`.
fn read_header(output: &mut impl io::BufRead) -> io::Result<Option<(String, u64)>> {
    let mut line = String::new();
    output.take(256).read_line(&mut line)?;
    let mut words = line.split_whitespace().skip(1);
    match (words.next(), words.next()) {
        (Some("missing"), None) => Ok(None),
        (Some(kind), Some(size)) => {
            let size = size.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            Ok(Some((kind.to_owned(), size)))
        }
        (_, _) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Hands each object to `take` in the order of `ids`, streamed, through a process of its own.
pub(crate) fn read_many<E: From<GitError>>(
    git: &Git,
    git_dir: &Path,
    ids: &[Oid],
    mut take: impl FnMut(usize, u64, &mut dyn io::Read) -> Result<(), E>,
) -> Result<(), E> {
    if ids.is_empty() {
        return Ok(());
    }
    let failed = |source| E::from(GitError::Io { what: WHAT, source });
    let mut call = git.call(WHAT, git_dir).args(["cat-file", "--batch", "--buffer"]);
    call.command.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = call.command.spawn().map_err(failed)?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed(io::ErrorKind::BrokenPipe.into()));
    };
    let mut output = BufReader::with_capacity(1 << 16, output);
    let result = std::thread::scope(|scope| {
        scope.spawn(move || {
            let questions = ids.iter().fold(String::new(), |text, id| text + &id.to_string() + "\n");
            // When git dies early, the reading side reports it.
            let _ = input.write_all(questions.as_bytes());
        });
        let mut answers = || {
            for (position, id) in ids.iter().enumerate() {
                let missing = || io::Error::new(io::ErrorKind::NotFound, format!("object {id} is missing"));
                let (_, size) = read_header(&mut output).and_then(|found| found.ok_or_else(missing)).map_err(failed)?;
                let mut body = (&mut output).take(size);
                take(position, size, &mut body)?;
                io::copy(&mut body, &mut io::sink()).map_err(failed)?;
                output.read_exact(&mut [0]).map_err(failed)?;
            }
            Ok(())
        };
        let result = answers();
        if result.is_err() {
            // Closes its end, so that the asking thread does not wait for ever.
            let _ = child.kill();
        }
        result
    });
    // All answers are in; its exit says nothing more.
    let _ = child.wait();
    result
}
