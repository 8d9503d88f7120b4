//! What the endpoint's errors mean for a task: by status, error type and error code.

use crate::failure::{SendFailure, kind_of_status, retry_after_ms};
use crate::quote::quote;
use errand_task::facts::{FailureKind, RequestFailure};
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;
use std::time::Duration;

/// `{"type":"error","error":{…},"request_id":…}`.
pub(super) struct ErrorBody {
    pub kind: String,
    pub message: String,
    pub code: Option<String>,
    pub request_id: Option<String>,
}

impl ErrorBody {
    pub fn parse(data: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            error: Inner,
            request_id: Option<String>,
        }
        #[derive(Deserialize)]
        struct Inner {
            #[serde(rename = "type", default)]
            kind: String,
            #[serde(default)]
            message: String,
            details: Option<Details>,
        }
        #[derive(Deserialize)]
        struct Details {
            error_code: Option<String>,
        }
        let Body { error, request_id } = serde_json::from_slice(data).ok()?;
        let code = error.details.and_then(|details| details.error_code);
        Some(Self { kind: error.kind, message: error.message, code, request_id })
    }
}

/// The failure that an error answer is. Nothing of it was billed.
pub(super) fn of_answer(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    host: &str,
    key: &SecretString,
    now: Duration,
) -> SendFailure {
    let parsed = ErrorBody::parse(body);
    let said = match &parsed {
        Some(ErrorBody { kind, message, .. }) => format!("{kind}: {message}"),
        None => String::from_utf8_lossy(body).into_owned(),
    };
    let said = quote(&said, key);
    let code = parsed.as_ref().and_then(|body| body.code.as_deref());
    let message = parsed.as_ref().map_or("", |body| body.message.as_str());
    let should_retry = headers.get("x-should-retry").and_then(|value| value.to_str().ok());
    let needs_person = is_spend_limit(code) || is_spend_limit_in_words(status, message);
    let kind = match (kind_of_status(status), should_retry) {
        _ if needs_person => FailureKind::NeedsPerson,
        (_, Some("true")) => FailureKind::Passing,
        // It would pass by its status, but the endpoint knows that it will not.
        (FailureKind::Passing, Some("false")) => FailureKind::NeedsPerson,
        (kind, _) => kind,
    };
    let header_id = headers.get("request-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request_id = header_id.or_else(|| parsed.as_ref().and_then(|body| body.request_id.clone()));
    let colon = if said.is_empty() { "" } else { ": " };
    SendFailure {
        failure: RequestFailure {
            kind,
            text: format!("{host} answered {status}{colon}{said}"),
            http_status: Some(status),
            retry_after_ms: retry_after_ms(headers, now),
        },
        hint: if needs_person { SPEND_LIMIT_HINT } else { hint(status, kind) }.to_owned(),
        charge: crate::failure::Charge::None,
        request_id: request_id.map(|id| quote(&id, key)),
    }
}

/// The failure that an error in the middle of a stream is. The caller says what it may have cost.
pub(super) fn of_event(kind: &str, message: &str, code: Option<&str>, host: &str, key: &SecretString) -> SendFailure {
    let status = status_of_type(kind);
    let needs_person = is_spend_limit(code) || is_spend_limit_in_words(status, message);
    let failure_kind = if needs_person { FailureKind::NeedsPerson } else { kind_of_status(status) };
    let said = quote(&format!("{kind}: {message}"), key);
    let hint = if needs_person { SPEND_LIMIT_HINT } else { hint(status, failure_kind) };
    SendFailure::new(failure_kind, format!("{host} broke the response off with {said}"), hint)
}

fn status_of_type(kind: &str) -> u16 {
    match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "conflict_error" => 409,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        // `api_error`, and types from the future.
        _ => 500,
    }
}

/// Codes that stay until a person or the calendar changes something.
fn is_spend_limit(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.ends_with("spend_limit_reached") || code == "organization_on_hold")
}

/// The only place where an error's words decide: the limit that customers set for themselves, and an empty balance, come
/// as a 400 without a code. When the words change, such an answer is refused like any 400.
fn is_spend_limit_in_words(status: u16, message: &str) -> bool {
    status == 400 && ["usage limits", "credit balance"].iter().any(|words| message.contains(words))
}

const SPEND_LIMIT_HINT: &str = "raise the spend limit or wait until it ends, then resume the task";

fn hint(status: u16, kind: FailureKind) -> &'static str {
    match (status, kind) {
        (401, _) => "check the key of this endpoint",
        (402, _) => "add credit or fix the payment at the endpoint's console",
        (403, _) => "check what this key is allowed to do",
        (404, _) => "check the name of the model and the base URL of the endpoint",
        (407, _) => "check the proxy's user name and password",
        (413, _) => "the conversation is too large for the endpoint: start a smaller task",
        (300..=399, _) => "set the base URL to where the redirect leads, if you trust it: the key is not sent on",
        (_, FailureKind::Passing) => "nothing to do: it passes by itself",
        (_, FailureKind::NeedsPerson) => "look at the endpoint's status page or console, then resume the task",
        (_, FailureKind::Refused) => "this is a fault of errand or of the endpoint's imitation of the API: report it",
    }
}
