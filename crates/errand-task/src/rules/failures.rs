//! After a failed request: wait and try again while there is hope, park when a person must act, end when it is refused.

use super::ending;
use crate::action::Action;
use crate::event::{Event, TaskEvent};
use crate::facts::FailureKind;
use crate::state::State;
use crate::verdict::End;

const MAX_ATTEMPTS: usize = 10;
/// All waiting for one step together, in milliseconds.
const MAX_WAITING_MS: i64 = 15 * 60 * 1000;
const FIRST_WAIT_MS: u64 = 500;
const LONGEST_WAIT_MS: u64 = 60 * 1000;
/// A longer `retry-after` than this is not waited for.
const LONGEST_RETRY_AFTER_MS: u64 = 5 * 60 * 1000;

pub fn rule(state: &State) -> Option<Action> {
    let (first, last) = (state.failures.first()?, state.failures.last()?);
    let failure = &last.failure;
    match failure.kind {
        FailureKind::NeedsPerson => Some(park(&failure.text, &format!("mend that, then: errand resume {}", state.id))),
        FailureKind::Refused => Some(ending::end(state, End::ModelFailed { text: failure.text.clone() })),
        FailureKind::Passing => {
            let is_hopeless = state.failures.len() >= MAX_ATTEMPTS
                || last.at_ms - first.at_ms > MAX_WAITING_MS
                || failure.retry_after_ms.is_some_and(|wait| wait > LONGEST_RETRY_AFTER_MS);
            if is_hopeless {
                let text = match state.failures.len() {
                    1 => format!("the model did not answer: {}", failure.text),
                    n => format!("the model did not answer in {n} attempts: {}", failure.text),
                };
                return Some(park(&text, &format!("look at the endpoint, then: errand resume {}", state.id)));
            }
            let at_ms = last.at_ms.saturating_add_unsigned(wait_ms(state, failure.retry_after_ms));
            (state.now_ms < at_ms).then_some(Action::WaitUntil { at_ms })
        }
    }
}

fn park(text: &str, hint: &str) -> Action {
    Action::Record(vec![Event::Task(TaskEvent::Parked { text: text.to_owned(), hint: hint.to_owned() })])
}

/// Doubles from half a second to a minute, the upper half of it spread by the event's number so that many tasks do not
/// come back together; never earlier than the endpoint asked for.
fn wait_ms(state: &State, retry_after_ms: Option<u64>) -> u64 {
    let n_before = state.failures.len().saturating_sub(1).min(16) as u32;
    let ceiling = FIRST_WAIT_MS.saturating_mul(1 << n_before).min(LONGEST_WAIT_MS);
    let seed = crate::id::Digest::of(format!("{}/{}", state.id, state.seq).as_bytes());
    let spread = u64::from_str_radix(seed.as_str().get(..8).unwrap_or("0"), 16).unwrap_or(0) % (ceiling / 2 + 1);
    (ceiling / 2 + spread).max(retry_after_ms.unwrap_or(0))
}
