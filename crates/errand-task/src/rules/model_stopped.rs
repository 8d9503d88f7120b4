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
    let (text, max) = match state.idle.as_ref()? {
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
        Stop::MaxTokens => ("Your answer was cut at its length limit. Go on in smaller calls.", MAX_CUTS),
        Stop::EndTurn | Stop::ToolUse | Stop::Other { .. } => {
            ("You stopped without a tool call. Go on, or call finish: only finish ends the job.", MAX_NUDGES)
        }
    };
    if state.turn.n_nudges < max {
        return Some(Action::Record(vec![Event::Finish(FinishEvent::Nudged { text: text.to_owned() })]));
    }
    Some(ending::end(state, End::Completed { verdict: Verdict::Unverified }))
}
