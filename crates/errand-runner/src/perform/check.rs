//! Runs a check of the contract: on the base in the workspace, or on a clean checkout of a tree. Setup commands run here
//! too: each by itself in the workspace, all of them in every clean checkout before its first check.

use super::{Desk, Failed, blocking};
use errand_task::contract::{Baseline, Check, Contract};
use errand_task::event::{CheckEvent, Event};
use errand_task::facts::{ChangeKind, CheckRecord, Phase, RunEnd};
use errand_task::id::TreeId;
use errand_task::network::{self, Name};
use errand_task::state::State;
use errand_task::test_paths;
use errand_task::text::{Blob, Text};
use errand_tools::{check_excerpt, test_totals};
use errand_workspace::command;
use errand_workspace::diff::mix_trees;
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::workspace::Workspace;
use std::sync::Arc;
use std::time::Duration;

/// Wall time of one run of the regression command or a setup command, in seconds; what a check gets by itself.
const TIMEOUT_S: u32 = 600;

/// A clean checkout of a tree.
#[derive(Clone)]
pub(super) struct Checkout {
    tree: TreeId,
    workspace: Arc<Workspace>,
    /// The setup command that failed in it: no check can say anything there.
    broken: Option<(CheckRecord, Vec<Blob>)>,
}

impl Desk {
    pub(super) async fn check(&mut self, state: &State, phase: Phase, index: u32) -> Result<(), Failed> {
        let contract = state.contract();
        let at = index as usize;
        let check = match phase {
            Phase::Setup => contract.setup.get(at).map(|command| once(command)),
            Phase::Baseline | Phase::Result => contract.checks.get(at).cloned(),
            Phase::RegressionOld | Phase::RegressionNew => contract.regression.as_ref().map(|command| once(command)),
        };
        let check = check.ok_or_else(|| Failed::internal("the contract has no such check"))?;
        let started = CheckEvent::Started { phase, index, command: check.run.clone() };
        self.live.intend(Event::Check(started)).await?;
        let checkout = match phase {
            Phase::Setup | Phase::Baseline => {
                let workspace = Arc::clone(&self.tools(state).await?.workspace);
                Checkout { tree: workspace.base().clone(), workspace, broken: None }
            }
            Phase::Result | Phase::RegressionNew => self.checkout(state, &result_tree(state)?).await?,
            Phase::RegressionOld => match self.old_code_with_new_tests(state).await? {
                Ok(tree) => self.checkout(state, &tree).await?,
                Err(text) => return self.not_provable(text).await,
            },
        };
        let Checkout { tree, workspace, broken } = checkout;
        let (record, blobs) = match broken {
            Some((setup, _)) if phase == Phase::RegressionOld => {
                return self.not_provable(format!("the old code cannot be tested: {}", setup.excerpt.trim_end())).await;
            }
            Some((setup, blobs)) => (CheckRecord { phase, index, command: check.run.clone(), ..setup }, blobs),
            None => self.run_check(state, phase, index, &check, &workspace, tree).await,
        };
        let is_last_setup = at + 1 == contract.setup.len() || !record.is_green();
        if phase == Phase::Baseline || phase == Phase::Setup && is_last_setup {
            // What these wrote is not the task's work; build output that is ignored stays and keeps builds warm. One setup
            // command may build on what another wrote.
            let workspace = Arc::clone(&workspace);
            blocking(move || workspace.restore(&workspace.base().clone())).await?.map_err(Failed::internal)?;
        }
        if phase == Phase::RegressionOld && !record.is_green() && did_not_build(&record.excerpt) {
            let text = format!(
                "the new tests do not build on the old code, so that they are red there proves nothing; write them against \
                 what the old code has:\n{}",
                record.excerpt.trim_end()
            );
            return self.not_provable(text).await;
        }
        self.live.note(vec![Event::Check(CheckEvent::Ended { record })], blobs).await;
        Ok(())
    }

    async fn not_provable(&self, text: String) -> Result<(), Failed> {
        let event = Event::Check(CheckEvent::RegressionNotProvable { text });
        self.live.note(vec![event], Vec::new()).await;
        Ok(())
    }

    async fn run_check(
        &self,
        state: &State,
        phase: Phase,
        index: u32,
        check: &Check,
        workspace: &Workspace,
        tree: TreeId,
    ) -> (CheckRecord, Vec<Blob>) {
        let progress = self.shared.progress(&state.id);
        // One run tells whether the base is green; how often a flaky check fails there is worth measuring.
        let n_wanted = match (phase, check.baseline) {
            (Phase::Baseline, Baseline::MustPass) => 1,
            _ => check.repeat,
        };
        let stops_at_red = phase != Phase::Baseline;
        let (mut n_runs, mut n_failed, mut duration) = (0, 0, Duration::ZERO);
        let mut shown: Option<(RunEnd, String)> = None;
        let (names, mut used) = (reachable(state.contract(), phase), Vec::new());
        while n_runs < n_wanted && !(stops_at_red && n_failed > 0) {
            progress.say(format!("check {}/{n_wanted}: {}", n_runs + 1, check.run));
            let limits = Limits::of(Duration::from_secs(u64::from(check.timeout_s)));
            let plan = self.shared.sandbox.shell(workspace, &check.run, limits).reaching(names.clone());
            let finished = command::run(&self.shared.sandbox, plan).finished().await;
            n_runs += 1;
            network::add_up(&mut used, &finished.network);
            duration += finished.duration;
            let is_red = !finished.end.is_success();
            n_failed += u32::from(is_red);
            if shown.as_ref().is_none_or(|(end, _)| end.is_success()) {
                let output = String::from_utf8_lossy(&finished.output).into_owned();
                shown = Some((finished.end.clone(), output));
            }
            // A command that cannot start will not start twenty times.
            if matches!(finished.end, RunEnd::NotStarted { .. } | RunEnd::Exited { code: 126 | 127 }) {
                break;
            }
        }
        let (end, output) = shown.unwrap_or((RunEnd::Interrupted, String::new()));
        let mut blobs = Vec::new();
        let excerpt = if n_failed > 0 { check_excerpt(&output) } else { String::new() };
        let record = CheckRecord {
            phase,
            index,
            command: check.run.clone(),
            tree,
            n_runs,
            n_failed,
            end,
            duration_ms: duration.as_millis() as u64,
            totals: test_totals(&output),
            log: Text::store(output, &mut blobs),
            excerpt,
            network: used,
        };
        (record, blobs)
    }

    /// A clean checkout of the tree, set up; the one of the last check is used again for the same tree.
    async fn checkout(&mut self, state: &State, tree: &TreeId) -> Result<Checkout, Failed> {
        if let Some(checkout) = self.checkout.as_ref().filter(|checkout| checkout.tree == *tree) {
            return Ok(checkout.clone());
        }
        self.shared.progress(&state.id).say("laying out a clean checkout of the result");
        self.checkout = None;
        let ground = self.tools(state).await?.workspace.ground();
        let sandbox = Arc::clone(&self.shared.sandbox);
        let (home, dir, wanted) = (self.shared.home.clone(), self.checks_dir(state), tree.clone());
        let made = blocking(move || {
            errand_workspace::state_dir::discard(&home, &dir).map_err(|error| error.to_string())?;
            Workspace::create(&sandbox, &ground, &wanted, &dir).map_err(|error| error.to_string())
        });
        let workspace = Arc::new(made.await?.map_err(Failed::Internal)?);
        let broken = self.set_up(state, &workspace, tree).await?;
        let checkout = Checkout { tree: tree.clone(), workspace, broken };
        self.checkout = Some(checkout.clone());
        Ok(checkout)
    }

    /// Runs the setup commands in a clean checkout and puts the files of the tree back as they were. Answers with the
    /// first command that failed, worded for the check that cannot run.
    pub(super) async fn set_up(
        &self,
        state: &State,
        workspace: &Arc<Workspace>,
        tree: &TreeId,
    ) -> Result<Option<(CheckRecord, Vec<Blob>)>, Failed> {
        let commands = &state.contract().setup;
        for (index, command) in (0..).zip(commands) {
            let setup = once(command);
            let (mut record, blobs) = self.run_check(state, Phase::Setup, index, &setup, workspace, tree.clone()).await;
            if !record.is_green() {
                record.excerpt = format!(
                    "the setup command `{command}` failed in the clean checkout ({}), so nothing was checked there:\n{}",
                    record.end.headline(),
                    record.excerpt
                );
                return Ok(Some((record, blobs)));
            }
        }
        if !commands.is_empty() {
            let (workspace, tree) = (Arc::clone(workspace), tree.clone());
            blocking(move || workspace.restore(&tree)).await?.map_err(Failed::internal)?;
        }
        Ok(None)
    }

    pub(super) fn checks_dir(&self, state: &State) -> std::path::PathBuf {
        self.shared.home.join("checks").join(state.id.as_str())
    }

    /// The base with only the changed test files of the result; the error says why there is no such tree.
    async fn old_code_with_new_tests(&mut self, state: &State) -> Result<Result<TreeId, String>, Failed> {
        let result = result_tree(state)?;
        let diff = state.finish.as_ref().and_then(|finish| finish.inspected.as_ref()).map(|seen| seen.diff.clone());
        let is_new_test = |path: &str, kind| kind != ChangeKind::Deleted && test_paths::is_test(path);
        let tests: Vec<_> = diff
            .unwrap_or_default()
            .into_iter()
            .filter(|change| is_new_test(&change.path, change.kind))
            .map(|change| change.path)
            .collect();
        if tests.is_empty() {
            let text = "no file of tests is new or changed, so errand cannot show that the old code fails: put the \
                        regression test into a file of its own or into a test file, not beside the code";
            return Ok(Err(text.to_owned()));
        }
        let ledger = self.ledger(state).await?;
        let base = ledger_base(state)?;
        let mixed = blocking(move || mix_trees(&ledger, &base, &result, &tests)).await?.map_err(Failed::internal)?;
        Ok(Ok(mixed))
    }
}

fn once(command: &str) -> Check {
    Check { run: command.to_owned(), repeat: 1, baseline: Baseline::MustPass, timeout_s: TIMEOUT_S }
}

/// What a check may reach; setup has a list of its own.
fn reachable(contract: &Contract, phase: Phase) -> Vec<Name> {
    let texts = match phase {
        Phase::Setup => &contract.setup_network,
        Phase::Baseline | Phase::Result | Phase::RegressionOld | Phase::RegressionNew => &contract.network,
    };
    // They were checked when the contract was completed; one that is no name grants nothing.
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// Words of the common compilers and test collectors for "it never came to a test".
fn did_not_build(excerpt: &str) -> bool {
    let words = [
        "error: could not compile",
        "error[E",
        "[build failed]",
        "SyntaxError:",
        "ImportError",
        "ModuleNotFoundError",
        "Cannot find module",
        "error TS",
        "COMPILATION ERROR",
    ];
    words.iter().any(|word| excerpt.contains(word))
}

fn result_tree(state: &State) -> Result<TreeId, Failed> {
    let inspected = state.finish.as_ref().and_then(|finish| finish.inspected.as_ref());
    inspected.map(|seen| seen.tree.clone()).ok_or_else(|| Failed::internal("a check without an inspected result"))
}

fn ledger_base(state: &State) -> Result<TreeId, Failed> {
    let workspace = state.workspace.as_ref();
    workspace
        .map(|workspace| workspace.base_tree.clone())
        .ok_or_else(|| Failed::internal("a check without a workspace"))
}
