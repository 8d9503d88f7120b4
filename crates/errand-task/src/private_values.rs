//! The values in a private file that a job was given on purpose: what has to be hidden of it, as keys are.
//!
//! A value is what stands behind `NAME=` or `name:` on a line, or a line of its own, such as a token in a file alone. Words
//! that stand in every program (`development`, a port, an address without a password) are no secrets: hiding them would
//! make sources unreadable. Behind a name that says what it is (`PASSWORD`, `TOKEN`, …) every value counts.

use crate::redact::SECRET_BYTES;

/// Larger files are data, and not looked into.
pub const FILE_BYTES: usize = 64 * 1024;
/// Most values of one file.
const VALUES: usize = 2_000;
/// In upper case, anywhere in a name.
const TELLING: [&str; 9] = ["AUTH", "CREDENTIAL", "DSN", "KEY", "PASS", "PRIVATE", "PWD", "SECRET", "TOKEN"];

/// The values of a file's bytes, each once, in order.
pub fn of(bytes: &[u8]) -> Vec<String> {
    let mut values = Vec::new();
    let Ok(text) = std::str::from_utf8(bytes) else { return values };
    if bytes.len() > FILE_BYTES {
        return values;
    }
    let mut is_in_key = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        if line.starts_with("-----") {
            is_in_key = line.starts_with("-----BEGIN");
            continue;
        }
        // Lines of base64 may end in `=`, which names nothing.
        let (name, value) = if is_in_key { (None, line) } else { split(line) };
        let value = unquoted(value);
        let is_telling = name.is_some_and(|name| {
            let name = name.to_ascii_uppercase();
            TELLING.iter().any(|word| name.contains(word))
        });
        let mut say = |value: &str| {
            if value.len() >= SECRET_BYTES && values.len() < VALUES && !values.iter().any(|known| known == value) {
                values.push(value.to_owned());
            }
        };
        if is_telling || !is_ordinary(value) {
            say(value);
        }
        // An address is taken apart by programs, and its password said alone.
        if let Some(password) = password_of(value) {
            say(password);
        }
    }
    values
}

/// The name, when the line has one, and the value.
fn split(line: &str) -> (Option<&str>, &str) {
    let line = line.trim();
    if line.starts_with('#') || line.starts_with("//") {
        return (None, "");
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let is_name = |name: &str| {
        let name = name.trim().trim_matches(['"', '\'']);
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.- ".contains(c))
    };
    let at = line.find('=').into_iter().chain(line.find(": ")).chain(line.find(":\"")).min();
    match at.and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?))) {
        Some((name, value)) if is_name(name) => (Some(name), value),
        Some(_) | None => (None, line),
    }
}

/// Without quotes, the comma of a list, and a remark behind an unquoted value.
fn unquoted(value: &str) -> &str {
    let value = value.trim().trim_end_matches(',');
    for quote in ['"', '\'', '`'] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.rfind(quote).and_then(|end| rest.get(..end)).unwrap_or(rest);
        }
    }
    value.split(" #").next().unwrap_or(value).trim()
}

/// A word, a number, a path, or an address without a password.
fn is_ordinary(value: &str) -> bool {
    let is_word = value.chars().all(|c| c.is_ascii_lowercase() || "-_ .,".contains(c));
    let is_number = value.chars().all(|c| c.is_ascii_digit() || ".,:-".contains(c));
    let is_path = value.starts_with(['/', '.', '~']) && !value.contains(['?', '@']);
    let is_host = value.split_once(':').is_some_and(|(host, port)| {
        host.chars().all(|c| c.is_ascii_lowercase() || c == '.') && port.parse::<u16>().is_ok()
    });
    let is_address = value.contains("://") && !value.contains(['@', '?', '#']) && password_of(value).is_none();
    is_word || is_number || is_path || is_host || is_address
}

/// `password` of `scheme://user:password@host`.
fn password_of(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let (person, _) = rest.split('/').next()?.rsplit_once('@')?;
    person.split_once(':').map(|(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_stands_behind_names() {
        for (text, expected) in [
            ("API_KEY=sk-1234567890", &["sk-1234567890"][..]),
            ("export TOKEN='a b c d e f'  ", &["a b c d e f"]),
            ("TOKEN=abcdefgh # from the console", &["abcdefgh"]),
            ("# TOKEN=abcdefgh1\n\nEMPTY=\nSHORT=abc", &[]),
            ("NODE_ENV=development\nPORT=30000000\nHOST=localhost:3000\nROOT=/srv/application", &[]),
            ("DB_PASSWORD=development", &["development"]),
            ("URL=https://example.org/a/b", &[]),
            ("DB=postgres://me:hunter2hunter2@db/app", &["postgres://me:hunter2hunter2@db/app", "hunter2hunter2"]),
            ("{\n  \"client_secret\": \"GOCSPX-x1y2z3\",\n  \"type\": \"installed\"\n}", &["GOCSPX-x1y2z3"]),
            ("password: correct horse", &["correct horse"]),
            ("ghp_abcDEF123456\n", &["ghp_abcDEF123456"]),
            ("-----BEGIN PRIVATE KEY-----\nMIIBVAIBADANBg==\n-----END PRIVATE KEY-----", &["MIIBVAIBADANBg=="]),
            ("A_TOKEN=twice-the-same\nB_TOKEN=twice-the-same", &["twice-the-same"]),
        ] {
            assert_eq!(of(text.as_bytes()), expected, "{text}");
        }
        assert!(of(b"TOKEN=\xff\xffabcdefgh").is_empty(), "no text");
        assert!(of("TOKEN=abcdefgh\n".repeat(10_000).as_bytes()).is_empty(), "data");
    }
}
