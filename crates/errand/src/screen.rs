//! Everything a person reads passes here: untrusted text made harmless, styles only where there is a terminal.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

/// Text of a repository or a model for a terminal: control characters, bidi and zero-width marks become visible.
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => out.push('␍'),
            '\u{7f}' => out.push('␡'),
            c if (c as u32) < 0x20 => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('�')),
            c if is_hidden(c) => out.push_str(&format!("‹U+{:04X}›", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// JSON for a terminal: what `safe` would mark stands as an escape, which is the same value.
pub fn safe_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\u{7f}' || is_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units).iter() {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// One line of it: line breaks as marks, at most `width` characters.
pub fn safe_line(text: &str, width: usize) -> String {
    let line = safe(text.trim()).replace('\n', "⏎").replace('\t', " ");
    if line.chars().count() <= width {
        return line;
    }
    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// C1 controls, bidi controls, zero-width and tag characters.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// How a piece of text looks on a terminal. Meaning never depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
    Warn,
    Accent,
}

/// Standard output and how it may look.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    has_style: bool,
    pub width: usize,
}

impl Screen {
    pub fn stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let width = crate::terminal::width().unwrap_or(100);
        Self { has_style: is_terminal && crate::terminal::wants_colour(), width }
    }

    pub fn paint(&self, look: Look, text: &str) -> String {
        let code = match look {
            Look::Plain => return text.to_owned(),
            Look::Bold => "1",
            Look::Dim => "2",
            Look::Good => "32",
            Look::Bad => "31",
            Look::Warn => "33",
            Look::Accent => "36",
        };
        if self.has_style { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Writes data to standard output. A reader that went away is not an error worth telling.
pub fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
}

/// Writes bytes to standard output as they are.
pub fn out_bytes(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// Writes news to standard error.
pub fn news(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Asks on the terminal; `None` where there is none to ask on. Only a clear yes is one.
pub fn ask(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let is_read = io::stdin().read_line(&mut answer).is_ok();
    Some(is_read && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        for (text, shown) in [
            ("plain\n\ttext", "plain\n\ttext"),
            ("\x1b]52;c;AAAA\x07", "␛]52;c;AAAA␇"),
            ("a\rb\x7f", "a␍b␡"),
            ("\u{9b}31m", "‹U+009B›31m"),
            ("user\u{202e}txt.exe", "user‹U+202E›txt.exe"),
            ("zero\u{200b}width", "zero‹U+200B›width"),
            ("\u{e0041}", "‹U+E0041›"),
        ] {
            assert_eq!(safe(text), shown);
        }
        assert_eq!(safe_line("one\ntwo three", 8), "one⏎two…");
    }
}
