//! The prompt cache, simulated: which prefixes an earlier request wrote, and what a request reads, writes and pays.
//!
//! A breakpoint writes one entry, the prefix up to it. Reading starts at each breakpoint and looks back 20 positions.
//! Planning and committing are two steps because an entry becomes usable only when the writing response begins and
//! because a request that fails writes nothing. The clock is passed in, so tests can move it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::models::Model;
use crate::prompt::{Prompt, Section, Ttl};
use crate::seal::Hash;

const LOOK_BACK: usize = 20;

#[derive(Debug, Clone, Copy)]
struct Entry {
    ttl: Ttl,
    expires_at: SystemTime,
}

#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: HashMap<Hash, Entry>,
}

/// The input side of `usage`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct InputUsage {
    pub uncached: u64,
    pub read: u64,
    pub written_5m: u64,
    pub written_1h: u64,
}

#[derive(Debug)]
pub(crate) struct Plan {
    pub usage: InputUsage,
    entries: Vec<(Hash, Ttl)>,
    started_at: SystemTime,
}

/// What of a request, besides the prompt itself, decides which entries it can share.
pub(crate) struct Scope<'a> {
    pub key: &'a str,
    pub model: &'a Model,
    pub body: &'a Value,
}

impl Cache {
    pub fn plan(&self, prompt: &Prompt, marks: &[(usize, Ttl)], scope: &Scope, now: SystemTime) -> Plan {
        let upto = tokens_upto(prompt, scope.model);
        let hashes = entry_hashes(prompt, scope);
        let alive = |hash: &Hash| self.entries.get(hash).filter(|entry| entry.expires_at > now);
        let long_enough = |at: usize| upto[at] >= scope.model.cache_min_tokens;

        let hit = marks
            .iter()
            .flat_map(|(at, _)| (at.saturating_sub(LOOK_BACK - 1)..=*at).rev())
            .filter(|at| long_enough(*at))
            .filter_map(|at| alive(&hashes[at]).map(|entry| (at, entry.ttl)))
            .max_by_key(|(at, _)| *at);
        let read = hit.map_or(0, |(at, _)| upto[at]);
        let written: Vec<(usize, Ttl)> = marks
            .iter()
            .copied()
            .filter(|(at, _)| long_enough(*at) && hit.is_none_or(|(hit_at, _)| *at > hit_at))
            .collect();
        let end_of = |ttl: Option<Ttl>| {
            let last = written.iter().filter(|(_, of)| ttl.is_none_or(|ttl| *of == ttl)).map(|(at, _)| upto[*at]).max();
            last.unwrap_or(read)
        };
        let (end_1h, end) = (end_of(Some(Ttl::OneHour)), end_of(None));
        let total = upto.last().copied().unwrap_or(0);
        let renewed = hit.into_iter().map(|(at, ttl)| (hashes[at], ttl));
        Plan {
            usage: InputUsage { uncached: total - end, read, written_5m: end - end_1h, written_1h: end_1h - read },
            entries: renewed.chain(written.iter().map(|(at, ttl)| (hashes[*at], *ttl))).collect(),
            started_at: now,
        }
    }

    pub fn commit(&mut self, plan: &Plan) {
        for (hash, ttl) in &plan.entries {
            let lifetime = Duration::from_secs(match ttl {
                Ttl::FiveMinutes => 300,
                Ttl::OneHour => 3600,
            });
            self.entries.insert(*hash, Entry { ttl: *ttl, expires_at: plan.started_at + lifetime });
        }
    }
}

/// The marked positions, in prompt order, with the automatic one where the request asks for it.
pub(crate) fn marks(prompt: &Prompt, body: &Value) -> Vec<(usize, Ttl)> {
    let mut marks: Vec<(usize, Ttl)> =
        prompt.positions.iter().enumerate().filter_map(|(at, p)| p.mark.map(|ttl| (at, ttl))).collect();
    if let (Some(ttl), Some(at)) = (automatic(body), last_cacheable(prompt))
        && !marks.iter().any(|(marked, _)| *marked == at)
    {
        marks.push((at, ttl));
    }
    marks
}

pub(crate) fn automatic(body: &Value) -> Option<Ttl> {
    body.get("cache_control").filter(|mark| !mark.is_null()).map(Ttl::of_mark)
}

/// Where the automatic breakpoint lands: thinking cannot carry one, so it walks back.
pub(crate) fn last_cacheable(prompt: &Prompt) -> Option<usize> {
    prompt.positions.iter().rposition(|position| !["thinking", "redacted_thinking"].contains(&position.kind.as_str()))
}

impl Plan {
    /// For trying an answer out: nothing read, nothing written.
    pub fn nothing() -> Plan {
        Plan { usage: InputUsage::default(), entries: Vec::new(), started_at: SystemTime::UNIX_EPOCH }
    }
}

impl InputUsage {
    pub fn to_json(self) -> Value {
        json!({
            "input_tokens": self.uncached,
            "cache_creation_input_tokens": self.written_5m + self.written_1h,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.written_5m,
                "ephemeral_1h_input_tokens": self.written_1h,
            },
        })
    }
}

fn tokens_upto(prompt: &Prompt, model: &Model) -> Vec<u64> {
    let mut n_bytes = 0;
    let positions = prompt.positions.iter();
    positions
        .map(|position| {
            n_bytes += position.n_bytes;
            model.tokens(n_bytes)
        })
        .collect()
}

/// Tools are shared whatever else is asked; the system part depends on speed and output format, the messages also on
/// tool choice, thinking and effort, where saying the default is the same as saying nothing.
fn entry_hashes(prompt: &Prompt, scope: &Scope) -> Vec<Hash> {
    let body = scope.body;
    let effort = body["output_config"]["effort"].as_str().unwrap_or(scope.model.default_effort);
    let system = format!("{}{}", body["speed"], body["output_config"]["format"]);
    let messages = format!("{system}{}{}{effort}", body["tool_choice"], body["thinking"]);
    let positions = prompt.positions.iter();
    positions
        .map(|position| {
            let salt = match position.section {
                Section::Tools => "",
                Section::System => &system,
                Section::Message => &messages,
            };
            position.upto.then(&[scope.key.as_bytes(), scope.model.id.as_bytes(), salt.as_bytes()])
        })
        .collect()
}
