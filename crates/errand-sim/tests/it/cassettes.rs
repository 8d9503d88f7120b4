//! Record mode: requests are parked as files, answers are read from files, and what was recorded replays unchanged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use errand_sim::record::{self, RecordOptions};
use errand_sim::{ApiKeys, Scripts, Sim, SimOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Got, assemble, call_ids, events, go_on, hello, post, result, with};

struct Room {
    dir: TempDir,
    sim: Sim,
}

impl Room {
    fn new() -> Room {
        Room::holding(Duration::from_secs(30))
    }

    fn holding(hold: Duration) -> Room {
        let dir = tempfile::tempdir().unwrap();
        let options = RecordOptions {
            port: 0,
            dir: dir.path().join("desk"),
            out: dir.path().join("out"),
            api_keys: ApiKeys::Any,
            hold,
        };
        let sim = record::start(options).unwrap();
        Room { dir, sim }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sends a request and answers it as number `number`.
    async fn exchange(&self, number: usize, body: &Value, answer: &str) -> Got {
        let answered = async {
            self.sim.wait_for_parked(number).await;
            put(&self.path(&format!("desk/{number:04}.answer")), answer);
        };
        tokio::join!(post(&self.sim, body), answered).0
    }
}

fn put(path: &Path, text: &str) {
    let half = path.with_extension("half");
    std::fs::write(&half, text).unwrap();
    std::fs::rename(half, path).unwrap();
}

const FIRST: &str = "@think\nLook first.\n@text\nListing.\n=== not a header\n@call bash\n@arg command = ls\n@arg text\na\n=== b\n@end\n";

#[tokio::test]
async fn record_then_replay() {
    let room = Room::new();
    let body = with(hello(), json!({"stream": true}));
    let first = room.exchange(1, &body, FIRST).await;
    let content = assemble(&events(&first.text()))["content"].clone();
    assert_eq!(content[2]["input"], json!({"command": "ls", "text": "a\n=== b"}));
    let next = go_on(body.clone(), &content, json!([result(&call_ids(&content)[0], "main.rs")]));
    let second = room.exchange(2, &next, "Done.\n").await;

    let page = std::fs::read_to_string(room.path("desk/0001.request.md")).unwrap();
    assert!(page.starts_with("# Request 0001: label default, step 1, claude-sonnet-5-5, streamed\n"), "{page}");
    assert!(page.contains("## System") && page.contains("## Tool bash") && page.contains("hello"));
    let page = std::fs::read_to_string(room.path("desk/0002.request.md")).unwrap();
    assert!(page.contains("main.rs") && !page.contains("## System") && !page.contains("hello"), "{page}");

    let cassette = std::fs::read_to_string(room.path("out/default.script")).unwrap();
    let escaped = FIRST.replace("\n=== ", "\n@=== ");
    assert_eq!(cassette, format!("=== 1\n{escaped}=== 2\nDone.\n"));
    let replay = Sim::start(SimOptions::with(Scripts::from_dir(&room.path("out")).unwrap())).unwrap();
    assert_eq!(post(&replay, &body).await.text(), first.text());
    assert_eq!(post(&replay, &next).await.text(), second.text());
}

#[tokio::test]
async fn a_request_sent_again_gets_the_same_answer() {
    let room = Room::new();
    let first = room.exchange(1, &hello(), "hi\n").await;
    assert_eq!(post(&room.sim, &hello()).await.text(), first.text());
    assert!(!room.path("desk/0002.request.md").exists());
}

#[tokio::test]
async fn a_malformed_answer_is_handed_back() {
    let room = Room::new();
    let answer = room.path("desk/0001.answer");
    let error = room.path("desk/0001.error");
    let body = hello();
    let answering = async {
        room.sim.wait_for_parked(1).await;
        let bad = [
            ("@arg a = b\n", "line 1: no @call before this argument\n"),
            (
                "@expect bye\nhi\n@end\n",
                "script \"default\" step 1 (answer): expected \"bye\"; the agent was shown: hello\n",
            ),
        ];
        for (text, reason) in bad {
            put(&answer, text);
            while std::fs::read_to_string(&error).unwrap_or_default() != reason {
                tokio::task::yield_now().await;
            }
        }
        put(&answer, "hi\n@end\n");
    };
    let both = async { tokio::join!(post(&room.sim, &body), answering) };
    let (got, ()) = tokio::time::timeout(Duration::from_secs(30), both).await.expect("each mistake is reported");
    assert_eq!(got.json()["content"][0]["text"], "hi");
    assert!(!error.exists());
    assert_eq!(std::fs::read_to_string(room.path("out/default.script")).unwrap(), "=== 1\nhi\n@end\n");
}

#[tokio::test]
async fn a_recorded_fault_is_followed_by_the_next_answer() {
    let room = Room::new();
    let failed = room.exchange(1, &hello(), "@error 529 overloaded_error Busy\n").await;
    assert_eq!(failed.error(), (529, "overloaded_error".into(), "Busy".into()));
    let good = room.exchange(2, &hello(), "hi\n").await;
    assert_eq!(good.status, 200);
    let replay = Sim::start(SimOptions::with(Scripts::from_dir(&room.path("out")).unwrap())).unwrap();
    assert_eq!(post(&replay, &hello()).await.error(), failed.error());
    assert_eq!(post(&replay, &hello()).await.text(), good.text());
}

#[tokio::test]
async fn requests_are_checked_and_conversations_kept_apart() {
    let room = Room::new();
    assert_eq!(post(&room.sim, &with(hello(), json!({"max_tokens": null}))).await.status, 400);
    room.exchange(1, &hello(), "one\n").await;
    let other = with(hello(), json!({"messages": [{"role": "user", "content": "another"}]}));
    room.exchange(2, &other, "two\n").await;
    assert_eq!(std::fs::read_to_string(room.path("out/default.script")).unwrap(), "=== 1\none\n");
    assert_eq!(std::fs::read_to_string(room.path("out/default-2.script")).unwrap(), "=== 1\ntwo\n");
}

#[tokio::test]
async fn a_stream_that_began_before_its_answer() {
    let room = Room::holding(Duration::ZERO);
    let body = with(hello(), json!({"stream": true}));
    let got = room.exchange(1, &body, FIRST).await;
    let sent = events(&got.text());
    assert_eq!([sent[0].0.as_str(), sent[1].0.as_str()], ["message_start", "ping"], "pings before the content");
    let replay = Sim::start(SimOptions::with(Scripts::from_dir(&room.path("out")).unwrap())).unwrap();
    assert_eq!(assemble(&sent), assemble(&events(&post(&replay, &body).await.text())));

    let other = with(body, json!({"messages": [{"role": "user", "content": "another"}]}));
    let got = room.exchange(2, &other, "@error 529 overloaded_error Busy\n").await;
    let sent = events(&got.text());
    let (name, data) = sent.last().unwrap();
    assert_eq!((got.status, name.as_str(), &data["error"]["type"]), (200, "error", &json!("overloaded_error")));
}
