//! The vendor's error shape: a status, an error type, a message and, now and then, details and a retry hint.
//! Every refusal of this crate is one of these; turning it into HTTP bytes happens here and nowhere else.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub status: u16,
    pub kind: String,
    pub message: String,
    pub error_code: Option<String>,
    pub retry_after_s: Option<u64>,
}

pub(crate) type Checked<T = ()> = Result<T, Refusal>;

impl Refusal {
    pub fn new(status: u16, kind: &str, message: impl Into<String>) -> Refusal {
        Refusal { status, kind: kind.into(), message: message.into(), error_code: None, retry_after_s: None }
    }

    pub fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(400, "invalid_request_error", message)
    }

    pub fn not_found(message: impl Into<String>) -> Refusal {
        Refusal::new(404, "not_found_error", message)
    }

    pub fn with_code(mut self, error_code: &str) -> Refusal {
        self.error_code = Some(error_code.into());
        self
    }

    /// The JSON body, also used as the data of a mid-stream `error` event.
    pub fn body(&self, request_id: &str) -> Value {
        let mut error = json!({"type": self.kind, "message": self.message});
        if let Some(code) = &self.error_code {
            error["details"] = json!({"error_code": code});
        }
        json!({"type": "error", "error": error, "request_id": request_id})
    }

    pub fn into_response(self, request_id: &str) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body(request_id).to_string()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let retry = match (self.status, self.error_code.as_deref()) {
            (429, Some("enforced_spend_limit_reached" | "contract_spend_limit_reached")) => "false",
            (409 | 429 | 500.., _) => "true",
            _ => "false",
        };
        headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static(retry));
        response
    }
}
