//! The rules in the order they are asked. One file each; a new policy is a new file and a line here.

mod accept;
mod baseline;
mod borders_kept;
mod brief;
mod call_model;
mod call_tools;
mod checks_green;
mod cited_runs;
mod ending;
mod failures;
mod interrupted_request;
mod limits;
mod model_stopped;
mod prepare;
mod references_exist;
mod regression_proven;
mod report_complete;
mod resting;
mod rewind;
mod setup;
mod stop_requested;

use crate::action::Action;
use crate::state::State;

type Rule = fn(&State) -> Option<Action>;

pub const RULES: &[Rule] = &[
    resting::rule,
    interrupted_request::rule,
    stop_requested::rule,
    prepare::rule,
    rewind::rule,
    setup::rule,
    baseline::rule,
    brief::rule,
    call_tools::rule,
    report_complete::rule,
    borders_kept::rule,
    references_exist::rule,
    cited_runs::rule,
    checks_green::rule,
    regression_proven::rule,
    accept::rule,
    model_stopped::rule,
    failures::rule,
    limits::rule,
    call_model::rule,
];
