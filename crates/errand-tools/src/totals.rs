//! What the common test runners counted, summed over one output.

/// `231 passed, 1 failed, 2 ignored`; `None` where no known runner speaks.
pub fn test_totals(output: &str) -> Option<String> {
    let mut sums = [(0_u64, "passed"), (0, "failed"), (0, "ignored")];
    let mut is_known = false;
    for line in output.lines() {
        let line = line.trim().trim_matches('=').trim();
        // cargo test, pytest, jest and vitest write lists of "N word".
        let is_summary = line.starts_with("test result:") || line.starts_with("Tests:") || is_pytest(line);
        if !is_summary {
            continue;
        }
        is_known = true;
        let words: Vec<_> = line.split(|c: char| c.is_whitespace() || ",;:".contains(c)).collect();
        for pair in words.windows(2) {
            let [number, word] = pair else { continue };
            let word = if *word == "skipped" { "ignored" } else { word };
            if let (Ok(n), Some(sum)) = (number.parse::<u64>(), sums.iter_mut().find(|(_, name)| *name == word)) {
                sum.0 += n;
            }
        }
    }
    let shown: Vec<_> =
        sums.iter().filter(|(n, name)| *n > 0 || *name == "passed").map(|(n, name)| format!("{n} {name}")).collect();
    is_known.then(|| shown.join(", "))
}

/// `3 failed, 12 passed, 1 skipped in 0.42s`
fn is_pytest(line: &str) -> bool {
    let starts_with_count = line.split(' ').next().is_some_and(|word| word.parse::<u64>().is_ok());
    starts_with_count && line.contains(" in ") && (line.contains(" passed") || line.contains(" failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runners_are_summed() {
        let cargo = "test result: ok. 11 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.3s";
        for (output, expected) in [
            (format!("{cargo}\nnoise\n{cargo}\n"), Some("22 passed, 4 ignored")),
            ("==== 3 failed, 12 passed, 1 skipped in 0.42s ====".to_owned(), Some("12 passed, 3 failed, 1 ignored")),
            ("Tests:       1 failed, 5 passed, 6 total".to_owned(), Some("5 passed, 1 failed")),
            ("all good".to_owned(), None),
        ] {
            assert_eq!(test_totals(&output).as_deref(), expected, "{output}");
        }
    }
}
