//! Rust source as the checks see it: comments and literals blanked, test modules blanked, imports spelled out.
//!
//! A small lexer, not a parser: it knows nested comments, raw and byte strings, and lifetimes from characters, because a
//! check that trips over a string teaches people to ignore it. Every blank keeps its length, so offsets stay true.

use crate::tree::line_at;

/// One source file.
pub struct Source {
    /// The text with comments, literals and test modules as spaces.
    pub code: String,
    /// String literals outside test modules.
    pub literals: Vec<Literal>,
    /// What the `use` declarations name, groups spelled out: `std::fs`, `std::env::*`.
    pub imports: Vec<Import>,
}

pub struct Literal {
    pub offset: usize,
    pub text: String,
}

pub struct Import {
    pub line: usize,
    pub path: String,
}

impl Source {
    pub fn of(text: &str) -> Self {
        let (mut code, mut literals) = blank(text);
        for (start, end) in test_regions(&code) {
            code = blanked(&code, start, end);
            literals.retain(|literal| literal.offset < start || literal.offset >= end);
        }
        let imports = imports(&code);
        Self { code, literals, imports }
    }

    /// Lines on which `path` stands as whole words, in code or spelled out by an import.
    pub fn lines_naming(&self, path: &str) -> Vec<usize> {
        let in_code = occurrences(&self.code, path).into_iter().map(|offset| line_at(&self.code, offset));
        let imported = self.imports.iter().filter(|import| !occurrences(&import.path, path).is_empty());
        let mut lines: Vec<_> = in_code.chain(imported.map(|import| import.line)).collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

/// The text with comments and literals as spaces, test modules left in.
pub fn with_tests(text: &str) -> String {
    blank(text).0
}

/// Whether a whole file is test code by its place.
pub fn is_test_file(path: &str) -> bool {
    let mut parts = path.split('/').rev();
    let name = parts.next().unwrap_or_default();
    name == "tests.rs" || parts.any(|part| matches!(part, "tests" | "benches" | "examples"))
}

/// Offsets of `needle` where no identifier goes on before or behind it.
pub fn occurrences(code: &str, needle: &str) -> Vec<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_whole = |&offset: &usize| {
        let before = code.get(..offset).and_then(|text| text.chars().next_back());
        let behind = code.get(offset + needle.len()..).and_then(|text| text.chars().next());
        let may_touch_before = needle.chars().next().is_some_and(|c| !is_word(c));
        let may_touch_behind = needle.chars().next_back().is_some_and(|c| !is_word(c));
        (may_touch_before || !before.is_some_and(is_word)) && (may_touch_behind || !behind.is_some_and(is_word))
    };
    code.match_indices(needle).map(|(offset, _)| offset).filter(is_whole).collect()
}

/// Comments and literals as spaces, and the string literals.
fn blank(text: &str) -> (String, Vec<Literal>) {
    let mut code = String::with_capacity(text.len());
    let mut literals = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let offset = text.len() - rest.len();
        let goes_on_word = code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment_length(rest)
        } else if let Some((length, content)) = string_at(rest).filter(|_| first == '"' || !goes_on_word) {
            literals.push(Literal { offset, text: content.to_owned() });
            length
        } else if first == '\'' {
            character_length(rest)
        } else {
            code.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        };
        push_blank(&mut code, rest.get(..length).unwrap_or(rest));
        rest = rest.get(length..).unwrap_or_default();
    }
    (code, literals)
}

fn push_blank(code: &mut String, text: &str) {
    code.extend(text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
}

fn blanked(code: &str, start: usize, end: usize) -> String {
    let mut out = code.get(..start).unwrap_or_default().to_owned();
    push_blank(&mut out, code.get(start..end).unwrap_or_default());
    out.push_str(code.get(end..).unwrap_or_default());
    out
}

/// Block comments nest.
fn comment_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// Length and content of the string literal that begins here: plain, byte, C and raw.
fn string_at(text: &str) -> Option<(usize, &str)> {
    let prefix = ["", "b", "c", "r", "br", "cr"].into_iter().rfind(|prefix| {
        let hashed = text.strip_prefix(prefix).map(|rest| rest.trim_start_matches('#'));
        let may_hash = prefix.ends_with('r');
        hashed.is_some_and(|rest| rest.starts_with('"'))
            && (may_hash || text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('"')))
    })?;
    let behind_prefix = text.strip_prefix(prefix)?;
    let n_hashes = behind_prefix.len() - behind_prefix.trim_start_matches('#').len();
    let start = prefix.len() + n_hashes + 1;
    let body = text.get(start..)?;
    let (n_content, n_close) = if prefix.ends_with('r') {
        let close = format!("\"{}", "#".repeat(n_hashes));
        body.find(&close).map_or((body.len(), 0), |at| (at, close.len()))
    } else {
        let mut is_escaped = false;
        let end = body.char_indices().find(|&(_, c)| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        end.map_or((body.len(), 0), |(at, _)| (at, 1))
    };
    Some((start + n_content + n_close, body.get(..n_content)?))
}

/// A character literal, or the quote alone when it begins a lifetime.
fn character_length(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    let second = characters.next();
    match (second, characters.next()) {
        (Some((_, '\\')), Some((escaped_at, escaped))) => {
            let behind = escaped_at + escaped.len_utf8();
            text.get(behind..).and_then(|rest| rest.find('\'')).map_or(text.len(), |at| behind + at + 1)
        }
        (Some(_), Some((close, '\''))) => close + 1,
        _ => 1,
    }
}

/// From each `#[cfg(test)]` to the end of its item.
fn test_regions(code: &str) -> Vec<(usize, usize)> {
    let mut regions = Vec::new();
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        let mut depth = 0_usize;
        let body = code.get(start + attribute.len()..).unwrap_or_default();
        let end = body.char_indices().find(|&(_, c)| match c {
            '{' => {
                depth += 1;
                false
            }
            '}' => {
                depth = depth.saturating_sub(1);
                depth == 0
            }
            ';' => depth == 0,
            _ => false,
        });
        regions.push((start, end.map_or(code.len(), |(at, _)| start + attribute.len() + at + 1)));
    }
    regions
}

fn imports(code: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for offset in occurrences(code, "use") {
        let tree = code.get(offset + "use".len()..).and_then(|rest| rest.split(';').next()).unwrap_or_default();
        let is_declaration = tree.starts_with(char::is_whitespace);
        if is_declaration {
            let mut paths = Vec::new();
            spell_out("", tree, &mut paths);
            found.extend(paths.into_iter().map(|path| Import { line: line_at(code, offset), path }));
        }
    }
    found
}

/// `a::{b, c::{self, d as e}}` → `a::b`, `a::c`, `a::c::d`.
fn spell_out(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let head = format!("{prefix}{}", head.trim());
        let inner = group.rsplit_once('}').map_or(group, |(inner, _)| inner);
        let mut depth = 0_usize;
        let parts = inner.split(|c: char| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        });
        for part in parts.filter(|part| !part.trim().is_empty()) {
            spell_out(&head, part, paths);
        }
        return;
    }
    let name = tree.split_whitespace().next().unwrap_or_default();
    let path = if name == "self" { prefix.trim_end_matches("::").to_owned() } else { format!("{prefix}{name}") };
    paths.push(path.trim_start_matches("::").to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        let code = Source::of(text).code;
        assert_eq!(code.len(), text.len(), "offsets must stay true: {text}");
        code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_blank() {
        for (text, left) in [
            ("a // std::fs\nb", "a b"),
            ("a /* x /* y */ z */ b", "a b"),
            ("a(\"// no \\\" comment\", b)", "a( , b)"),
            ("a(r#\"x\" y\"#, r\"z\\\", b)", "a( , , b)"),
            ("a(b\"x\", c\"y\", br##\"z\"# \"##)", "a( , , )"),
            ("let c = '\"'; d", "let c = ; d"),
            ("let c = '\\''; d(\"x\")", "let c = ; d( )"),
            ("let c = '\\u{27}'; d", "let c = ; d"),
            ("fn a<'b>(c: &'b str) { 'd' }", "fn a< b>(c: & b str) { }"),
            ("let ä = 'ü'; // ö\nz", "let ä = ; z"),
            ("r#type + bar(\"x\")", "r#type + bar( )"),
            ("\"never closed", ""),
            ("/* never closed", ""),
        ] {
            assert_eq!(code(text), left, "{text}");
        }
    }

    #[test]
    fn test_items_are_blank() {
        assert_eq!(code("a();\n#[cfg(test)]\nmod tests { use x; fn y() { \"}\"; } }\nb();"), "a(); b();");
        assert_eq!(code("#[cfg(test)]\nmod tests;\nb();"), "b();");
        assert!(Source::of("#[cfg(test)] mod t { const A: &str = \"x\"; }").literals.is_empty());
    }

    #[test]
    fn literals_keep_their_text_and_place() {
        let source = Source::of("env!(\"HOME\")");
        let found: Vec<_> = source.literals.iter().map(|l| (l.offset, l.text.as_str())).collect();
        assert_eq!(found, [(5, "HOME")]);
    }

    #[test]
    fn imports_are_spelled_out() {
        let source =
            Source::of("use std::{fs, io::{self, Read as _}, env::*};\npub(crate) use ::a::b as c;\nfn reuse() {}");
        let found: Vec<_> = source.imports.iter().map(|i| (i.line, i.path.as_str())).collect();
        assert_eq!(found, [(1, "std::fs"), (1, "std::io"), (1, "std::io::Read"), (1, "std::env::*"), (2, "a::b")]);
    }

    #[test]
    fn names_are_whole_words() {
        let source = Source::of("Instant::now();\nInstantly::now();\nuse std::{time::Instant};\n\"Instant\";");
        assert_eq!(source.lines_naming("Instant"), [1, 3]);
        assert_eq!(source.lines_naming("time::Instant"), [3]);
    }

    #[test]
    fn test_files_by_place() {
        for (path, expected) in [
            ("crates/a/tests/it/main.rs", true),
            ("crates/a/src/tests.rs", true),
            ("crates/a/src/a/tests.rs", true),
            ("crates/a/src/latest.rs", false),
        ] {
            assert_eq!(is_test_file(path), expected, "{path}");
        }
    }
}
