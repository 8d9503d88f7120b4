//! Which lines of a compiler's output are warnings, so that they can be folded into one line.
//!
//! Knows rustc's blocks and the lines of gcc and clang. Errors are never part of a block.

/// So many warnings are shown as they are.
const SHOWN: usize = 2;

/// The warnings of an output when there are more than can be shown.
pub struct Warnings {
    pub n_warnings: usize,
    /// One for each line: whether it belongs to a warning.
    pub is_part: Vec<bool>,
}

pub fn find(lines: &[&str]) -> Option<Warnings> {
    let mut is_part = vec![false; lines.len()];
    let mut n_warnings = 0;
    // How the lines below a first line of a warning look like.
    let mut block: Option<Compiler> = None;
    for (line, is_part) in lines.iter().zip(&mut is_part) {
        if let Some(compiler) = first_line(line) {
            n_warnings += 1;
            (block, *is_part) = (Some(compiler), true);
        } else if let Some(compiler) = &block {
            let is_blank = line.trim().is_empty();
            *is_part = is_blank || goes_on(line, compiler);
            if is_blank || !*is_part {
                block = None;
            }
        }
    }
    (n_warnings > SHOWN).then_some(Warnings { n_warnings, is_part })
}

enum Compiler {
    Rustc,
    /// gcc and clang.
    C,
}

fn first_line(line: &str) -> Option<Compiler> {
    // Cargo's own count of them stays.
    let is_count = line.starts_with("warning: `") && line.contains(" generated ");
    if (line.starts_with("warning:") || line.starts_with("warning[")) && !is_count {
        return Some(Compiler::Rustc);
    }
    line.contains(": warning:").then_some(Compiler::C)
}

fn goes_on(line: &str, compiler: &Compiler) -> bool {
    let text = line.trim_start();
    let is_indented = text.len() < line.len();
    match compiler {
        // Cargo's progress is indented too: `   Compiling one v0.1.0`.
        Compiler::Rustc => {
            let is_progress = text.starts_with(|first: char| first.is_ascii_uppercase());
            let starts = ["note:", "help:", "...", "|"];
            (is_indented && !is_progress)
                || starts.iter().any(|start| text.starts_with(start))
                || text.trim_start_matches(|digit: char| digit.is_ascii_digit()).starts_with(" |")
        }
        Compiler::C => is_indented || line.contains(": note:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that are left, `…` once for each line that is not.
    fn check(output: &str, expected: &str) {
        let lines: Vec<_> = output.lines().collect();
        let warnings = find(&lines).unwrap();
        let left = lines.iter().zip(&warnings.is_part).filter(|(_, is_part)| !**is_part).map(|(line, _)| *line);
        assert_eq!(format!("{}: {}", warnings.n_warnings, left.collect::<Vec<_>>().join("/")), expected);
    }

    #[test]
    fn blocks_of_rustc() {
        let block = "warning: unused variable: `x`\n --> src/lib.rs:2:9\n  |\n2 |     let x = 1;\n  |         ^ help: use it\n  |\n  = note: on by default\n\n";
        let output = format!(
            "   Compiling one v0.1.0\n{block}{block}warning: unused manifest key: a\n   Compiling two v0.1.0\nerror[E0425]: no x\n --> src/lib.rs:3:1\n\nwarning: `one` (lib) generated 3 warnings\n"
        );
        check(
            &output,
            "3:    Compiling one v0.1.0/   Compiling two v0.1.0/error[E0425]: no x/ --> src/lib.rs:3:1//warning: `one` (lib) generated 3 warnings",
        );
    }

    #[test]
    fn lines_of_gcc() {
        let warning = "a.c:1:5: warning: unused variable 'x' [-Wunused-variable]\n    1 | int x;\n      |     ^\na.c:9:1: note: here\n";
        let output = format!("cc -c a.c\n{warning}{warning}{warning}a.c:7:1: error: no\n    7 | z;\ndone\n");
        check(&output, "3: cc -c a.c/a.c:7:1: error: no/    7 | z;/done");
    }

    #[test]
    fn two_are_shown() {
        assert!(find(&["warning: a", "warning: b", "x"]).is_none());
    }
}
