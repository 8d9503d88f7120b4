//! What daemon and init say to each other over their one socket.
//!
//! The daemon sends the plan (length, then JSON), later a byte an order. Init answers with one JSON value a line. The
//! socket's end is an answer too: the other side is gone.

use super::plan::SandboxPlan;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Largest plan, in bytes.
const PLAN_BYTES: u32 = 1 << 20;

/// What the daemon asks of a running sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Ask every process to end.
    Terminate = b't' as isize,
    /// Kill every process.
    Kill = b'k' as isize,
}

impl Order {
    pub(crate) fn byte(self) -> u8 {
        self as u8
    }

    pub(super) fn of(byte: u8) -> Option<Self> {
        [Self::Terminate, Self::Kill].into_iter().find(|order| order.byte() == byte)
    }
}

/// What init tells the daemon; nothing follows the last three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    /// The command runs, behind these walls.
    Started {
        has_landlock: bool,
    },
    /// A wall could not be built, or the command could not be started.
    Refused {
        why: String,
    },
    /// It was ended because it went over the limit of this name.
    OverLimit {
        limit: String,
    },
    Exited {
        code: i32,
    },
    Killed {
        signal: i32,
    },
}

pub(crate) fn encode_plan(plan: &SandboxPlan) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(plan)?;
    let length = u32::try_from(json.len()).ok().filter(|&length| length <= PLAN_BYTES);
    let length = length.ok_or_else(|| io::Error::other("the command is too long"))?;
    Ok([length.to_le_bytes().as_slice(), &json].concat())
}

pub(super) fn read_plan(from: &mut impl Read) -> io::Result<SandboxPlan> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > PLAN_BYTES {
        return Err(io::Error::other("a plan of that length is none"));
    }
    let mut json = vec![0; length as usize];
    from.read_exact(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

pub(super) fn tell(to: &mut impl Write, told: &Told) -> io::Result<()> {
    let mut line = serde_json::to_vec(told)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// A line of the doors' program, on its own standard output.
pub(super) fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}
