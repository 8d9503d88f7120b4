//! How many tokens a request body can have, without asking anybody.

/// Tokens that the endpoint adds by itself: its tool instructions are at most 804 on the models that say it.
const ADDED_TOKENS: u64 = 1500;

/// An upper estimate of the input tokens of a request body, for reserving money before it is sent.
///
/// Two letters of a word, four blanks of a run, one digit, one other character and one byte outside ASCII each count as
/// a token. Real tokenizers need fewer for prose and code (a third to two thirds of this), and not more for numbers,
/// base64 or other scripts; a body of nothing but random letters could exceed it. When a budget is too tight for this
/// figure, the endpoint's own count is nearer (see `Client::count_tokens`).
pub fn estimate_tokens(body: &[u8]) -> u64 {
    #[derive(PartialEq, Clone, Copy)]
    enum Run {
        Letters,
        Blanks,
        Other,
    }
    let run_of = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' => Run::Letters,
        b' ' => Run::Blanks,
        _ => Run::Other,
    };
    let mut n_tokens = ADDED_TOKENS;
    for run in body.chunk_by(|&a, &b| run_of(a) == run_of(b)) {
        let n_bytes = run.len() as u64;
        n_tokens += match run.first().map_or(Run::Other, |&byte| run_of(byte)) {
            Run::Letters => n_bytes.div_ceil(2),
            Run::Blanks => n_bytes / 4,
            Run::Other => n_bytes,
        };
    }
    n_tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_kind_of_character() {
        for (body, tokens) in
            [("", 0), ("read the file", 2 + 2 + 2), ("12345", 5), ("        x", 2 + 1), ("é", 2), ("a.b(c);", 7)]
        {
            assert_eq!(estimate_tokens(body.as_bytes()) - ADDED_TOKENS, tokens, "{body}");
        }
    }

    #[test]
    fn source_code_is_neither_below_the_usual_density_nor_absurd() {
        let source = include_bytes!("estimate.rs");
        // Usual: 2.5 to 4 bytes a token.
        let per_byte = (estimate_tokens(source) - ADDED_TOKENS) as f64 / source.len() as f64;
        assert!((0.45..0.75).contains(&per_byte), "{per_byte}");
    }
}
