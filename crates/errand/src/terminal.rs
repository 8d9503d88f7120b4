//! What the terminal is: its width and whether colour is wanted.

use std::env;
use std::io;

/// Columns of the terminal on standard output, when it is one.
pub fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col as usize)
}

/// `NO_COLOR` set to anything means no; so does a dumb terminal.
pub fn wants_colour() -> bool {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The verb of the command line, when the first argument can be one.
pub fn first_word() -> Option<String> {
    env::args().nth(1).filter(|word| word.chars().all(|c| c.is_ascii_lowercase()))
}

/// Whether `--json` is on the command line, for mistakes found before it is understood.
pub fn asks_for_json() -> bool {
    env::args().skip(1).take_while(|word| word != "--").any(|word| word == "--json")
}

/// How to call this program in a command that a person can paste.
pub fn own_name() -> String {
    let Ok(own) = env::current_exe() else { return "errand".to_owned() };
    let is_own = |found: std::path::PathBuf| found.canonicalize().ok().as_deref() == Some(own.as_path());
    let in_path = env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| is_own(dir.join("errand"))));
    if in_path {
        return "errand".to_owned();
    }
    let here = env::current_dir().ok().and_then(|here| own.strip_prefix(here).ok().map(|path| path.to_path_buf()));
    match here {
        Some(below) if below.components().count() == 1 => format!("./{}", below.display()),
        Some(below) => below.display().to_string(),
        None => own.display().to_string(),
    }
}
