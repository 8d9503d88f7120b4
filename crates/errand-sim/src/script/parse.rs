//! The script format, read line by line. The only place that knows how a script is written; what it means is in
//! `script.rs`. Unknown directives are errors, so a misspelt one cannot pass as text.

use std::time::Duration;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Argument, Fault, FaultKind, Input, Let, Part, Script, ScriptError, Step, Stop};

const HEADER: &str = "===";

pub(super) fn parse_script(text: &str) -> Result<Script, ScriptError> {
    let mut steps: Vec<Step> = Vec::new();
    let mut reader: Option<Reader> = None;
    for (index, line) in text.lines().enumerate() {
        let at = index + 1;
        if let Some(title) = header(line) {
            if let Some(done) = reader.take() {
                steps.push(done.finish()?);
            }
            let number = number_of(title, steps.last(), at)?;
            reader = Some(Reader::new(at, number, title));
        } else if let Some(reader) = &mut reader {
            reader.line(at, line)?;
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            return Err(error(at, "a script starts with a line `=== …`; only # comments may come before it"));
        }
    }
    steps.extend(reader.map(Reader::finish).transpose()?);
    if steps.is_empty() {
        return Err(error(1, "a script needs at least one step"));
    }
    if let Some(step) = steps.iter().rev().skip(1).find(|step| step.repeat && step.number != last_number(&steps)) {
        return Err(error(1, format!("step {}: @repeat belongs to the last step", step.number)));
    }
    Ok(Script { steps })
}

/// One step without its header: what record mode reads as an answer. A header line in it is ordinary text.
pub(crate) fn parse_answer(text: &str) -> Result<Step, ScriptError> {
    let mut reader = Reader::new(1, 1, "answer");
    for (index, line) in text.lines().enumerate() {
        reader.line(index + 1, line)?;
    }
    reader.finish()
}

/// An answer as it stands in a cassette: lines that would read as headers are escaped.
pub(crate) fn escape_for_cassette(answer: &str) -> String {
    let lines =
        answer.lines().map(|line| if header(line).is_some() { format!("@{line}\n") } else { format!("{line}\n") });
    lines.collect()
}

fn header(line: &str) -> Option<&str> {
    line.strip_prefix(HEADER).filter(|rest| rest.is_empty() || rest.starts_with(' ')).map(str::trim)
}

fn last_number(steps: &[Step]) -> usize {
    steps.last().map_or(0, |step| step.number)
}

/// A title that starts with a number numbers its step: the same number again is an alternative, one more is the next.
fn number_of(title: &str, before: Option<&Step>, at: usize) -> Result<usize, ScriptError> {
    let last = before.map_or(0, |step| step.number);
    let Ok(number) = title.split_whitespace().next().unwrap_or("").parse::<usize>() else { return Ok(last + 1) };
    let alternative = number == last && last > 0;
    if alternative || number == last + 1 {
        return Ok(number);
    }
    Err(error(at, format!("step {number} cannot follow step {last}")))
}

fn error(line: usize, message: impl Into<String>) -> ScriptError {
    ScriptError { line, message: message.into() }
}

/// Where the following plain lines go.
enum Sink {
    Text,
    Think,
    Argument(String),
    Input,
    Raw,
}

struct Reader {
    step: Step,
    header_line: usize,
    sink: Sink,
    sink_line: usize,
    lines: Vec<String>,
}

impl Reader {
    fn new(header_line: usize, number: usize, title: &str) -> Reader {
        let step = Step { number, title: title.into(), ..Step::default() };
        Reader { step, header_line, sink: Sink::Text, sink_line: header_line, lines: Vec::new() }
    }

    fn line(&mut self, at: usize, line: &str) -> Result<(), ScriptError> {
        if line.starts_with("@@") || line.strip_prefix('@').is_some_and(|rest| header(rest).is_some()) {
            self.lines.push(line[1..].into());
            return Ok(());
        }
        let Some(rest) = line.strip_prefix('@') else {
            self.lines.push(line.into());
            return Ok(());
        };
        self.flush()?;
        self.sink_line = at;
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        self.directive(word, rest.trim_end()).map_err(|message| error(at, message))
    }

    fn flush(&mut self) -> Result<(), ScriptError> {
        let lines = std::mem::take(&mut self.lines);
        let at = self.sink_line;
        let text = lines.join("\n");
        let trimmed = trim_blank_lines(&lines);
        match std::mem::replace(&mut self.sink, Sink::Text) {
            Sink::Text if trimmed.is_empty() => {}
            Sink::Text => self.step.parts.push(Part::Text(trimmed)),
            Sink::Think if trimmed.is_empty() => {
                return Err(error(at, "@think without text; say `@think omitted` for an empty one"));
            }
            Sink::Think => self.step.parts.push(Part::Think(trimmed)),
            Sink::Argument(key) => self.argument(key, Argument::Text(text)).map_err(|message| error(at, message))?,
            Sink::Raw => {
                let body = raw_body(&lines).map_err(|message| error(at, message))?;
                self.step.faults.push(Fault { kind: FaultKind::Raw { body }, times: 1 });
            }
            Sink::Input => {
                let whole = json(&text).map_err(|message| error(at, message))?;
                match &whole {
                    Argument::Json(Value::Object(_)) | Argument::Template(_) => {}
                    _ => return Err(error(at, "@input must be a JSON object")),
                }
                let call = self.call().map_err(|message| error(at, message))?;
                if *call != Input::Fields(Vec::new()) {
                    return Err(error(at, "@input cannot stand beside @arg or @json"));
                }
                *call = Input::Whole(whole);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Step, ScriptError> {
        self.flush()?;
        let step = self.step;
        if step.parts.is_empty() && step.stop.is_none() && step.faults.is_empty() {
            return Err(error(self.header_line, "an empty step; say `@stop end_turn` for an empty answer"));
        }
        Ok(step)
    }

    fn directive(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let step = &mut self.step;
        match word {
            "text" | "end" => need_nothing(word, rest)?,
            "think" => match rest {
                "" => self.sink = Sink::Think,
                "omitted" => step.parts.push(Part::Think(String::new())),
                "redacted" => step.parts.push(Part::ThinkRedacted),
                _ => {
                    return Err("@think takes nothing, `omitted` or `redacted`; its text goes on the next lines".into());
                }
            },
            "call" => {
                let name = need_one(word, rest)?;
                step.parts.push(Part::Call { name, input: Input::Fields(Vec::new()) });
            }
            "arg" => match split_assignment(rest) {
                (key, Some(value)) => self.argument(key.into(), Argument::Text(value.into()))?,
                (key, None) => {
                    self.call()?;
                    self.sink = Sink::Argument(need_one(word, key)?);
                }
            },
            "json" => {
                let (key, value) = split_assignment(rest);
                let value = json(value.ok_or("@json needs `KEY = value` on one line")?)?;
                self.argument(key.into(), value)?;
            }
            "input" => {
                need_nothing(word, rest)?;
                self.call()?;
                self.sink = Sink::Input;
            }
            "stop" | "refusal" | "pause" => self.stop(word, rest)?,
            "expect" => step.expect.push(need(word, rest)?),
            "expect-not" => step.expect_not.push(need(word, rest)?),
            "when" => step.when.push(need(word, rest)?),
            "let" => step.lets.push(parse_let(rest)?),
            "repeat" => {
                need_nothing(word, rest)?;
                step.repeat = true;
            }
            "error" | "retry-after" | "spend-limit" | "cut" | "error-midstream" | "reset" | "html" | "times" => {
                self.fault(word, rest)?;
            }
            "raw" => {
                need_nothing(word, rest)?;
                self.sink = Sink::Raw;
            }
            "delay" => step.pacing.delay = Duration::from_millis(number(word, rest)?),
            "stall" => step.pacing.stall = Duration::from_millis(number(word, rest)?),
            "chunk" => match number(word, rest)? {
                0 => return Err("@chunk needs at least one byte".into()),
                n_bytes => step.pacing.chunk = Some(n_bytes),
            },
            "crlf" => step.pacing.crlf = true,
            "unknown-events" => step.pacing.unknown_events = true,
            "two-message-deltas" => step.pacing.two_message_deltas = true,
            _ => return Err(format!("unknown directive @{word} (a line that starts with @ is written @@)")),
        }
        Ok(())
    }

    fn stop(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let stop = match (word, rest.split_once(' ').unwrap_or((rest, ""))) {
            ("refusal", _) => Stop::Refusal(Some(rest.to_string()).filter(|category| !category.is_empty())),
            ("pause", _) => Stop::Pause(if rest.is_empty() { "more".into() } else { rest.into() }),
            (_, ("stop_sequence", sequence)) => Stop::Sequence(need("stop stop_sequence", sequence)?),
            (_, (_, extra)) if !extra.is_empty() => return Err(format!("unexpected {extra:?} after the stop reason")),
            _ => Stop::Reason(need(word, rest)?),
        };
        if self.step.stop.replace(stop).is_some() {
            return Err("a step stops once: one of @stop, @refusal, @pause".into());
        }
        Ok(())
    }

    fn fault(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let faults = &mut self.step.faults;
        let mut words = rest.splitn(3, ' ');
        let mut next = || words.next().unwrap_or("").to_string();
        let kind = match word {
            "error" => FaultKind::Error {
                status: number(word, &next())?,
                kind: need(word, &next())?,
                message: Some(next()).filter(|message| !message.is_empty()).unwrap_or_else(|| "Scripted error".into()),
                retry_after_s: None,
            },
            "spend-limit" => FaultKind::SpendLimit,
            "cut" => FaultKind::Cut { n_bytes: number(word, rest)? },
            "error-midstream" => {
                let (kind, message) = rest.split_once(' ').unwrap_or((rest, "Overloaded"));
                FaultKind::ErrorMidstream { kind: need(word, kind)?, message: message.into() }
            }
            "reset" => FaultKind::Reset,
            "html" if rest.is_empty() => FaultKind::Html { status: 502 },
            "html" => FaultKind::Html { status: number(word, rest)? },
            "retry-after" => match faults.last_mut() {
                Some(Fault { kind: FaultKind::Error { retry_after_s, .. }, .. }) => {
                    *retry_after_s = Some(number(word, rest)?);
                    return Ok(());
                }
                _ => return Err("@retry-after follows an @error".into()),
            },
            _ => {
                let fault = faults.last_mut().ok_or("@times follows a fault such as @error")?;
                fault.times = number(word, rest)?;
                return Ok(());
            }
        };
        if let FaultKind::Error { status, .. } | FaultKind::Html { status } = &kind
            && !(400..=599).contains(status)
        {
            return Err(format!("@{word} needs a status from 400 to 599"));
        }
        faults.push(Fault { kind, times: 1 });
        Ok(())
    }

    fn call(&mut self) -> Result<&mut Input, String> {
        match self.step.parts.last_mut() {
            Some(Part::Call { input, .. }) => Ok(input),
            _ => Err("no @call before this argument".into()),
        }
    }

    fn argument(&mut self, key: String, value: Argument) -> Result<(), String> {
        let key = need_one("arg", &key)?;
        match self.call()? {
            Input::Whole(_) => Err("@arg and @json cannot stand beside @input".into()),
            Input::Fields(fields) if fields.iter().any(|(known, _)| *known == key) => {
                Err(format!("argument {key} is given twice"))
            }
            Input::Fields(fields) => {
                fields.push((key, value));
                Ok(())
            }
        }
    }
}

/// Every line with its line end; `\xHH` is the byte HH, which no JSON has another use for.
fn raw_body(lines: &[String]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    for line in lines {
        let mut parts = line.split("\\x");
        body.extend(parts.next().unwrap_or_default().bytes());
        for part in parts {
            let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            body.push(byte.ok_or("in @raw lines \\x is followed by two hexadecimal digits")?);
            body.extend(part[2..].bytes());
        }
        body.push(b'\n');
    }
    if body.iter().all(|byte| *byte == b'\n') {
        return Err("@raw needs the lines of a body below it".into());
    }
    Ok(body)
}

fn trim_blank_lines(lines: &[String]) -> String {
    let blank = |line: &String| line.trim().is_empty();
    let start = lines.iter().position(|line| !blank(line)).unwrap_or(lines.len());
    let end = lines.iter().rposition(|line| !blank(line)).map_or(start, |last| last + 1);
    lines[start..end].join("\n")
}

/// `KEY = value`; the value is the rest of the line after one space.
fn split_assignment(rest: &str) -> (&str, Option<&str>) {
    match rest.split_once('=') {
        Some((key, value)) => (key.trim(), Some(value.strip_prefix(' ').unwrap_or(value))),
        None => (rest.trim(), None),
    }
}

fn json(text: &str) -> Result<Argument, String> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(Argument::Json(value)),
        Err(_) if text.contains("{{") => Ok(Argument::Template(text.into())),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

fn parse_let(rest: &str) -> Result<Let, String> {
    let (name, pattern) = split_assignment(rest);
    let name_is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let pattern = pattern.and_then(|text| text.strip_prefix('/')?.strip_suffix('/'));
    let (true, Some(pattern)) = (name_is_plain, pattern) else { return Err("@let is `NAME = /REGEX/`".into()) };
    let regex = Regex::new(pattern).map_err(|error| error.to_string())?;
    if regex.captures_len() < 2 {
        return Err("@let needs a capture group in its regex".into());
    }
    Ok(Let { name: name.into(), regex })
}

fn need(word: &str, rest: &str) -> Result<String, String> {
    if rest.is_empty() { Err(format!("@{word} needs a value")) } else { Ok(rest.into()) }
}

fn need_one(word: &str, rest: &str) -> Result<String, String> {
    if rest.is_empty() || rest.contains(char::is_whitespace) {
        return Err(format!("@{word} needs one name"));
    }
    Ok(rest.into())
}

fn need_nothing(word: &str, rest: &str) -> Result<(), String> {
    if rest.is_empty() { Ok(()) } else { Err(format!("@{word} takes nothing on its line")) }
}

fn number<T: std::str::FromStr>(word: &str, rest: &str) -> Result<T, String> {
    rest.parse().map_err(|_| format!("@{word} needs a number, not {rest:?}"))
}

impl Argument {
    pub(crate) fn resolve(&self, vars: &std::collections::HashMap<String, String>) -> Result<Value, String> {
        match self {
            Argument::Text(text) => Ok(Value::String(super::fill(text, vars))),
            Argument::Json(value) => Ok(fill_strings(value, vars)),
            Argument::Template(text) => {
                let text = super::fill(text, vars);
                serde_json::from_str(&text).map_err(|error| format!("{text:?} is not JSON: {error}"))
            }
        }
    }
}

fn fill_strings(value: &Value, vars: &std::collections::HashMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(super::fill(text, vars)),
        Value::Array(items) => items.iter().map(|item| fill_strings(item, vars)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), fill_strings(value, vars))).collect::<Map<_, _>>().into()
        }
        _ => value.clone(),
    }
}
