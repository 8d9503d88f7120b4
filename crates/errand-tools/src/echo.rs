//! What of the model's input is repeated to it: never more than some 200 characters.

use std::fmt::Display;

const CHARACTERS: usize = 200;
/// A whole sentence keeps its end too, where the reason stands.
const END_CHARACTERS: usize = 100;

/// A name, pattern or path in backticks.
pub fn quoted(text: &str) -> String {
    format!("`{}`", cut(text))
}

/// The same without backticks.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A message of another crate that may hold a long path or pattern.
pub fn bounded(message: impl Display) -> String {
    let message = message.to_string();
    let n_characters = message.chars().count();
    if n_characters <= CHARACTERS + END_CHARACTERS {
        return message;
    }
    let end: String = message.chars().skip(n_characters - END_CHARACTERS).collect();
    format!("{}{end}", cut(&message))
}

/// `1 line`, `2 lines`.
pub fn counted(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(quoted("a"), "`a`");
        assert_eq!(cut(&"ä".repeat(300)), format!("{}…", "ä".repeat(200)));
        let message = bounded(format!("`{}` does not exist", "x".repeat(4_000)));
        assert!(message.starts_with("`xxx") && message.ends_with("xxx` does not exist"), "{message}");
        assert_eq!(message.chars().count(), 301);
    }
}
