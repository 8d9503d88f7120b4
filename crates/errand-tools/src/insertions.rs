//! Long insertions in a unified diff: the model has just sent these lines and needs to see only where they are now.

/// Inserted lines in a row that are shown whole.
const WHOLE: usize = 12;
/// Lines kept of both ends of a longer one.
const ENDS: usize = 2;

/// The hunks with the middle of long pure insertions left out.
pub fn fold(hunks: &str) -> String {
    let lines: Vec<_> = hunks.split_inclusive('\n').collect();
    let mut out = String::with_capacity(hunks.len());
    // The number the next line has in the new text.
    let mut number = 0;
    let mut at = 0;
    let mut is_replacement = false;
    while let Some(line) = lines.get(at) {
        let n_inserted = lines.get(at..).unwrap_or_default().iter().take_while(|line| line.starts_with('+')).count();
        if n_inserted > 0 {
            let run = lines.get(at..at + n_inserted).unwrap_or_default();
            let goes_on_removing = lines.get(at + n_inserted).is_some_and(|line| line.starts_with('-'));
            match run {
                [first @ .., _, _] if n_inserted > WHOLE && !is_replacement && !goes_on_removing => {
                    out.extend(first.iter().copied().take(ENDS));
                    let (n_left_out, last) = (n_inserted - 2 * ENDS, number + n_inserted - 1);
                    out.push_str(&format!("… {n_left_out} lines as given (now {number}–{last})\n"));
                    out.extend(run.iter().copied().skip(n_inserted - ENDS));
                }
                _ => out.extend(run.iter().copied()),
            }
            number += n_inserted;
            at += n_inserted;
            continue;
        }
        out.push_str(line);
        match line.bytes().next() {
            Some(b'@') => number = new_start(line),
            Some(b' ') => number += 1,
            _ => {}
        }
        // What says that the last line has no end stands between the old and the new of it.
        is_replacement = line.starts_with('-') || (is_replacement && line.starts_with('\\'));
        at += 1;
    }
    out
}

/// `@@ -1,4 +1,5 @@`: where the new text goes on.
fn new_start(head: &str) -> usize {
    let digits = head.split('+').nth(1).unwrap_or_default();
    digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hunks: &str, expected: &str) {
        assert_eq!(fold(hunks), expected);
    }

    #[test]
    fn only_long_pure_insertions_are_folded() {
        let run = |from: usize, to: usize| (from..=to).map(|n| format!("+{n}\n")).collect::<String>();
        let folded = "+125\n+126\n… 29 lines as given (now 125–157)\n+156\n+157\n";
        check(
            &format!("@@ -123,2 +123,35 @@\n a\n b\n{} c\n", run(125, 157)),
            &format!("@@ -123,2 +123,35 @@\n a\n b\n{folded} c\n"),
        );
        for whole in [
            format!("@@ -1,2 +1,14 @@\n a\n{} c\n", run(2, 13)),
            format!("@@ -1,2 +1,14 @@\n a\n-b\n{} c\n", run(2, 30)),
            format!("@@ -1 +1,30 @@\n-b\n\\ No newline at end of file\n{}", run(1, 30)),
        ] {
            check(&whole, &whole);
        }
        let second = format!("@@ -1,3 +1,2 @@\n a\n-b\n c\n@@ -9,1 +8,14 @@\n a\n{}", run(9, 21));
        let folded =
            "@@ -1,3 +1,2 @@\n a\n-b\n c\n@@ -9,1 +8,14 @@\n a\n+9\n+10\n… 9 lines as given (now 9–21)\n+20\n+21\n";
        check(&second, folded);
    }
}
