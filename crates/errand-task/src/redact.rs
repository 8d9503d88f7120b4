//! Keys by value: hides them in every text that is stored, sent on, logged or shown. There is no second way.
//!
//! A key is known as it stands and in the forms programs give it without being asked: in a JSON string, in a URL, in
//! base64 at each of the three alignments. A part of a form counts too, because outputs are cut, folded and split: half of
//! it or [`PART_BYTES`] bytes, whichever is less. So what a cut leaves readable is shorter than that. Other encodings (hex,
//! compressed, reversed, a character a line) are not found: only values we know can be.

use crate::event::{Event, ModelEvent};
use crate::id::Digest;
use crate::text::{Blob, Text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;

/// What stands in place of a key.
pub const MARK: &str = "[redacted key]";
/// Shorter values are placeholders of servers on this machine, such as `local`.
pub const SECRET_BYTES: usize = 8;
/// A part of this length is hidden however long the key is.
pub const PART_BYTES: usize = 16;

/// Looked up at once; a part of [`SECRET_BYTES`] still holds one.
const GRAM_BYTES: usize = 8;
const SIEVE_BITS: u32 = 16;
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Knows keys and takes them out of texts. Zeroed when it goes.
#[derive(Default)]
pub struct Redactor {
    forms: Vec<Form>,
    /// Every eight bytes of every form, sorted, with the form and the place in it.
    grams: Vec<(u64, usize, usize)>,
    /// A bit for each gram: almost everything of an ordinary text ends here.
    sieve: Vec<bool>,
    /// The text is looked at in steps no part can fall between.
    stride: usize,
}

/// A key as some program writes it.
struct Form {
    bytes: Vec<u8>,
    /// The shortest part that counts.
    n_part: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Parts,
    Whole,
}

impl Redactor {
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms: Vec<Vec<u8>> = Vec::new();
        for key in keys.into_iter().filter(|key| key.len() >= SECRET_BYTES) {
            forms.extend(forms_of(key));
        }
        forms.sort_unstable();
        forms.dedup();
        let part = |bytes: Vec<u8>| Form { n_part: (bytes.len() / 2).clamp(GRAM_BYTES, PART_BYTES), bytes };
        let forms: Vec<_> = forms.into_iter().filter(|form| form.len() >= GRAM_BYTES).map(part).collect();
        let mut grams = Vec::new();
        let mut sieve = vec![false; if forms.is_empty() { 0 } else { 1 << SIEVE_BITS }];
        for (index, form) in forms.iter().enumerate() {
            for place in 0..=form.bytes.len() - GRAM_BYTES {
                let Some(gram) = gram(&form.bytes, place) else { continue };
                grams.push((gram, index, place));
                if let Some(bit) = sieve.get_mut(sieve_place(gram)) {
                    *bit = true;
                }
            }
        }
        grams.sort_unstable();
        let n_part = forms.iter().map(|form| form.n_part).min().unwrap_or(GRAM_BYTES);
        Self { forms, grams, sieve, stride: n_part - GRAM_BYTES + 1 }
    }

    /// The text without any key or part of one.
    pub fn hide(&self, text: String) -> String {
        match self.hidden(text.as_bytes(), Extent::Parts) {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => text,
        }
    }

    /// Whether a whole key stands in the text.
    pub fn finds(&self, text: &str) -> bool {
        !self.ranges(text.as_bytes(), Extent::Whole).is_empty()
    }

    /// Events and blobs fit to be folded and stored: every string in them passes, whatever its field.
    ///
    /// What the model said goes back to it as it came, thinking under a signature, so of `content` only whole keys are
    /// taken: an honest endpoint cannot say one, as it was never shown one, and of a dishonest one the key matters more
    /// than the signature.
    pub fn clean(&self, events: Vec<Event>, blobs: Vec<Blob>) -> (Vec<Event>, Vec<Blob>) {
        if self.forms.is_empty() {
            return (events, blobs);
        }
        let verbatim: Vec<_> = events.iter().filter_map(content).cloned().collect();
        let mut moved = BTreeMap::new();
        let clean_blob = |blob: Blob| {
            let is_verbatim =
                verbatim.iter().any(|text| matches!(text, Text::Stored { digest, .. } if *digest == blob.digest));
            let extent = if is_verbatim { Extent::Whole } else { Extent::Parts };
            let Some(bytes) = self.hidden(&blob.bytes, extent) else { return blob };
            let digest = Digest::of(&bytes);
            moved.insert(blob.digest, Text::Stored { digest: digest.clone(), n_bytes: bytes.len() as u64 });
            Blob { digest, bytes }
        };
        let blobs: Vec<_> = blobs.into_iter().map(clean_blob).collect();
        (events.into_iter().map(|event| self.clean_event(event, &moved)).collect(), blobs)
    }

    fn clean_event(&self, event: Event, moved: &BTreeMap<Digest, Text>) -> Event {
        let content = content(&event).cloned();
        let Ok(json) = serde_json::to_string(&event) else { return event };
        let is_moved = moved.keys().any(|digest| json.contains(digest.as_str()));
        if !is_moved && self.ranges(json.as_bytes(), Extent::Parts).is_empty() {
            return event;
        }
        let cleaned = |spares: fn(&str) -> bool| {
            let mut value: Value = serde_json::from_str(&json).ok()?;
            self.clean_value(&mut value, moved, spares);
            serde_json::from_value::<Event>(value).ok()
        };
        // A key that is one of our own words, such as the name of a variant, is no secret where it stands for that.
        let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let mut clean = cleaned(|_| false).or_else(|| cleaned(is_word)).unwrap_or(event);
        if let (Event::Model(ModelEvent::Received { content: now, .. }), Some(Text::Inline(text))) =
            (&mut clean, content)
        {
            *now = Text::Inline(match self.hidden(text.as_bytes(), Extent::Whole) {
                Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                None => text,
            });
        }
        clean
    }

    fn clean_value(&self, value: &mut Value, moved: &BTreeMap<Digest, Text>, spares: fn(&str) -> bool) {
        match value {
            Value::String(text) if !spares(text) => *text = self.hide(std::mem::take(text)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_value(item, moved, spares)),
            Value::Object(fields) => {
                let digest = fields.get("stored").and_then(|stored| stored.get("digest")?.as_str());
                match digest.map(Digest::new).and_then(|digest| moved.get(&digest)).map(serde_json::to_value) {
                    Some(Ok(text)) => *value = text,
                    Some(Err(_)) | None => {
                        fields.values_mut().for_each(|field| self.clean_value(field, moved, spares));
                    }
                }
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The bytes with marks, if there is anything to hide.
    fn hidden(&self, text: &[u8], extent: Extent) -> Option<Vec<u8>> {
        let ranges = self.ranges(text, extent);
        if ranges.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        for range in ranges {
            out.extend_from_slice(text.get(at..range.start).unwrap_or_default());
            out.extend_from_slice(MARK.as_bytes());
            at = range.end;
        }
        out.extend_from_slice(text.get(at..).unwrap_or_default());
        Some(out)
    }

    /// Where something is to be hidden: in order, apart from each other, at the borders of characters.
    fn ranges(&self, text: &[u8], extent: Extent) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        if self.forms.is_empty() {
            return found;
        }
        let mut at = 0;
        while let Some(here) = gram(text, at) {
            if self.sieve.get(sieve_place(here)) == Some(&true) {
                let first = self.grams.partition_point(|(gram, ..)| *gram < here);
                let same = self.grams.iter().skip(first).take_while(|(gram, ..)| *gram == here);
                for &(_, form, place) in same {
                    let Some(form) = self.forms.get(form) else { continue };
                    let range = grown(text, at, &form.bytes, place);
                    let wanted = if extent == Extent::Whole { form.bytes.len() } else { form.n_part };
                    if range.len() >= wanted {
                        found.push(whole_characters(text, range));
                    }
                }
            }
            at += self.stride;
        }
        found.sort_unstable_by_key(|range| range.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for range in found {
            match apart.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => apart.push(range),
            }
        }
        apart
    }
}

impl Drop for Redactor {
    fn drop(&mut self) {
        self.forms.iter_mut().for_each(|form| form.bytes.fill(0));
        self.grams.fill((0, 0, 0));
        // Or the compiler may leave the writes out.
        std::hint::black_box((&self.forms, &self.grams));
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} forms)", self.forms.len())
    }
}

/// What the model said, which goes back to it.
fn content(event: &Event) -> Option<&Text> {
    match event {
        Event::Model(ModelEvent::Received { content, .. }) => Some(content),
        Event::Task(_)
        | Event::Person(_)
        | Event::Workspace(_)
        | Event::Model(_)
        | Event::Tool(_)
        | Event::Check(_)
        | Event::Finish(_)
        | Event::Review(_) => None,
    }
}

fn gram(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk: &[u8; GRAM_BYTES]| u64::from_le_bytes(*chunk))
}

fn sieve_place(gram: u64) -> usize {
    (gram.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SIEVE_BITS)) as usize
}

/// The longest part of `form` that stands in `text` where both have the same gram.
fn grown(text: &[u8], at: usize, form: &[u8], place: usize) -> Range<usize> {
    let (form_before, form_on) = form.split_at(place);
    let (text_before, text_on) = text.split_at(at);
    let n_before = form_before.iter().rev().zip(text_before.iter().rev()).take_while(|(a, b)| a == b).count();
    let n_after = form_on.iter().zip(text_on).take_while(|(a, b)| a == b).count();
    at - n_before..at + n_after
}

/// The range without half characters at its ends.
fn whole_characters(text: &[u8], range: Range<usize>) -> Range<usize> {
    let is_inside = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let start = (0..=range.start).rev().find(|at| !is_inside(at)).unwrap_or(0);
    let end = (range.end..text.len()).find(|at| !is_inside(at)).unwrap_or(text.len());
    start..end
}

/// The key as it stands, in JSON, in a URL, in base64.
fn forms_of(key: &str) -> Vec<Vec<u8>> {
    let json = Value::from(key).to_string();
    let mut forms = vec![key.as_bytes().to_vec(), json.trim_matches('"').as_bytes().to_vec()];
    forms.extend([percent(key, "0123456789ABCDEF"), percent(key, "0123456789abcdef")]);
    for alphabet in [STANDARD, FOR_URLS] {
        forms.extend((0..3).map(|n_before| base64(key.as_bytes(), n_before, alphabet)));
    }
    forms
}

fn percent(key: &str, digits: &str) -> Vec<u8> {
    let digit = |value: u8| digits.as_bytes().get(usize::from(value)).copied();
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => [Some(byte), None, None],
        _ => [Some(b'%'), digit(byte >> 4), digit(byte & 15)],
    };
    key.bytes().flat_map(escape).flatten().collect()
}

/// What of the base64 of a text with the key behind `n_before` other bytes depends on the key alone.
fn base64(key: &[u8], n_before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let digits = (8 * n_before).div_ceil(6)..8 * (n_before + key.len()) / 6;
    let digit = |index: usize| {
        let bit = 6 * index - 8 * n_before;
        let byte = |at: usize| key.get(at).copied().unwrap_or(0);
        let pair = u16::from_be_bytes([byte(bit / 8), byte(bit / 8 + 1)]);
        alphabet.get(usize::from(pair >> (10 - bit % 8) & 63)).copied()
    };
    digits.filter_map(digit).collect()
}
