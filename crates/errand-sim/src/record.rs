//! Record mode: the same server with the same checks, but a person (or a program) is the model. Every message request
//! is parked as a readable file until its answer appears as another; what was answered becomes a script that replays.
//!
//! ```text
//! DIR/0001.request.md   written here: what the agent sent, whole for a new conversation, else only what is new
//! DIR/0001.answer       written by you: one step in the script format, without the `===` line
//! DIR/0001.error        written here when the answer could not be read; it waits for a new answer
//! OUT/LABEL.script      grows by one step with each answer
//! ```
//! An answer is taken at once when its last line is `@end`, otherwise when two looks in a row find it unchanged, so a
//! rename into place always works. A request sent again unchanged gets the answer of its first sending. An answer whose
//! only content is a fault is given as often as it says; then the same request is parked anew.

mod cassette;
mod readable;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use tokio::sync::{mpsc, watch};

use self::cassette::Cassettes;
use crate::answer::{self, Answer};
use crate::cache::Plan;
use crate::delivery::{self, Piece};
use crate::refusal::{Checked, Refusal};
use crate::script::{self, Count, FaultKind, Script, Scripts, Step};
use crate::seal::Hash;
use crate::server::{ApiKeys, App, Asked, Latency, Sim, SimError, lock, refusal_of};
use crate::stream::{self as sse, Frame};

const LOOK_EVERY: Duration = Duration::from_millis(50);
const PING_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct RecordOptions {
    /// 0 picks a free port.
    pub port: u16,
    /// Where requests are parked and answers are looked for.
    pub dir: PathBuf,
    /// Where the cassettes go, one `LABEL.script` per conversation.
    pub out: PathBuf,
    pub api_keys: ApiKeys,
    /// How long a streaming request waits before its status line leaves and pings begin. An error answered within
    /// this time is an HTTP status, a later one comes mid-stream. Five seconds suit a person.
    pub hold: Duration,
}

/// Starts the server in record mode. Existing cassettes are never touched: a taken name gets a number.
pub fn start(options: RecordOptions) -> Result<Sim, SimError> {
    let RecordOptions { port, dir, out, api_keys, hold } = options;
    for dir in [&dir, &out] {
        let failed = |source| SimError::Directory { dir: dir.display().to_string(), source };
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    let recorder = Recorder {
        desk: Arc::new(Desk { dir, cassettes: Mutex::new(Cassettes::new(out)) }),
        entries: Mutex::default(),
        n_parked: watch::Sender::new(0),
        hold,
    };
    Sim::serve(port, App::new(Scripts::none(), api_keys, Latency::none(), Some(recorder)))
}

#[derive(Debug)]
pub(crate) struct Recorder {
    desk: Arc<Desk>,
    /// The parked and answered requests, by label and body.
    entries: Mutex<HashMap<Hash, Entry>>,
    n_parked: watch::Sender<usize>,
    hold: Duration,
}

#[derive(Debug)]
struct Entry {
    answered: watch::Receiver<Option<Arc<Step>>>,
    n_attempts: u32,
}

/// The directory with the parked requests, and the cassettes.
#[derive(Debug)]
struct Desk {
    dir: PathBuf,
    cassettes: Mutex<Cassettes>,
}

impl Recorder {
    pub async fn wait_for_parked(&self, n_parked: usize) {
        // The sender lives as long as self, so waiting cannot fail.
        let _ = self.n_parked.subscribe().wait_for(|n| *n >= n_parked).await;
    }

    pub async fn answer(&self, app: &Arc<App>, asked: Asked) -> Checked<Response<Body>> {
        let asked = Arc::new(asked);
        let plan = app.plan_cache(&asked.request);
        let mut answered = self.park(&asked)?;
        let first = if asked.request.streams() {
            tokio::time::timeout(self.hold, next(&mut answered)).await.ok()
        } else {
            Some(next(&mut answered).await)
        };
        let Some(step) = first else {
            return Ok(self.trickle(app, asked, plan, answered));
        };
        let step = step?;
        let fault = self.attempt(&asked, &step);
        match &fault {
            Some(FaultKind::Html { status }) => return Ok(delivery::html(*status)),
            Some(fault) => {
                if let Some(refusal) = refusal_of(fault, asked.request.streams()) {
                    return Err(refusal);
                }
            }
            None => {}
        }
        let answer = build(&asked, &step, &plan).map_err(Refusal::invalid)?;
        app.commit_cache(&plan);
        let (pacing, fault) = (&step.pacing, fault.as_ref());
        if asked.request.streams() {
            let pieces = delivery::streamed(&answer, pacing, &app.latency, fault, &asked.request_id);
            return Ok(delivery::event_stream(delivery::body_of(pieces)));
        }
        Ok(delivery::json(delivery::body_of(delivery::whole(&answer, pacing, fault))))
    }

    /// Finds the entry of this request or parks it under the next number.
    fn park(&self, asked: &Arc<Asked>) -> Checked<watch::Receiver<Option<Arc<Step>>>> {
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(&asked.own) {
            let used_up = entry.answered.borrow().as_ref().is_some_and(|step| only_faults_left(step, entry.n_attempts));
            if !used_up {
                return Ok(entry.answered.clone());
            }
        }
        let number = *self.n_parked.borrow() + 1;
        let (sender, receiver) = watch::channel(None);
        entries.insert(asked.own, Entry { answered: receiver.clone(), n_attempts: 0 });
        self.desk
            .write(&format!("{number:04}.request.md"), &readable::request(number, asked))
            .map_err(|error| Refusal::new(500, "api_error", format!("cannot park the request: {error}")))?;
        tokio::spawn(self.desk.clone().watch(number, asked.clone(), sender));
        self.n_parked.send_replace(number);
        Ok(receiver)
    }

    fn attempt(&self, asked: &Asked, step: &Step) -> Option<FaultKind> {
        let mut entries = lock(&self.entries);
        let entry = entries.get_mut(&asked.own)?;
        entry.n_attempts += 1;
        let n_earlier = entry.n_attempts - 1;
        let script = Script { steps: vec![step.clone()] };
        let shown = answer::shown(&asked.request.body);
        script::choose(&script, &asked.label, step.number, &shown, |_, _: Count| n_earlier).ok()?.fault
    }

    /// A stream that has begun: pings until the answer is there.
    fn trickle(
        &self,
        app: &Arc<App>,
        asked: Arc<Asked>,
        plan: Plan,
        mut answered: watch::Receiver<Option<Arc<Step>>>,
    ) -> Response<Body> {
        let (sender, receiver) = mpsc::channel(1);
        let app = app.clone();
        app.commit_cache(&plan);
        tokio::spawn(async move {
            let begun = Answer::prewarm(&asked.request, asked.own, plan.usage);
            let plain = script::Pacing::default();
            let mut batch = delivery::frames_to_pieces(sse::opening(&begun, &plain), &plain, &app.latency);
            let step = loop {
                batch.push(Piece::Bytes(Frame::ping().render(false)));
                if sender.send(std::mem::take(&mut batch)).await.is_err() {
                    return;
                }
                if let Ok(step) = tokio::time::timeout(PING_EVERY, next(&mut answered)).await {
                    break step;
                }
            };
            let fault = step.as_ref().ok().and_then(|step| app.recorder()?.attempt(&asked, step));
            let frames = match step.and_then(|step| rest_of(&asked, &step, &plan, fault.as_ref())) {
                Ok(frames) => frames,
                Err(refusal) => vec![Frame::event(refusal.body(&asked.request_id))],
            };
            // A client that left in the meantime asks again and gets the answer then.
            let _ = sender.send(delivery::frames_to_pieces(frames, &plain, &app.latency)).await;
        });
        delivery::event_stream(delivery::body_from(receiver))
    }
}

fn rest_of(asked: &Asked, step: &Step, plan: &Plan, fault: Option<&FaultKind>) -> Checked<Vec<Frame>> {
    if let Some(refusal) = fault.and_then(|fault| refusal_of(fault, false)) {
        return Err(refusal);
    }
    let answer = build(asked, step, plan).map_err(Refusal::invalid)?;
    Ok(sse::rest(&answer, &step.pacing))
}

fn only_faults_left(step: &Step, n_attempts: u32) -> bool {
    let n_faulty: u32 = step.faults.iter().map(|fault| fault.times).sum();
    step.parts.is_empty() && step.stop.is_none() && n_attempts >= n_faulty
}

async fn next(answered: &mut watch::Receiver<Option<Arc<Step>>>) -> Checked<Arc<Step>> {
    let gone = || Refusal::new(500, "api_error", "the recorder stopped waiting for an answer");
    let step = answered.wait_for(Option::is_some).await.map_err(|_| gone())?;
    step.clone().ok_or_else(gone)
}

fn build(asked: &Asked, step: &Step, plan: &Plan) -> Result<Answer, String> {
    let body = &asked.request.body;
    let script = Script { steps: vec![Step { faults: Vec::new(), when: Vec::new(), ..step.clone() }] };
    let chosen = script::choose(&script, &asked.label, step.number, &answer::shown(body), |_, _| 0)?;
    Answer::of(&chosen.step, &chosen.vars, &asked.request, asked.own, plan.usage)
}

impl Desk {
    /// Waits for the answer to one parked request, reads it, writes it to the cassette and hands it on.
    async fn watch(self: Arc<Self>, number: usize, asked: Arc<Asked>, answered: watch::Sender<Option<Arc<Step>>>) {
        let name = format!("{number:04}.answer");
        let mut before = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = std::fs::read_to_string(self.dir.join(&name)).ok();
            let Some(text) = now.as_ref().filter(|text| text.trim_end().ends_with("\n@end") || now == before) else {
                before = now;
                continue;
            };
            match self.take(number, &asked, text) {
                Ok(step) => {
                    answered.send_replace(Some(Arc::new(step)));
                    return;
                }
                Err(reason) => {
                    // What cannot be written cannot be reported either; the request stays parked.
                    let _ = std::fs::rename(self.dir.join(&name), self.dir.join(format!("{name}.refused")));
                    let _ = self.write(&format!("{number:04}.error"), &format!("{reason}\n"));
                    before = None;
                }
            }
        }
    }

    fn take(&self, number: usize, asked: &Asked, text: &str) -> Result<Step, String> {
        let mut step = script::parse_answer(text).map_err(|error| error.to_string())?;
        step.number = answer::step_number(&asked.request.body);
        let plan = Plan::nothing();
        build(asked, &step, &plan)?;
        lock(&self.cassettes).append(asked, step.number, text).map_err(|error| format!("cannot record: {error}"))?;
        let _ = std::fs::remove_file(self.dir.join(format!("{number:04}.error")));
        Ok(step)
    }

    /// Whole or not at all, so that a reader never sees half a file.
    fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        let half = self.dir.join(format!(".{name}.half"));
        std::fs::write(&half, text)?;
        std::fs::rename(half, self.dir.join(name))
    }
}
