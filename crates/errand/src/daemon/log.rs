//! The daemon's log: what it traces and what it panics of, without keys, harmless on a terminal.

use crate::screen::safe;
use errand_runner::secrets::Secrets;
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;

/// From now on everything traced stands on standard error, which is the log file.
pub fn begin(secrets: Secrets) {
    tracing_subscriber::fmt().with_writer(Log(secrets)).with_target(false).with_ansi(false).init();
    // A panic may quote any value.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

struct Log(Secrets);

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { secrets: &self.0, text: Vec::new() }
    }
}

/// One traced event, written whole.
struct Line<'a> {
    secrets: &'a Secrets,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = self.secrets.redactor().hide(String::from_utf8_lossy(&self.text).into_owned());
        // A log that cannot be written is no reason to stop working.
        let _ = io::stderr().lock().write_all(safe(&text).as_bytes());
    }
}
