//! How much of the disk a task's workspace may take. One command cannot fill the disk, but many could.
//!
//! It is measured before a command, and while there was room, not again within a minute.

use errand_workspace::disk::Meter;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const LOOK_LASTS: Duration = Duration::from_secs(60);

pub struct Room {
    max_bytes: u64,
    /// When there was room.
    seen: Mutex<Option<Instant>>,
}

impl Room {
    pub fn of(max_bytes: u64) -> Self {
        Self { max_bytes, seen: Mutex::default() }
    }

    /// Why no command may start, for the model. Blocks.
    pub(crate) fn refusal(&self, workspace: &Path) -> Option<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_some_and(|at| at.elapsed() < LOOK_LASTS) {
            return None;
        }
        let n_bytes = Meter::default().used(workspace);
        let has_room = n_bytes <= self.max_bytes;
        *seen = has_room.then(Instant::now);
        (!has_room).then(|| {
            format!(
                "not run: the workspace with HOME and /tmp takes {} MiB of the disk, and a task may take {} MiB; delete what \
                 is not needed, by a command that is `rm` and paths alone",
                n_bytes >> 20,
                self.max_bytes >> 20
            )
        })
    }
}

/// Whether a command deletes and can do nothing else: the only kind that still starts when there is no room.
pub(crate) fn only_deletes(command: &str) -> bool {
    let starts_anything = |text: &str| text.contains([';', '&', '|', '<', '>', '$', '`', '(', ')', '\n', '\r']);
    command.split_whitespace().next() == Some("rm") && !starts_anything(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rm_alone_deletes_and_nothing_else() {
        for command in ["rm -rf target", " rm a 'b c' *.o", "rm -r -- -x"] {
            assert!(only_deletes(command), "{command}");
        }
        for command in [
            "",
            "rmdir x",
            "/tmp/rm x",
            "cargo clean",
            "rm x; make",
            "rm x && make",
            "rm x\nmake",
            "rm x | tee y",
            "rm $(make)",
            "rm `make`",
            "rm x > y",
            "rm <(make)",
            "A=1 rm x",
        ] {
            assert!(!only_deletes(command), "{command}");
        }
    }
}
