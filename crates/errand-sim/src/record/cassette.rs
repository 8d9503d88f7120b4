//! Recorded answers as scripts on disk: one file per conversation, appended to answer by answer. A file is never
//! rewritten and an existing one never continued by a later run.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use crate::prompt::{array, blocks, canonical};
use crate::script::escape_for_cassette;
use crate::seal::Hash;
use crate::server::Asked;

#[derive(Debug)]
pub(super) struct Cassettes {
    out: PathBuf,
    by_conversation: HashMap<Hash, Cassette>,
}

#[derive(Debug)]
struct Cassette {
    file: File,
    last_number: usize,
}

impl Cassettes {
    pub fn new(out: PathBuf) -> Cassettes {
        Cassettes { out, by_conversation: HashMap::new() }
    }

    /// A step that does not follow the last one of its conversation opens a new file.
    pub fn append(&mut self, asked: &Asked, number: usize, answer: &str) -> io::Result<()> {
        let conversation = conversation(asked);
        let follows = |cassette: &Cassette| (cassette.last_number..=cassette.last_number + 1).contains(&number);
        if !self.by_conversation.get(&conversation).is_some_and(follows) {
            let file = self.create(&asked.label)?;
            self.by_conversation.insert(conversation, Cassette { file, last_number: number });
        }
        let Some(cassette) = self.by_conversation.get_mut(&conversation) else { return Ok(()) };
        cassette.last_number = number;
        let step = format!("=== {number}\n{}", escape_for_cassette(answer));
        cassette.file.write_all(step.as_bytes())?;
        cassette.file.flush()
    }

    fn create(&self, label: &str) -> io::Result<File> {
        let plain: String =
            label.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let names = std::iter::once(plain.clone()).chain((2..).map(|number| format!("{plain}-{number}")));
        for name in names {
            let path = self.out.join(format!("{name}.script"));
            match OpenOptions::new().append(true).create_new(true).open(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other,
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// What stays the same while a conversation grows: its label and its first block.
fn conversation(asked: &Asked) -> Hash {
    let first = array(&asked.request.body["messages"]).first().map(|message| blocks(&message["content"]));
    let first = first.and_then(|blocks| blocks.first().map(canonical)).unwrap_or_default();
    Hash::of(&[asked.label.as_bytes(), first.to_string().as_bytes()])
}
