//! Request headers: who asks, in which version, with which betas. Bodies are not looked at.

use axum::http::HeaderMap;

use crate::refusal::{Checked, Refusal};
use crate::server::ApiKeys;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Of2023,
    Of2026,
}

#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub key: String,
    pub version: Version,
    pub betas: Vec<String>,
}

impl Caller {
    pub fn has_beta(&self, beta: &str) -> bool {
        self.betas.iter().any(|known| known == beta)
    }
}

const BETAS: &[&str] = &[
    "advisor-tool-2026-03-01",
    "agent-memory-2026-07-22",
    "cache-diagnosis-2026-04-07",
    "compact-2026-01-12",
    "compact-2026-09-04",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "extended-cache-ttl-2025-04-11",
    "fallback-credit-2026-07-01",
    "fast-mode-2026-02-01",
    "files-api-2025-04-14",
    "fine-grained-tool-streaming-2025-05-14",
    "inline-tools-2026-09-15",
    "interleaved-thinking-2025-05-14",
    "mcp-client-2025-11-20",
    "mcp-client-2026-09-15",
    "message-batches-2024-09-24",
    "message-threads-2026-08-12",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-system-clear-at-2026-08-21",
    "mid-conversation-tool-changes-2026-07-01",
    "output-300k-2026-03-24",
    "pdfs-2024-09-25",
    "prompt-caching-2024-07-31",
    "server-side-fallback-2026-07-01",
    "skills-2025-10-02",
    "structured-outputs-2025-11-13",
    "task-budgets-2026-03-13",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "thinking-token-count-2026-05-13",
    "token-counting-2024-11-01",
    "token-efficient-tools-2025-02-19",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    Json,
    Nothing,
}

pub(crate) fn caller(headers: &HeaderMap, keys: &ApiKeys, carries: Carries) -> Checked<Caller> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = text("x-api-key").or(bearer).map(str::trim).filter(|key| !key.is_empty());
    let accepted = key.filter(|key| match keys {
        ApiKeys::Any => true,
        ApiKeys::Only(accepted) => accepted.iter().any(|known| known == key),
    });
    let key = accepted.ok_or_else(|| {
        let message = if key.is_some() { "invalid x-api-key" } else { "x-api-key header is required" };
        Refusal::new(401, "authentication_error", message)
    })?;
    let version = match text("anthropic-version") {
        Some("2026-10-21") => Version::Of2026,
        Some("2023-06-01") => Version::Of2023,
        None => return Err(Refusal::invalid("anthropic-version: header is required")),
        Some(other) => return Err(Refusal::invalid(format!("anthropic-version: {other:?} is not a valid version"))),
    };
    let values = headers.get_all("anthropic-beta").iter().filter_map(|value| value.to_str().ok());
    let betas: Vec<String> = values.flat_map(|value| value.split(',')).map(|beta| beta.trim().to_string()).collect();
    if let Some(unknown) = betas.iter().find(|beta| !BETAS.contains(&beta.as_str())) {
        return Err(Refusal::invalid(format!("Unexpected value(s) `{unknown}` for the `anthropic-beta` header")));
    }
    let is_json = text("content-type").is_some_and(|value| value.split(';').next() == Some("application/json"));
    if carries == Carries::Json && !is_json {
        return Err(Refusal::invalid("content-type: must be application/json"));
    }
    Ok(Caller { key: key.into(), version, betas })
}
