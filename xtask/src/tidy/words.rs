//! Words no committed file says: absolute paths of one machine, registry hosts, names of things outside the repository.
//!
//! The list is `xtask/words.toml`. There `[x]` stands for x, so that the list does not say its own words.

use super::Finding;
use crate::tree::Tree;
use serde::Deserialize;

const LIST: &str = "xtask/words.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    /// Each begins where no word or path goes on before it.
    words: Vec<String>,
    /// Paths, or the ends of paths, of files that must say them: lock files.
    exempt: Vec<String>,
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let list: List = match toml::from_str(tree.text(LIST).unwrap_or_default()) {
        Ok(list) => list,
        Err(error) => return vec![Finding::new(LIST, 1, error.message(), "give `words` and `exempt`")],
    };
    let words: Vec<String> = list.words.iter().map(|word| word.replace(['[', ']'], "")).collect();
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| !list.exempt.iter().any(|end| path.ends_with(end.as_str()))) {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        // A path's own name is looked at as well.
        for (line, content) in std::iter::once((1, path)).chain(lines) {
            for word in words.iter().filter(|word| says(content, word)) {
                let todo = format!("say it another way; the list is {LIST}");
                findings.push(Finding::new(path, line, format!("says `{word}`"), todo));
            }
        }
    }
    findings
}

fn says(line: &str, word: &str) -> bool {
    let is_begin = |before: Option<char>| !before.is_some_and(|c| c.is_alphanumeric() || "_-.}/~*".contains(c));
    let is_word = word.starts_with(|c: char| c.is_alphanumeric() || c == '/');
    line.match_indices(word)
        .any(|(at, _)| !is_word || is_begin(line.get(..at).and_then(|text| text.chars().next_back())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::shown;

    const TEST_LIST: &str = "words = [\"[/]secret/\", \"[q]uux-\", \"[:]//host.test\"]\nexempt = [\".lock\"]";

    fn found(path: &str, text: &str) -> Vec<String> {
        shown(check, &[(path, text), (LIST, TEST_LIST)])
    }

    #[test]
    fn the_words_are_found() {
        for (path, text) in
            [("a.rs", "\n\"/secret/x\""), ("a.md", "\nsee quux-1"), ("a.toml", "\nurl = \"https://host.test/x\"")]
        {
            let found = found(path, text);
            assert!(found.len() == 1 && found[0].starts_with(&format!("{path}:2: says ")), "{found:?}");
        }
        assert_eq!(found("quux-1.md", "").len(), 1);
        assert_eq!(shown(check, &[("a", "")]).len(), 1, "a missing list is a finding, not a pass");
    }

    #[test]
    fn other_words_and_exempt_files_pass() {
        for (path, text) in [("a.rs", "root/secret/x {r}/secret/x"), ("a.md", "aquux-1"), ("Cargo.lock", "/secret/")] {
            assert!(found(path, text).is_empty(), "{text}");
        }
    }
}
