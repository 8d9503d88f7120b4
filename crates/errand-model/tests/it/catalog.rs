//! Names to settings.

use errand_model::catalog::{MODELS, find, resolve, resolve_for, with_effort};
use errand_task::facts::{ModelSettings, Thinking};

fn settings(model: &str, max_tokens: u32, thinking: Thinking) -> ModelSettings {
    ModelSettings { model: model.to_owned(), max_tokens, thinking, effort: None }
}

#[test]
fn aliases_and_ids() {
    let budget = Thinking::Budget { tokens: 8_000 };
    for (name, model, thinking) in [
        ("opus", "claude-opus-5-5", Thinking::Unset),
        ("sonnet", "claude-sonnet-5-5", Thinking::Unset),
        ("haiku", "claude-haiku-5-5", Thinking::Unset),
        ("fable", "claude-fable-5-2", Thinking::Unset),
        ("claude-sonnet-4-6", "claude-sonnet-4-6", Thinking::Adaptive),
        ("claude-opus-4-7", "claude-opus-4-7", Thinking::Adaptive),
        ("claude-haiku-4-5", "claude-haiku-4-5", budget),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001", budget),
    ] {
        assert_eq!(resolve(name), Ok(settings(model, 32_000, thinking)), "{name}");
    }
}

#[test]
fn unknown_names_get_suggestions() {
    for (name, suggestions) in [
        ("sonet", &["sonnet", "claude-sonnet-5", "claude-sonnet-5-5"][..]),
        ("sonnet-5-5", &["claude-sonnet-5-5", "sonnet", "claude-sonnet-5"]),
        ("claude-haiku-5.5", &["haiku", "claude-haiku-5-5", "claude-haiku-4-5"]),
        ("gpt", &[]),
        ("", &[]),
    ] {
        let unknown = resolve(name).unwrap_err();
        assert_eq!(unknown.to_string(), format!("there is no model `{name}`"));
        assert_eq!(unknown.suggestions, suggestions, "{name}");
    }
    assert!(resolve(&"x".repeat(1_000_000)).unwrap_err().suggestions.is_empty());
}

#[test]
fn other_endpoints_may_have_other_models() {
    let local = "http://127.0.0.1:8080";
    let unknown = Ok(settings("qwen3-coder:30b", 16_000, Thinking::Unset));
    assert_eq!(resolve_for("qwen3-coder:30b", local), unknown);
    assert_eq!(resolve_for("sonnet", local), resolve("sonnet"));
    for (name, base_url) in
        [("qwen3-coder:30b", "https://api.anthropic.com/"), ("two words", local), ("", local), ("x", "nonsense")]
    {
        assert!(resolve_for(name, base_url).is_err(), "{name} at {base_url}");
    }
}

#[test]
fn efforts_are_checked_by_model() {
    for (name, effort, takes) in [
        ("sonnet", "max", true),
        ("claude-sonnet-4-6", "xhigh", false),
        ("claude-opus-4-5", "high", true),
        ("claude-haiku-4-5", "low", false),
        ("sonnet", "extreme", false),
    ] {
        let result = with_effort(resolve(name).unwrap(), effort);
        assert_eq!(result.is_ok(), takes, "{name} {effort}");
        if let Ok(settings) = result {
            assert_eq!(settings.effort.as_deref(), Some(effort));
        }
    }
}

#[test]
fn the_table_is_consistent() {
    for model in MODELS {
        assert_eq!(find(model.id), Some(model));
        assert_eq!(find(&format!("{}-20270101", model.id)), Some(model));
        let settings = resolve(model.id).unwrap();
        assert!(settings.max_tokens <= model.max_output_tokens && model.max_output_tokens < model.context_tokens);
        if let Thinking::Budget { tokens } = settings.thinking {
            assert!((1024..settings.max_tokens).contains(&tokens), "{}", model.id);
        }
    }
}
