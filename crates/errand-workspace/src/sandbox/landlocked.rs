//! The third wall: Landlock over the places of the plan, for init and everything it starts.
//!
//! It holds even if the view were wrong: what is not listed cannot be read or written, and neither signals nor abstract
//! sockets reach beyond it.

use super::backend::WAYS;
use super::doors::UNLISTED;
use super::plan::{SandboxPlan, What};
use super::view::{DEVICES, SHM};
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use std::path::Path;
use thiserror::Error;

/// The newest set of rights that is known here; an older kernel takes its part of them.
const NEWEST: ABI = ABI::V6;

#[derive(Debug, Error)]
pub(super) enum Unbuilt {
    #[error(transparent)]
    Rules(#[from] RulesetError),
    #[error(transparent)]
    Place(#[from] PathFdError),
}

/// Whether the kernel has Landlock and now enforces it. An error is a wall that could not be built.
pub(super) fn apply(plan: &SandboxPlan) -> Result<bool, Unbuilt> {
    let every = AccessFs::from_all(NEWEST);
    let read = AccessFs::from_read(NEWEST);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev | AccessFs::Truncate;
    let mut rules = Ruleset::default()
        .handle_access(every)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?
        // Names alone, so that the folders between the listed places can be looked at.
        .add_rule(PathBeneath::new(PathFd::new("/")?, AccessFs::ReadDir))?
        .add_rule(PathBeneath::new(PathFd::new("/proc")?, read))?;
    let mut allow = |at: &Path, access: BitFlags<AccessFs>| -> Result<(), Unbuilt> {
        // A place that is a file takes only the rights files have.
        let access = if at.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
        let rule = PathBeneath::new(PathFd::new(at)?, access);
        (&mut rules).add_rule(rule)?;
        Ok(())
    };
    // Without a way out of its own the command has nothing there.
    let is_listed = |at: &Path| at != Path::new(UNLISTED) && (plan.way.is_some() || at != Path::new(WAYS));
    for mount in plan.mounts.iter().filter(|mount| is_listed(&mount.at)) {
        match &mount.what {
            What::ReadOnly(_) => allow(&mount.at, read)?,
            What::Writable(_) | What::Cache { .. } | What::Layered { .. } => allow(&mount.at, every)?,
            What::Link(_) => {}
        }
    }
    allow(Path::new(SHM), every)?;
    for name in DEVICES {
        allow(&Path::new("/dev").join(name), device)?;
    }
    let status = rules.restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}
