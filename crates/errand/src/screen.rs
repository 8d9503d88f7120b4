//! Everything a person reads passes here: untrusted text made harmless, styles only where there is a terminal.
//!
//! Two walls. Whoever puts untrusted text into a line makes it [`safe`], and knows how wide it is then. Behind them
//! everything that is written passes [`harmless`], which lets line breaks, tabs and our own styles through and nothing
//! else that acts or hides. Only a patch on a pipe is written as it is: marks in it would be changes of the file.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

/// Text of a repository or a model for a terminal: control characters, bidi and zero-width marks become visible.
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before: Option<char> = None;
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            // The picture of a symbol, as in ⚠️: one of them behind a visible character hides nothing.
            '\u{fe0e}' | '\u{fe0f}' if before.is_some_and(|before| !before.is_ascii() && !is_hidden(before)) => {
                out.push(c)
            }
            c => push_mark(&mut out, c),
        }
        before = Some(c);
    }
    out
}

fn push_mark(out: &mut String, c: char) {
    match c {
        '\u{7f}' => out.push('␡'),
        c if (c as u32) < 0x20 => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('�')),
        // Writing to a String cannot fail.
        c if is_hidden(c) => drop(write!(out, "‹U+{:04X}›", c as u32)),
        c => out.push(c),
    }
}

/// The last wall: text as it goes out, where only our own styles may act.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        let (before, from) = rest.split_at(at);
        out.push_str(&safe(before));
        let style = STYLES.into_iter().find(|style| from.starts_with(style));
        out.push_str(style.unwrap_or("␛"));
        rest = from.get(style.map_or(1, str::len)..).unwrap_or_default();
    }
    out.push_str(&safe(rest));
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

/// C1 controls, line separators, and what Unicode says is not shown: bidi controls, zero-width characters, fillers,
/// variation selectors, tags.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// What [`Screen::paint`] writes.
const STYLES: [&str; 7] = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"];

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
    let text = harmless(text);
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
}

/// Whether a person looks at standard output, and not a program.
pub fn is_watched() -> bool {
    io::stdout().is_terminal()
}

/// Writes a patch to a pipe as it is: a changed byte and it would not apply.
pub fn out_patch(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// Writes news to standard error.
pub fn news(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{}", harmless(text));
}

/// One line at the bottom that is written over; only on a terminal.
pub struct StatusLine {
    is_on: bool,
    is_shown: bool,
    screen: Screen,
}

impl StatusLine {
    pub fn new(screen: &Screen) -> Self {
        Self { is_on: io::stderr().is_terminal(), is_shown: false, screen: *screen }
    }

    pub fn show(&mut self, text: &str) {
        if self.is_on {
            let text = self.screen.paint(Look::Dim, &safe_line(text, self.screen.width.saturating_sub(2)));
            let mut stderr = io::stderr().lock();
            let _ = write!(stderr, "\r\x1b[K{}", harmless(&text)).and_then(|()| stderr.flush());
            self.is_shown = true;
        }
    }

    pub fn clear(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
            self.is_shown = false;
        }
    }
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
            ("⚠\u{fe0f} a\u{fe0f} ⚠\u{fe0f}\u{fe0e}\u{e0100}", "⚠\u{fe0f} a‹U+FE0F› ⚠\u{fe0f}‹U+FE0E›‹U+E0100›"),
        ] {
            assert_eq!(safe(text), shown);
            assert_eq!(safe(&safe(text)), shown);
            assert_eq!(harmless(text), shown);
        }
        assert_eq!(safe_line("one\ntwo three", 8), "one⏎two…");
        let screen = Screen { has_style: true, width: 80 };
        for look in [Look::Plain, Look::Bold, Look::Dim, Look::Good, Look::Bad, Look::Warn, Look::Accent] {
            let painted = screen.paint(look, "x");
            assert_eq!(harmless(&format!("{painted}\x1b[2J\x1b[31;1m\x1b")), format!("{painted}␛[2J␛[31;1m␛"));
        }
    }
}
