//! Runs a program as if the kernel, or its policy, did not have one of the walls: `without WALL PROGRAM ARGUMENTS…`. For
//! tests of what errand does then; needs no privilege.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

const PR_SET_SECCOMP: u32 = libc::PR_SET_SECCOMP.unsigned_abs();

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What calls are met, and what they answer then.
type Missing = (Rules, i32);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = "without user-namespaces|landlock|seccomp|mount-calls PROGRAM ARGUMENTS…";
    let (Some(wall), Some(program)) = (arguments.next(), arguments.next()) else { return Err(usage.into()) };
    let missing: Vec<Missing> = match wall.to_str() {
        Some("user-namespaces") => vec![
            (when(&[libc::SYS_clone, libc::SYS_unshare], 0, &with_bit(libc::CLONE_NEWUSER))?, libc::EPERM),
            // Its flags are in memory, where no filter can look; without it the older call is used.
            (always(&[libc::SYS_clone3]), libc::ENOSYS),
        ],
        Some("landlock") => {
            let calls =
                [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self];
            vec![(always(&calls), libc::ENOSYS)]
        }
        Some("seccomp") => {
            let mut rules = when(&[libc::SYS_prctl], 0, &(SeccompCmpOp::Eq, u64::from(PR_SET_SECCOMP)))?;
            rules.extend(always(&[libc::SYS_seccomp]));
            vec![(rules, libc::EINVAL)]
        }
        // What the own backend builds its view with and bwrap does not.
        Some("mount-calls") => vec![(always(&[libc::SYS_fsopen, libc::SYS_open_tree]), libc::ENOSYS)],
        _ => return Err(usage.into()),
    };
    for filter in missing {
        seccompiler::apply_filter(&compiled(filter)?)?;
    }
    Err(Command::new(program).args(arguments).exec().into())
}

fn compiled((rules, errno): Missing) -> Result<BpfProgram, Box<dyn Error>> {
    let (pass, answer) = (SeccompAction::Allow, SeccompAction::Errno(u32::try_from(errno)?));
    Ok(SeccompFilter::new(rules, pass, answer, std::env::consts::ARCH.try_into()?)?.try_into()?)
}

fn always(calls: &[libc::c_long]) -> Rules {
    calls.iter().map(|&call| (call, Vec::new())).collect()
}

fn with_bit(flag: libc::c_int) -> (SeccompCmpOp, u64) {
    let bit = u64::from(flag.unsigned_abs());
    (SeccompCmpOp::MaskedEq(bit), bit)
}

fn when(
    calls: &[libc::c_long],
    argument: u8,
    (operation, value): &(SeccompCmpOp, u64),
) -> Result<Rules, Box<dyn Error>> {
    let rule = || {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation.clone(), *value)?;
        Ok::<_, Box<dyn Error>>(vec![SeccompRule::new(vec![condition])?])
    };
    calls.iter().map(|&call| Ok((call, rule()?))).collect()
}
