//! The model stopped without a tool call: it is told once, then the turn ends as unverified. A refusal ends it at once.

use super::ending;
use crate::action::Action;
use crate::event::{Event, FinishEvent};
use crate::facts::Stop;
use crate::state::State;
use crate::verdict::{End, Verdict};

/// How often a turn is nudged before it ends.
const MAX_NUDGES: u32 = 1;
/// A cut answer is a mishap, not an end: it may happen more often.
const MAX_CUTS: u32 = 3;

pub fn rule(state: &State) -> Option<Action> {
    let turn = &state.turn;
    let (text, n_told, max) = match state.idle.as_ref()? {
        Stop::Paused => return None,
        Stop::Refusal { category } => {
            let category = category.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
            let text = format!("the model refused to go on{category}; reword the goal or choose another model");
            return Some(ending::end(state, End::ModelFailed { text }));
        }
        Stop::ContextFull => {
            let text = "the model's context is full; hand the rest off as a smaller job".to_owned();
            return Some(ending::end(state, End::ModelFailed { text }));
        }
        Stop::MaxTokens => ("Your answer was cut at its length limit. Go on in smaller calls.", turn.n_cuts, MAX_CUTS),
        Stop::EndTurn | Stop::ToolUse | Stop::Other { .. } => {
            let text = "You stopped without a tool call. Go on, or call finish: only finish ends the job.";
            (text, turn.n_nudges, MAX_NUDGES)
        }
    };
    if n_told < max {
        return Some(Action::Record(vec![Event::Finish(FinishEvent::Nudged { text: text.to_owned() })]));
    }
    // Nobody claims anything, but what is there may cross borders.
    let verdict = ending::worst(state.result.as_ref(), Verdict::Unverified);
    Some(ending::end(state, End::Completed { verdict }))
}
