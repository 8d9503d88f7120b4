//! Server-sent events from bytes in any chunking.
//!
//! Sans-I/O on purpose: a test feeds single bytes, the client feeds what the socket gives, and the size of an event is
//! checked while it grows. Line ends are LF, CRLF or CR; comments, `id` and `retry` are skipped.

/// One event with data. `name` is empty when the stream did not name it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub name: String,
    pub data: Vec<u8>,
}

/// The event being read is larger than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

pub(crate) struct Parser {
    max_event_bytes: usize,
    line: Vec<u8>,
    name: String,
    data: Vec<u8>,
    has_data: bool,
    /// The byte before was a CR, so a LF now ends nothing.
    after_cr: bool,
    is_first_line: bool,
}

impl Parser {
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            line: Vec::new(),
            name: String::new(),
            data: Vec::new(),
            has_data: false,
            after_cr: false,
            is_first_line: true,
        }
    }

    /// Reads on and adds every completed event to `events`, also when it then fails.
    pub fn feed(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLarge> {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.line.len() + self.data.len() + part.len() > self.max_event_bytes {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(part);
            if let Some((&terminator, rest)) = rest.split_first() {
                self.after_cr = terminator == b'\r';
                self.end_line(events);
                bytes = rest;
            } else {
                bytes = rest;
            }
        }
        Ok(())
    }

    /// At the end of the stream: a last event without its empty line counts too.
    pub fn finish(&mut self, events: &mut Vec<Event>) {
        if !self.line.is_empty() {
            self.end_line(events);
        }
        self.end_event(events);
    }

    fn end_line(&mut self, events: &mut Vec<Event>) {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if std::mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.end_event(events);
            return;
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            _ => {}
        }
    }

    fn end_event(&mut self, events: &mut Vec<Event>) {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.has_data) {
            events.push(Event { name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, chunk: usize) -> Vec<(String, String)> {
        let mut parser = Parser::new(1000);
        let mut events = Vec::new();
        for part in text.as_bytes().chunks(chunk) {
            parser.feed(part, &mut events).unwrap();
        }
        parser.finish(&mut events);
        events.into_iter().map(|event| (event.name, String::from_utf8(event.data).unwrap())).collect()
    }

    #[test]
    fn chunking_and_line_ends_do_not_matter() {
        let text = "\u{feff}event: a\ndata: one\ndata:two\n\n: comment\nid: 7\n\ndata\n\nevent: no data\n\ndata:  x\n";
        let expected = [("a", "one\ntwo"), ("", ""), ("", " x")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        for end in ["\n", "\r\n", "\r"] {
            for chunk in [1, 2, 3, 7, 1000] {
                assert_eq!(parse(&text.replace('\n', end), chunk), expected, "{end:?} {chunk}");
            }
        }
    }

    #[test]
    fn an_event_is_bounded_while_it_grows() {
        let mut parser = Parser::new(20);
        let mut events = Vec::new();
        assert_eq!(parser.feed(b"data: ok\n\ndata: 123456789\n", &mut events), Ok(()));
        assert_eq!(parser.feed(b"data: 123456789\n", &mut events), Err(TooLarge));
        assert_eq!(events.len(), 1);
        assert_eq!(Parser::new(20).feed(&[b'x'; 21], &mut events), Err(TooLarge));
    }
}
