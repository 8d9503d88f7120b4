//! Makes words that came over the network fit to stand in one of our sentences: without the key, on one line, short.

use crate::limits;
use secrecy::{ExposeSecret as _, SecretString};

/// Shorter values are placeholders for local servers, not secrets.
const SECRET_CHARS: usize = 4;
/// A cut key is still found when at least this much of its beginning ends the text.
const CUT_SECRET_CHARS: usize = 8;

/// `text` without the key, without control characters, at most [`limits::QUOTE_CHARS`] long, without a final full stop.
pub(crate) fn quote(text: &str, key: &SecretString) -> String {
    // First the key, then the length: cutting first could leave half a key.
    let one_line = without_key(text, key.expose_secret())
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    // Joining the words may have put a key together again that a line end had parted.
    let clean = without_key(&one_line, key.expose_secret());
    let mut short: String = clean.chars().take(limits::QUOTE_CHARS).collect();
    if short.len() < clean.len() {
        short.push('…');
    }
    short.trim_end_matches('.').to_owned()
}

fn without_key(text: &str, key: &str) -> String {
    if key.len() < SECRET_CHARS {
        return text.to_owned();
    }
    let mut clean = text.replace(key, "[key]");
    let cut = (CUT_SECRET_CHARS..key.len()).rev().filter_map(|n| key.get(..n)).find(|begin| clean.ends_with(begin));
    if let Some(begin) = cut {
        clean.truncate(clean.len() - begin.len());
        clean.push_str("[key]");
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lines_and_lengths() {
        let key = SecretString::from("sk-test-0123456789");
        for (text, clean) in [
            ("invalid key sk-test-0123456789.", "invalid key [key]"),
            ("sk-test-0123456789sk-test-0123456789", "[key][key]"),
            ("cut here: sk-test-0123", "cut here: [key]"),
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
