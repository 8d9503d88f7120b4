//! Keys in texts, events and blobs: what is hidden, what stays as it was.

use crate::life::*;
use errand_task::event::{Event, ModelEvent, PersonEvent, ToolEvent};
use errand_task::facts::Stop;
use errand_task::id::CallId;
use errand_task::redact::{MARK, Redactor};
use errand_task::text::{Blob, Text};

const KEY: &str = "sk-ant-api03-Xq7_Zr2bN9wLk4TdVh8-JpYc5sGmEa3uRfQoWi6B-tHxAA";

fn redactor() -> Redactor {
    Redactor::of([KEY, "local"])
}

#[track_caller]
fn check(text: &str, hidden: &str) {
    assert_eq!(redactor().hide(text.to_owned()), hidden);
}

#[test]
fn the_key_is_found_wherever_it_stands() {
    check("nothing of the kind, not even local or sk-ant-api03", "nothing of the kind, not even local or sk-ant-api03");
    check(KEY, MARK);
    check(&format!("ä{KEY}ö{KEY}{KEY}"), &format!("ä{MARK}ö{MARK}{MARK}"));
    for n_before in 0..40 {
        let before = "x".repeat(n_before);
        check(&format!("{before}{KEY}"), &format!("{before}{MARK}"));
        check(&format!("{before}{} {KEY}.", &KEY[..20]), &format!("{before}{MARK} {MARK}."));
    }
}

#[test]
fn a_part_is_enough_and_what_a_cut_leaves_is_short() {
    for cut in 0..=KEY.len() {
        let (first, second) = KEY.split_at(cut);
        let shown = redactor().hide(format!("…{first}\n")) + &redactor().hide(format!("\n{second}…"));
        for part in KEY.as_bytes().windows(16) {
            assert!(!shown.contains(std::str::from_utf8(part).unwrap()), "{cut}: {shown}");
        }
    }
    // Half of a short key.
    let short = Redactor::of(["0123456789abcdefghij"]);
    assert_eq!(short.hide("x0123456789y abcdefghi".to_owned()), format!("x{MARK}y abcdefghi"));
    assert_eq!(Redactor::of(["12345678"]).hide("12345678 1234567".to_owned()), format!("{MARK} 1234567"));
    assert_eq!(Redactor::of(["1234567"]).hide("1234567".to_owned()), "1234567");
}

#[test]
fn encodings_are_found_at_every_alignment() {
    let odd = "p\"q\\r ü/+secret value=end";
    let redactor = Redactor::of([odd]);
    for text in [
        serde_json::json!({ "k": odd }).to_string(),
        "?key=p%22q%5Cr%20%C3%BC%2F%2Bsecret%20value%3Dend&x".to_owned(),
        "?key=p%22q%5cr%20%c3%bc%2f%2bsecret%20value%3dend&x".to_owned(),
    ] {
        let hidden = redactor.hide(text.clone());
        assert!(hidden.contains(MARK) && !hidden.contains("secret"), "{text} became {hidden}");
    }
    // `printf "x…$KEY" | base64`, with 0 to 5 bytes before it.
    for n_before in 0..6 {
        let text = base64(format!("{}{KEY} and more", "x".repeat(n_before)).as_bytes());
        let hidden = self::redactor().hide(text.clone());
        assert!(hidden.contains(MARK) && hidden.len() < text.len() - KEY.len(), "{text} became {hidden}");
    }
}

/// Plain and slow, to compare with.
fn base64(bytes: &[u8]) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digit =
        |six: &[u8]| alphabet[six.iter().chain([0; 5].iter()).take(6).fold(0, |n, bit| n * 2 + usize::from(*bit))];
    bits.chunks(6).map(digit).collect()
}

#[test]
fn characters_stay_whole() {
    let redactor = Redactor::of(["schlüsselwörter"]);
    for text in ["ü schlüsselwörter ü", "lüsselwö", "xüsselwörtüx"] {
        let hidden = redactor.hide(text.to_owned());
        assert!(hidden.contains(MARK) && !hidden.contains('\u{fffd}'), "{hidden}");
    }
}

#[test]
fn events_and_their_blobs_are_cleaned_together() {
    let long = format!("{}{KEY}", "line\n".repeat(200));
    let mut blobs = Vec::new();
    let ended = Event::Tool(ToolEvent::Ended {
        call: CallId::new("c1"),
        output: Text::store(long.clone(), &mut blobs),
        is_error: false,
        runs: Vec::new(),
        changed: vec![format!("{KEY}.txt"), "plain.txt".to_owned()],
        duration_ms: 1,
    });
    let said = Event::Person(PersonEvent::Replied { text: format!("use {KEY}") });
    let untouched = Event::Person(PersonEvent::Replied { text: "go on".to_owned() });
    let (events, blobs) = redactor().clean(vec![ended, said, untouched.clone()], blobs);
    let mut expected = Vec::new();
    let clean = Event::Tool(ToolEvent::Ended {
        call: CallId::new("c1"),
        output: Text::store(long.replace(KEY, MARK), &mut expected),
        is_error: false,
        runs: Vec::new(),
        changed: vec![format!("{MARK}.txt"), "plain.txt".to_owned()],
        duration_ms: 1,
    });
    assert_eq!(events, [clean, Event::Person(PersonEvent::Replied { text: format!("use {MARK}") }), untouched]);
    assert_eq!(blobs, expected);
}

#[test]
fn what_the_model_said_loses_whole_keys_only() {
    let part = &KEY[..20];
    for padding in [0, 600] {
        let said = format!(r#"[{{"type":"text","text":"{part} {KEY}{}"}}]"#, "x".repeat(padding));
        let mut blobs: Vec<Blob> = Vec::new();
        let mut event = received(1, &[], Stop::EndTurn);
        let Event::Model(ModelEvent::Received { content, text, .. }) = &mut event else { panic!("{event:?}") };
        *content = Text::store(said.clone(), &mut blobs);
        *text = Text::inline(part);
        let (events, blobs) = redactor().clean(vec![event], blobs);
        let Event::Model(ModelEvent::Received { content, text, .. }) = &events[0] else { panic!("{events:?}") };
        assert_eq!(*text, Text::inline(MARK));
        let mut expected = Vec::new();
        assert_eq!(*content, Text::store(said.replace(KEY, MARK), &mut expected));
        assert_eq!(blobs, expected);
    }
}

#[test]
fn a_key_that_is_one_of_our_words_breaks_no_event() {
    let redactor = Redactor::of(["stop_requested", "replied_", "input_required"]);
    let events = vec![stop(), Event::Person(PersonEvent::Replied { text: "it is stop_requested!".to_owned() })];
    let (clean, _) = redactor.clean(events, Vec::new());
    assert_eq!(clean, [stop(), Event::Person(PersonEvent::Replied { text: format!("it is {MARK}!") })]);
}
