//! Why a request brought no response: what kind of failure, what a person can do, and whether it may have cost money.
//!
//! Kinds follow HTTP statuses as every dialect uses them; a dialect adds what its own error bodies say.

use crate::limits;
use crate::response::Partial;
use errand_task::facts::{FailureKind, RequestFailure};
use reqwest::header::HeaderMap;
use std::time::Duration;
use thiserror::Error;

/// A failed attempt. No text in it holds the key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", failure.text)]
pub struct SendFailure {
    /// For the journal. `http_status` is the one that was received, so a stream that broke has none.
    pub failure: RequestFailure,
    /// What to do about it, one sentence.
    pub hint: String,
    pub charge: Charge,
    /// The endpoint's id of the request, for asking its operator.
    pub request_id: Option<String>,
}

/// Whether a failed attempt may be billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Nothing was sent, or the endpoint refused it before doing anything.
    None,
    /// The request was sent and no complete answer came: it may be billed in full.
    Uncertain { partial: Box<Partial> },
}

impl Charge {
    pub fn is_uncertain(&self) -> bool {
        match self {
            Self::None => false,
            Self::Uncertain { .. } => true,
        }
    }
}

impl SendFailure {
    pub(crate) fn new(kind: FailureKind, text: String, hint: &str) -> Self {
        Self {
            failure: RequestFailure { kind, text, http_status: None, retry_after_ms: None },
            hint: hint.to_owned(),
            charge: Charge::None,
            request_id: None,
        }
    }

    pub(crate) fn maybe_billed(mut self, partial: Partial) -> Self {
        self.charge = Charge::Uncertain { partial: Box::new(partial) };
        self
    }
}

/// The kind of an error status when nothing else is known.
pub(crate) fn kind_of_status(status: u16) -> FailureKind {
    match status {
        408 | 409 | 429 | 500.. => FailureKind::Passing,
        300..=399 | 401 | 402 | 403 | 404 | 407 => FailureKind::NeedsPerson,
        _ => FailureKind::Refused,
    }
}

/// How long the endpoint asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date. `now` is Unix time.
pub(crate) fn retry_after_ms(headers: &HeaderMap, now: Duration) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let from_date = |text: &str| {
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
        Some((at as f64 - now.as_millis() as f64).max(0.0))
    };
    let ms = text("retry-after-ms").and_then(number).or_else(|| {
        let after = text("retry-after")?;
        number(after).map(|seconds| seconds * 1000.0).or_else(|| from_date(after))
    })?;
    // A cast from a float saturates.
    Some((ms.ceil() as u64).min(limits::RETRY_AFTER.as_millis() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_in_every_form() {
        // 2026-11-22T12:00:00Z
        let now = Duration::from_secs(1_795_348_800);
        for (headers, expected) in [
            (&[][..], None),
            (&[("retry-after", "7")], Some(7_000)),
            (&[("retry-after", "0.5")], Some(500)),
            (&[("retry-after-ms", "1500"), ("retry-after", "7")], Some(1_500)),
            (&[("retry-after-ms", "soon"), ("retry-after", "7")], Some(7_000)),
            (&[("retry-after", "Sun, 22 Nov 2026 12:00:30 GMT")], Some(30_000)),
            (&[("retry-after", "Sun, 22 Nov 2026 11:00:00 GMT")], Some(0)),
            (&[("retry-after", "-3")], None),
            (&[("retry-after", "1e300")], Some(604_800_000)),
            (&[("retry-after", "later")], None),
        ] {
            let map = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<HeaderMap>();
            assert_eq!(retry_after_ms(&map, now), expected, "{headers:?}");
        }
    }
}
