//! What each model can do, as far as a request depends on it, and which name means which model.
//!
//! Source: the vendor's model pages and its SDK's list of 2026-11-20. Sampling, prefill and forced tool choice are not
//! in the table because errand never sends them: the newest models refuse all three.

use crate::endpoint;
use errand_task::facts::{ModelSettings, Thinking};
use thiserror::Error;

/// Room for one answer where the model allows it.
const MAX_TOKENS: u32 = 32_000;
/// The same for a model of which nothing is known, typically on a local server.
const MAX_TOKENS_UNKNOWN: u32 = 16_000;
/// Thinking tokens for the models that want a number.
const THINKING_BUDGET: u32 = 8_000;
const NAME_BYTES: usize = 200;
const N_SUGGESTIONS: usize = 3;

/// One model of the built-in table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// The id without a date.
    pub id: &'static str,
    pub context_tokens: u32,
    pub max_output_tokens: u32,
    /// A shorter prompt is silently not cached.
    pub cache_minimum_tokens: u32,
    pub thinking: ThinkingKind,
    /// What may be sent as effort; empty when the parameter does not exist.
    pub efforts: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkingKind {
    /// Adaptive without being asked.
    OnByDefault,
    /// Adaptive when asked.
    OnRequest,
    /// Only with a fixed number of tokens.
    Budget,
}

/// A name that means no model here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no model `{name}`")]
pub struct UnknownModel {
    pub name: String,
    /// The nearest names, best first.
    pub suggestions: Vec<String>,
}

/// An effort that the model does not take.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{model}` has no effort `{effort}`")]
pub struct UnknownEffort {
    pub model: String,
    pub effort: String,
    /// What it takes; empty when it takes none.
    pub efforts: Vec<String>,
}

const FULL: &[&str] = &["low", "medium", "high", "xhigh", "max"];
const NO_XHIGH: &[&str] = &["low", "medium", "high", "max"];
const UP_TO_HIGH: &[&str] = &["low", "medium", "high"];

/// Newest first; the first of a family is what its alias means.
#[rustfmt::skip]
pub const MODELS: &[Model] = &[
    large("claude-fable-5-2", 512, ThinkingKind::OnByDefault, FULL),
    large("claude-mythos-5-2", 512, ThinkingKind::OnByDefault, FULL),
    large("claude-haiku-5-5", 512, ThinkingKind::OnByDefault, FULL),
    large("claude-sonnet-5-5", 512, ThinkingKind::OnByDefault, FULL),
    large("claude-opus-5-5", 512, ThinkingKind::OnByDefault, FULL),
    large("claude-fable-5-1", 512, ThinkingKind::OnByDefault, FULL),
    large("claude-mythos-5-1", 512, ThinkingKind::OnByDefault, FULL),
    large("claude-opus-5", 512, ThinkingKind::OnByDefault, FULL),
    large("claude-sonnet-5", 1024, ThinkingKind::OnByDefault, FULL),
    large("claude-fable-5", 512, ThinkingKind::OnByDefault, FULL),
    large("claude-mythos-5", 512, ThinkingKind::OnByDefault, FULL),
    large("claude-opus-4-8", 1024, ThinkingKind::OnRequest, FULL),
    large("claude-opus-4-7", 2048, ThinkingKind::OnRequest, FULL),
    large("claude-mythos-preview", 2048, ThinkingKind::OnByDefault, UP_TO_HIGH),
    large("claude-opus-4-6", 4096, ThinkingKind::OnRequest, NO_XHIGH),
    large("claude-sonnet-4-6", 1024, ThinkingKind::OnRequest, NO_XHIGH),
    small("claude-haiku-4-5", 4096, &[]),
    small("claude-opus-4-5", 4096, UP_TO_HIGH),
    small("claude-sonnet-4-5", 1024, &[]),
];

const ALIASES: &[(&str, &str)] =
    &[("fable", "claude-fable-"), ("haiku", "claude-haiku-"), ("opus", "claude-opus-"), ("sonnet", "claude-sonnet-")];

const fn large(
    id: &'static str,
    cache_minimum_tokens: u32,
    thinking: ThinkingKind,
    efforts: &'static [&'static str],
) -> Model {
    Model { id, context_tokens: 1_000_000, max_output_tokens: 128_000, cache_minimum_tokens, thinking, efforts }
}

const fn small(id: &'static str, cache_minimum_tokens: u32, efforts: &'static [&'static str]) -> Model {
    let thinking = ThinkingKind::Budget;
    Model { id, context_tokens: 200_000, max_output_tokens: 64_000, cache_minimum_tokens, thinking, efforts }
}

/// The model of a full id, with or without a date. Aliases are not ids.
pub fn find(id: &str) -> Option<&'static Model> {
    let is_date = |rest: &str| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_dated =
        |model: &Model| id.strip_prefix(model.id).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_date);
    MODELS.iter().find(|model| model.id == id || is_dated(model))
}

/// The settings that `name`, an alias or a full id, stands for.
pub fn resolve(name: &str) -> Result<ModelSettings, UnknownModel> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let newest = alias.and_then(|(_, family)| MODELS.iter().find(|model| model.id.starts_with(family)));
    if let Some(model) = newest {
        return Ok(settings(model, model.id));
    }
    match find(name) {
        Some(model) => Ok(settings(model, name)),
        None => Err(UnknownModel { name: name.to_owned(), suggestions: suggestions(name) }),
    }
}

/// [`resolve`] for an endpoint: one that is not the vendor's may have models that are not in the table. Such a name is
/// sent as it is; its limits and its price are not known.
pub fn resolve_for(name: &str, base_url: &str) -> Result<ModelSettings, UnknownModel> {
    let can_be_sent =
        !name.is_empty() && name.len() <= NAME_BYTES && !name.chars().any(|c| c.is_whitespace() || c.is_control());
    resolve(name).or_else(|unknown| {
        if endpoint::is_vendor(base_url) || !can_be_sent {
            return Err(unknown);
        }
        let model = name.to_owned();
        Ok(ModelSettings { model, max_tokens: MAX_TOKENS_UNKNOWN, thinking: Thinking::Unset, effort: None })
    })
}

/// `settings` with an effort, if the model takes it. For a model that is not in the table the word is sent as it is.
pub fn with_effort(settings: ModelSettings, effort: &str) -> Result<ModelSettings, UnknownEffort> {
    if let Some(model) = find(&settings.model).filter(|model| !model.efforts.contains(&effort)) {
        return Err(UnknownEffort {
            model: settings.model,
            effort: effort.to_owned(),
            efforts: model.efforts.iter().map(|&effort| effort.to_owned()).collect(),
        });
    }
    Ok(ModelSettings { effort: Some(effort.to_owned()), ..settings })
}

fn settings(model: &Model, name: &str) -> ModelSettings {
    ModelSettings {
        model: name.to_owned(),
        max_tokens: MAX_TOKENS.min(model.max_output_tokens),
        thinking: match model.thinking {
            ThinkingKind::OnByDefault => Thinking::Unset,
            ThinkingKind::OnRequest => Thinking::Adaptive,
            ThinkingKind::Budget => Thinking::Budget { tokens: THINKING_BUDGET },
        },
        effort: None,
    }
}

fn suggestions(name: &str) -> Vec<String> {
    let name: String = name.chars().take(NAME_BYTES).collect::<String>().to_lowercase();
    let aliases = ALIASES.iter().map(|(alias, _)| *alias);
    let mut near: Vec<_> = aliases
        .chain(MODELS.iter().map(|model| model.id))
        // A part of a name, or one with something around it, is as near as one wrong letter.
        .map(|known| {
            let short = known.strip_prefix("claude-").unwrap_or(known);
            let is_part = name.len() > 2 && known.contains(&name) || name.contains(short);
            let distance = distance(&name, known).min(distance(&name, short));
            (if is_part { distance.min(1) } else { distance }, known)
        })
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().take(N_SUGGESTIONS).map(|(_, known)| known.to_owned()).collect()
}

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((&y, &diagonal), &above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(x != y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
