//! Makes words that came over the network fit to stand in one of our sentences: without the key, on one line, short.

use crate::limits;
use errand_task::redact::Redactor;
use secrecy::{ExposeSecret as _, SecretString};

/// `text` without the key, without control characters, at most [`limits::QUOTE_CHARS`] long, without a final full stop.
pub(crate) fn quote(text: &str, key: &SecretString) -> String {
    let redactor = Redactor::of([key.expose_secret()]);
    // First the key, then the length: cutting first could leave a part of it.
    let one_line = redactor
        .hide(text.to_owned())
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    // Joining the words may have put a key together again that a line end had parted.
    let clean = redactor.hide(one_line);
    let mut short: String = clean.chars().take(limits::QUOTE_CHARS).collect();
    if short.len() < clean.len() {
        short.push('…');
    }
    short.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lines_and_lengths() {
        let key = SecretString::from("sk-test-0123456789");
        for (text, clean) in [
            ("invalid key sk-test-0123456789.", "invalid key [redacted key]"),
            ("sk-test-0123456789sk-test-0123456789", "[redacted key][redacted key]"),
            ("cut here: sk-test-0123", "cut here: [redacted key]"),
            ("two\nlines\u{1b}[31m\tred", "two lines [31m red"),
        ] {
            assert_eq!(quote(text, &key), clean);
        }
        let long = format!("{}sk-test-0123456789", "x".repeat(limits::QUOTE_CHARS - 10));
        let clean = quote(&long, &key);
        assert!(!clean.contains("sk-test") && clean.chars().count() <= limits::QUOTE_CHARS + 1, "{clean}");
        assert_eq!(quote("none of it", &SecretString::from("of")), "none of it");
    }
}
