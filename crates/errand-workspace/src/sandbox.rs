//! The sandbox: everything the model or the repository chose runs behind three walls, or not at all.
//!
//! ```text
//! daemon ── launches ──▶ stand                                (builds a workspace's view once, and ends)
//!                        outer ──▶ init ──▶ command           (joins it; both are our own binary, executed again)
//!           or           bwrap ──▶ init ──▶ command           (where the kernel lets only bwrap make namespaces)
//! ```
//! The first wall is namespaces and a view that starts from an empty tmpfs and holds only what the plan lists: the view
//! stands for all commands of a workspace, and each has its own copy of it. Init is process 1 in there; it gives up every capability (second wall, with seccomp) and restricts itself
//! by Landlock (third wall), then starts the command and watches limits. One socket joins daemon and init: when it closes,
//! because the daemon ended or died, init kills everything and ends.
//!
//! Nothing here trusts that a wall stands because it was asked for: [`doors`] tries to get out from inside, and a sandbox
//! with an open door refuses commands. There is no way to run a command without it.

mod backend;
pub mod doors;
mod init;
mod landlocked;
mod outer;
mod pins;
pub mod plan;
mod seccomp;
mod stand;
mod sys;
mod system;
mod view;
mod wire;

pub use backend::{Backend, Sandbox, Standing, Walls};
pub(crate) use backend::{HISTORY, View};
pub(crate) use stand::Stand;
pub(crate) use wire::{Order, Told, encode, send_with};

use std::ffi::OsString;

/// The argument by which our own binary knows that it is executed again as the outer stage.
pub const OUTER: &str = "sandbox-outer";
/// As the stage that builds a view and ends.
pub const STAND: &str = "sandbox-stand";
/// As the outer stage that starts bwrap.
pub const OUTER_BWRAP: &str = "sandbox-outer-bwrap";
/// As init inside bwrap.
pub const INIT: &str = "sandbox-init";
/// As the program that tries the doors from inside.
pub const DOORS: &str = "sandbox-doors";

/// Call this first in `main`: when the process was started as a stage of the sandbox it does that and never returns.
/// It must come before any thread is started.
pub fn enter(arguments: impl IntoIterator<Item = OsString>) {
    let mut arguments = arguments.into_iter().skip(1);
    let Some(stage) = arguments.next() else { return };
    let code = match stage.to_str() {
        Some(OUTER) => outer::run(),
        Some(STAND) => stand::run(),
        Some(OUTER_BWRAP) => outer::run_bwrap(arguments),
        Some(INIT) => init::run_in_bwrap(),
        Some(DOORS) => doors::try_all(arguments.next()),
        _ => return,
    };
    std::process::exit(code);
}
