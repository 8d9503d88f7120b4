//! Cache marks: how many, in which order of lifetimes, and where the automatic one may land. Blocks that cannot carry a
//! mark refuse the field in `blocks.rs`; what the marks do is in `cache.rs`.

use serde_json::Value;

use crate::cache;
use crate::prompt::{Prompt, Ttl, array};
use crate::refusal::{Checked, Refusal};

const N_MARKS_MAX: usize = 4;

pub(super) fn check_marks(body: &Value, prompt: &Prompt) -> Checked {
    let mut n_marks = n_explicit(body);
    if let (Some(ttl), Some(at)) = (cache::automatic(body), cache::last_cacheable(prompt)) {
        match prompt.positions[at].mark {
            Some(other) if other != ttl => {
                return Err(Refusal::invalid(format!(
                    "cache_control: {} already has a cache_control with another ttl",
                    prompt.positions[at].path
                )));
            }
            Some(_) => {}
            None => n_marks += 1,
        }
    }
    if n_marks > N_MARKS_MAX {
        return Err(Refusal::invalid(format!(
            "A maximum of {N_MARKS_MAX} blocks with cache_control may be provided. Found {n_marks}."
        )));
    }
    let marks = cache::marks(prompt, body);
    let late = marks.windows(2).find(|pair| pair[0].1 == Ttl::FiveMinutes && pair[1].1 == Ttl::OneHour);
    match late {
        None => Ok(()),
        Some(pair) => Err(Refusal::invalid(format!(
            "{}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block",
            prompt.positions[pair[1].0].path
        ))),
    }
}

/// Every mark counts, also the ones on blocks inside tool results.
fn n_explicit(body: &Value) -> usize {
    let outer = array(&body["tools"]).iter().chain(array(&body["system"]));
    let messages = array(&body["messages"]).iter().flat_map(|message| array(&message["content"]));
    let all = outer.chain(messages).flat_map(|block| std::iter::once(block).chain(inner(block)));
    all.filter(|block| block.get("cache_control").is_some_and(|mark| !mark.is_null())).count()
}

fn inner(block: &Value) -> &[Value] {
    if block["type"] == "tool_result" { array(&block["content"]) } else { &[] }
}
