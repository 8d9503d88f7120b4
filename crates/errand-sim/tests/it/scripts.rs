//! The script format: what it means when it is right, and where it says what is wrong.

use errand_sim::{Script, Scripts, Sim, SimOptions};
use serde_json::{Value, json};

use crate::client::{HEADERS, call_ids, go_on, hello, post, post_to, result, sim, with};

#[test]
fn mistakes_are_named_with_their_line() {
    let cases = [
        ("", 1, "at least one step"),
        ("hello\n=== 1\nhi\n", 1, "starts with a line"),
        ("# a comment\n\n=== 1\n\n=== 2\nhi\n", 3, "empty step"),
        ("=== 1\nhi\n=== 3\nhi\n", 3, "step 3 cannot follow step 1"),
        ("=== 1\n@cal bash\n", 2, "unknown directive @cal"),
        ("=== 1\n@call\n", 2, "needs one name"),
        ("=== 1\n@arg a = b\n", 2, "no @call before"),
        ("=== 1\n@call bash\n@arg a = b\n@arg a = c\n", 4, "given twice"),
        ("=== 1\n@call bash\n@json a = {\n", 3, "not JSON"),
        ("=== 1\n@call bash\n@input\n[1]\n", 3, "JSON object"),
        ("=== 1\n@call bash\n@arg a = b\n@input\n{}\n", 4, "cannot stand beside"),
        ("=== 1\n@let X = [a]\nhi\n", 2, "NAME = /REGEX/"),
        ("=== 1\n@let X = /a/\nhi\n", 2, "capture group"),
        ("=== 1\n@let X = /(a/\nhi\n", 2, "unclosed group"),
        ("=== 1\n@stop end_turn\n@refusal\n", 3, "stops once"),
        ("=== 1\n@times 2\nhi\n", 2, "follows a fault"),
        ("=== 1\n@reset\n@retry-after 3\nhi\n", 3, "follows an @error"),
        ("=== 1\n@error 200 fine\n", 2, "from 400 to 599"),
        ("=== 1\n@error soon api_error\n", 2, "needs a number"),
        ("=== 1\n@think\n@call bash\n", 2, "@think without text"),
        ("=== 1\n@repeat\nhi\n=== 2\nhi\n", 1, "belongs to the last step"),
    ];
    for (text, line, fragment) in cases {
        let error = Script::parse(text).unwrap_err();
        assert!(error.line == line && error.message.contains(fragment), "{text:?}: {error}");
    }
}

#[test]
fn the_example_of_the_readme_is_a_script() {
    let readme = include_str!("../../README.md");
    let (_, example) = readme.split_once("```text\n").unwrap();
    let script = Script::parse(example.split_once("```").unwrap().0).unwrap();
    assert_eq!(script.n_steps(), 3);
}

async fn content(script: &str) -> Value {
    post(&sim(script), &hello()).await.json()["content"].clone()
}

#[tokio::test]
async fn texts_and_arguments() {
    let text = |text: &str| json!({"type": "text", "text": text, "citations": null});
    assert_eq!(content("# why\n=== 1 greet\n\n  two\n\nlines \n\n").await, json!([text("  two\n\nlines ")]));
    assert_eq!(content("=== 1\na\n@text\nb\n@@text\n@=== c\n").await, json!([text("a"), text("b\n@text\n=== c")]));
    assert_eq!(content("=== 1\nkeep {{braces}} {{ and }} {\n").await, json!([text("keep {{braces}} {{ and }} {")]));
    let inputs = content(
        "=== 1\n@call bash\n@arg a = x = y\n@arg empty =\n@arg block\n\n  one\n@@two\n\n@json n = 3\n@call bash\n@input\n{\"q\": [1]}\n",
    )
    .await;
    assert_eq!(inputs[0]["input"], json!({"a": "x = y", "empty": "", "block": "\n  one\n@two\n", "n": 3}));
    assert_eq!(inputs[1]["input"], json!({"q": [1]}));
}

#[tokio::test]
async fn expectations_fail_loudly() {
    let script = "=== 1 greet\n@expect hello\n@expect-not bye\nhi\n=== 2\n@expect exit 0\nok\n";
    let sim = sim(script);
    assert_eq!(post(&sim, &hello()).await.status, 200);
    let say = |text: &str| with(hello(), json!({"messages": [{"role": "user", "content": text}]}));
    let refused = async |body: Value| {
        let got = post(&sim, &body).await;
        assert_eq!((got.status, got.error().1.as_str()), (400, "invalid_request_error"));
        got.error().2
    };
    assert_eq!(
        refused(say("good day")).await,
        "script \"default\" step 1 (1 greet): expected \"hello\"; the agent was shown: good day"
    );
    assert_eq!(
        refused(say("hello and bye")).await,
        "script \"default\" step 1 (1 greet): did not expect \"bye\"; the agent was shown: hello and bye"
    );
    let long = refused(say(&"ä".repeat(1000))).await;
    assert!(long.ends_with(&format!("shown: {}", "ä".repeat(400))));
    let second = go_on(hello(), &json!("hi"), json!("exit 1"));
    assert!(refused(second).await.ends_with("expected \"exit 0\"; the agent was shown: exit 1"), "only what is new");
    assert_eq!(post(&sim, &go_on(hello(), &json!("hi"), json!("exit 0"))).await.status, 200);
}

#[tokio::test]
async fn variables_come_from_what_was_shown() {
    let script = "=== 1\n@call bash\n=== 2\n@let HASH = /commit ([0-9a-f]+)/\n@let N = /(\\d+) lines/\n@let WHO = /I am (\\w+)/\n\
                  {{WHO}} saw {{HASH}}\n@call bash\n@arg command = git show {{HASH}}\n@json n = {{N}}\n@input_free\n";
    let script = script.replace("@input_free\n", "");
    let sim = sim(&script);
    let start = with(hello(), json!({"messages": [{"role": "user", "content": "I am Ada"}]}));
    let first = post(&sim, &start).await.json()["content"].clone();
    let next = |output: &str| go_on(start.clone(), &first, json!([result(&call_ids(&first)[0], output)]));
    let second = post(&sim, &next("commit abc12\n7 lines\ncommit fff")).await.json()["content"].clone();
    assert_eq!(second[0]["text"], "Ada saw abc12");
    assert_eq!(second[1]["input"], json!({"command": "git show abc12", "n": 7}));
    let got = post(&sim, &next("nothing of the kind")).await;
    assert!(got.status == 400 && got.error().2.contains("nothing matches @let HASH = /commit ([0-9a-f]+)/"), "{got:?}");
}

#[tokio::test]
async fn alternatives_and_the_end() {
    let script = "=== 1 when red\n@when red\n@when light\nstop\n=== 1 when green\n@when green\ngo\n=== 2\nbye\n";
    let sim = sim(script);
    let say = |text: &str| with(hello(), json!({"messages": [{"role": "user", "content": text}]}));
    let answer = async |body: Value| post(&sim, &body).await.json()["content"][0]["text"].clone();
    assert_eq!((answer(say("red light")).await, answer(say("green")).await), (json!("stop"), json!("go")));
    assert!(post(&sim, &say("red")).await.error().2.contains("no alternative fits"));
    let third = go_on(go_on(say("green"), &json!("go"), json!("b")), &json!("bye"), json!("c"));
    assert_eq!(post(&sim, &third).await.error().2, "script \"default\" has 2 steps, but the request asks for step 3");
    let repeated = crate::client::sim("=== 1\none\n=== 2\nagain\n@repeat\n");
    assert_eq!(post(&repeated, &third).await.json()["content"][0]["text"], "again");
}

#[tokio::test]
async fn scripts_by_label_and_what_was_captured() {
    let scripts = Scripts::none().with("a", Script::parse("=== 1\nfrom a\n").unwrap());
    let sim = Sim::start(SimOptions::with(scripts)).unwrap();
    sim.insert_script("b", Script::parse("=== 1\nfrom b\n").unwrap());
    let ask = async |label: &str| {
        let url = format!("{}/{label}/v1/messages", sim.base_url());
        post_to(url, &HEADERS, hello().to_string().into()).await.unwrap().json()["content"][0]["text"].clone()
    };
    assert_eq!((ask("a").await, ask("b").await), (json!("from a"), json!("from b")));
    sim.wait_for_requests(2).await;
    let all = sim.requests();
    let seen: Vec<_> = all.iter().map(|r| (r.method.as_str(), r.path.as_str(), r.status)).collect();
    assert_eq!(seen, [("POST", "/a/v1/messages", Some(200)), ("POST", "/b/v1/messages", Some(200))]);
    assert_eq!((all[0].header("anthropic-version"), all[0].json()), (Some("2026-10-21"), hello()));
    assert_eq!(all[0].body, hello().to_string().into_bytes());
}

#[test]
fn scripts_of_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("one.script"), "=== 1\nhi\n").unwrap();
    std::fs::write(dir.path().join("notes.txt"), "no script").unwrap();
    assert!(format!("{:?}", Scripts::from_dir(dir.path()).unwrap()).contains("\"one\""));
    std::fs::write(dir.path().join("two.script"), "hi\n").unwrap();
    assert!(Scripts::from_dir(dir.path()).unwrap_err().to_string().contains("two.script: line 1: "));
}
