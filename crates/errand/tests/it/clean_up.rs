//! Tasks that are removed and brought back, workspaces that go and are made anew, and what lies on the disk.

use crate::golden;
use crate::place::{Place, until};
use crate::scripts::{DONE, FIX, LOOK, MEND, TRY, mended, running, script};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

fn configure(place: &Place, text: &str) {
    let folder = place.root().join("home/.config/errand");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), text).unwrap();
}

/// The folder that holds the task's files and everything else of its workspace.
fn folder(place: &Place, id: &str) -> PathBuf {
    place.state_dir().join("workspaces").join(id)
}

/// The usual job, then one more turn that begins with this command.
fn and_then(command: &str) -> String {
    script(&[LOOK, MEND, TRY, DONE, &running(command), DONE])
}

/// The result of the last call before `finish`.
fn last_call(place: &Place, id: &str) -> serde_json::Value {
    let ended = place.events(id, "tool.ended");
    ended[ended.len() - 2].clone()
}

#[test]
fn a_removed_task_comes_back_whole() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    let (before, patch) = (place.show(&id), place.errand(&["diff", &id]).out());
    // Somebody looked into the workspace and left something there, after the last snapshot.
    fs::write(place.changed(&id).join("note.txt"), "mine\n").unwrap();
    let told = place.errand(&["rm", &id]).exits(0).out();
    assert!(told.starts_with(&format!("{id} removed; bring it back with: ")), "{told}");
    assert!(told.ends_with(&format!("errand undo rm {id}\n")), "{told}");
    assert!(!folder(&place, &id).exists());
    assert_eq!(fs::read_dir(place.state_dir().join("trash")).unwrap().count(), 0);

    let gone = place.errand(&["show", &id]).exits(2);
    assert!(gone.err().contains("was removed") && gone.err().contains(&format!("undo rm {id}")), "{}", gone.err());
    let removed = place.errand(&["ls", "--removed", "--json"]).exits(0).json();
    assert_eq!(removed[0]["id"], id.as_str());
    assert!(removed[0]["removed_at"].as_str().unwrap() > before["ended_at"].as_str().unwrap());
    let listed = place.errand(&["ls", "--removed"]).exits(0).out();
    assert!(listed.contains(&id) && listed.contains("mend the greeting") && listed.contains("undo rm"), "{listed}");

    let back = place.errand(&["undo", "rm"]).exits(0).out();
    assert!(back.starts_with(&format!("{id} is back: verified, mend the greeting\n")), "{back}");
    assert!(place.errand(&["ls", "--removed"]).exits(0).out().contains("no task was removed"));
    let after = place.show(&id);
    assert_eq!(after["workspace"], serde_json::Value::Null);
    for field in ["state", "verdict", "result_tree", "diff", "report", "checks", "commands", "cost", "ended_at"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(place.errand(&["diff", &id]).out(), patch);
    place.errand(&["apply", &id]).exits(0);
    place.errand(&["undo", &id]).exits(0);

    place.play(&and_then("cat note.txt && sh greet.sh"));
    place.errand(&["reply", &id, "look again"]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    let said = last_call(&place, &id)["output"].to_string();
    assert!(said.contains("mine") && said.contains("hello world"), "the last snapshot is there again: {said}");
    assert!(place.errand(&["logs", &id]).out().contains("workspace made anew from its last snapshot"));
    let last = place.sim.requests().last().unwrap().json()["messages"].to_string();
    assert!(last.contains("made anew from its last snapshot"), "the model is told: {last}");
    golden::check("removed_and_brought_back", &place, &id);
}

#[test]
fn the_last_snapshot_is_kept_by_a_ref() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    fs::write(place.changed(&id).join("note.txt"), "mine\n").unwrap();
    place.errand(&["rm", &id]).exits(0);
    let ledger = fs::read_dir(place.state_dir().join("ledgers")).unwrap().next().unwrap().unwrap().path();
    let work = format!("--git-dir={}", ledger.join("work.git").display());
    let git = |arguments: &[&str]| place.git(&[&[work.as_str()], arguments].concat());
    assert_eq!(git(&["show", &format!("refs/errand/{id}:note.txt")]), "mine\n");
    let base = place.git(&["rev-parse", "HEAD"]);
    assert_eq!(git(&["rev-parse", &format!("refs/errand/{id}^")]), base);
}

#[test]
fn what_errand_cannot_store_is_not_removed() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    let large = place.changed(&id).join("large.bin");
    fs::File::create(&large).unwrap().set_len((128 << 20) + 1).unwrap();
    let refused = place.errand(&["rm", &id]).exits(2).err();
    assert!(refused.contains("large.bin (too large)") && refused.contains("→ move that away from"), "{refused}");
    assert!(large.exists() && place.show(&id)["state"] == "completed");
    // What holds no work is no reason to stay.
    fs::remove_file(&large).unwrap();
    let pipe = place.changed(&id).join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    place.errand(&["rm", &id]).exits(0);
}

#[test]
fn undo_rm_names_what_it_cannot_find() {
    let place = Place::new(&mended());
    for arguments in [&["undo", "rm"][..], &["undo", "rm", "nothing"]] {
        let said = place.errand(arguments).exits(2).err();
        assert!(said.contains("was removed") && said.contains("errand ls --removed"), "{said}");
    }
    let id = place.finished(0, &[&["--name", "job"], &FIX[..]].concat());
    place.errand(&["undo", "rm", &id]).exits(2);
    place.errand(&["rm", "job"]).exits(0);
    assert!(place.errand(&["rm", "job"]).exits(2).err().contains("was removed"));
    place.errand(&["undo", "rm", "job"]).exits(0);
    assert_eq!(place.show("job")["id"], id.as_str());
    place.errand(&["undo"]).exits(2);
    place.errand(&["ls", "--removed", "--active"]).exits(2);
    place.errand(&[&["run", "--name", "rm"], &FIX[..]].concat()).exits(2);
}

#[test]
fn the_task_removed_last_comes_back_first() {
    let place = Place::new(&mended());
    let ids = [place.finished(0, &FIX), place.finished(0, &FIX)];
    place.errand(&["rm", &ids[1], &ids[0]]).exits(0);
    for id in &ids {
        let back = place.errand(&["undo", "rm", "--json"]).exits(0).json();
        assert_eq!(back["id"], id.as_str());
    }
}

#[test]
fn workspaces_of_ended_tasks_go_at_start_and_come_back_when_needed() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    fs::write(place.changed(&id).join("note.txt"), "mine\n").unwrap();
    place.play(&script(&[&format!("@spend-limit\n{MEND}")]));
    let parked = place.hand_off(&["mend it"]);
    place.errand(&["wait", &parked]).exits(7);
    let parked_folder = folder(&place, &parked);
    // Within the time that is usual nothing goes.
    place.errand(&["daemon", "stop"]).exits(0);
    place.errand(&["daemon", "start"]).exits(0);
    assert!(folder(&place, &id).exists());

    place.errand(&["daemon", "stop"]).exits(0);
    configure(&place, "[workspaces]\nkeep_days = 0\n");
    place.errand(&["daemon", "start"]).exits(0);
    until("the clean-up", || !folder(&place, &id).exists());
    assert!(parked_folder.exists(), "a task that waits has not ended");
    assert_eq!(place.show(&id)["workspace"], serde_json::Value::Null);
    assert_eq!(place.show(&id)["verdict"], "verified");
    assert!(place.errand(&["diff", &id]).out().contains("+echo \"hello world\""));
    assert!(place.errand(&["logs", &id]).out().contains("workspace removed, its files are stored"));

    place.play(&and_then("cat note.txt"));
    place.errand(&["reply", &id, "look again"]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    let patch = place.errand(&["diff", &id]).out();
    assert!(patch.contains("+mine") && patch.contains("+echo \"hello world\""), "{patch}");
}

#[test]
fn a_clean_up_that_was_cut_is_finished_by_the_next() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    let aside = place.root().join("aside");
    let copy = |from: &Path, to: &Path| {
        let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
        assert!(status.success());
    };
    copy(&folder(&place, &id), &aside);
    place.errand(&["rm", &id]).exits(0);
    place.errand(&["daemon", "stop"]).exits(0);
    // The daemon died between the lists and the folder, and somebody was there since.
    copy(&aside, &folder(&place, &id));
    fs::write(folder(&place, &id).join("files/upper/tree/note.txt"), "mine\n").unwrap();
    place.errand(&["daemon", "start"]).exits(0);
    until("the clean-up", || !folder(&place, &id).exists());
    place.errand(&["undo", "rm"]).exits(0);
    place.play(&and_then("cat note.txt"));
    place.errand(&["reply", &id, "look again"]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    assert!(place.errand(&["diff", &id]).out().contains("+mine"));
}

#[test]
fn a_workspace_deleted_under_a_command_is_made_anew_and_the_command_runs_again() {
    let slow = "touch begun.txt; sleep 1; echo done > out.txt";
    let place = Place::new(&script(&[MEND, &running(slow), DONE]));
    let id = place.hand_off(&FIX);
    place.until_event(&id, "tool.started", 2);
    until("the command's first deed", || place.changed(&id).join("begun.txt").exists());
    fs::remove_dir_all(folder(&place, &id)).unwrap();
    place.errand(&["wait", &id]).exits(0);
    let patch = place.errand(&["diff", &id]).out();
    assert!(patch.contains("+echo \"hello world\"") && patch.contains("+done"), "{patch}");
    let kinds = place.kinds(&id);
    assert_eq!(kinds.iter().filter(|kind| *kind == "workspace.lost").count(), 1, "{kinds:?}");
    assert_eq!(place.n_requests(), 3, "the model is not asked again");
}

#[test]
fn setup_runs_again_where_a_workspace_is_made_anew() {
    let place = Place::new(&mended());
    let file = place.root().join("job.md");
    // What setup makes is ignored, so no snapshot has it.
    fs::write(
        &file,
        "---\nsetup: [echo 1 > gate]\nchecks: [{ run: sh check.sh, baseline: may-fail }]\n---\nMend it.\n",
    )
    .unwrap();
    let id = place.finished(0, &["-f", file.to_str().unwrap()]);
    fs::remove_dir_all(folder(&place, &id)).unwrap();
    place.play(&and_then("cat gate"));
    place.errand(&["reply", &id, "look again"]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    let ended = last_call(&place, &id);
    assert_eq!(ended["runs"][0]["end"], serde_json::json!({"exited": {"code": 0}}), "{ended}");
}

/// Everything below this folder, as if it had been there for two hours.
fn age(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_mark = path.extension().is_some_and(|extension| extension == "used");
        let before = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
        if is_mark || folder.ends_with("private") {
            fs::File::open(&path).unwrap().set_modified(before).unwrap();
        }
    }
}

#[test]
fn what_no_workspace_needs_goes_and_private_files_stay_as_long_as_their_task() {
    let place = Place::new(&mended());
    place.write(".gitignore", "gate\n.env\nnode_modules/\n");
    place.write("package.json", "{}");
    place.commit("ignore");
    place.write(".env", "MODE=first\n");
    place.write("node_modules/left/index.js", "left");
    let id = place.finished(0, &[&FIX[..], &["--include", ".env"]].concat());
    let disk = place.errand(&["ls", "--disk", "--json"]).exits(0).json();
    let private = place.state_dir().join("private");
    let its_own =
        ["workspaces", "checks", "private"].map(|name| blocks_if_there(&place.state_dir().join(name).join(&id)));
    assert_eq!(disk["tasks"][0]["bytes"], its_own.iter().sum::<u64>());
    assert!(its_own[2] > 0);

    let ledger = fs::read_dir(place.state_dir().join("ledgers")).unwrap().next().unwrap().unwrap().path();
    let stock = || -> Vec<String> {
        let entries = ["bases", "layers"].map(|name| fs::read_dir(ledger.join(name)).unwrap());
        let entries = entries.into_iter().flatten().map(|entry| entry.unwrap());
        let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
    };
    let before = stock();
    assert_eq!(before.len(), 2, "a base tree and a layer: {before:?}");
    fs::create_dir_all(private.join("nobody")).unwrap();
    fs::create_dir_all(ledger.join("bases/new-1-2-3/tree")).unwrap();
    let restart = || {
        for folder in [ledger.join("bases"), ledger.join("layers"), private.clone()] {
            age(&folder);
        }
        place.errand(&["daemon", "stop"]).exits(0);
        place.errand(&["daemon", "start"]).exits(0);
    };
    configure(&place, "[workspaces]\nkeep_days = 1\n");
    restart();
    until("the clean-up", || !private.join("nobody").exists());
    assert_eq!(stock(), before, "its workspace is there");

    place.errand(&["rm", &id]).exits(0);
    configure(&place, "[workspaces]\nkeep_days = 0\n");
    restart();
    until("the clean-up", || stock().is_empty());
    place.write(".env", "MODE=second\n");
    place.errand(&["undo", "rm"]).exits(0);
    place.play(&and_then("cat .env node_modules/left/index.js"));
    place.errand(&["reply", &id, "look again"]).exits(0);
    place.errand(&["wait", &id]).exits(0);
    let said = last_call(&place, &id)["output"].to_string();
    assert!(said.contains("MODE=first") && said.contains("left"), "as before it was removed: {said}");
}

fn blocks_if_there(path: &Path) -> u64 {
    if path.exists() { blocks(path) } else { 0 }
}

/// What `du` would count.
fn blocks(path: &Path) -> u64 {
    let metadata = path.symlink_metadata().unwrap();
    let below = match metadata.is_dir() {
        true => fs::read_dir(path).unwrap().map(|entry| blocks(&entry.unwrap().path())).sum(),
        false => 0,
    };
    metadata.blocks() * 512 + below
}

#[test]
fn the_disk_is_told_by_task_and_by_repository() {
    let place = Place::new(&mended());
    let id = place.finished(0, &FIX);
    // A hole costs nothing.
    fs::File::create(place.changed(&id).join("hole.bin")).unwrap().set_len(64 << 20).unwrap();
    let disk = place.errand(&["ls", "--disk", "--json"]).exits(0).json();
    assert_eq!((&disk["tasks"][0]["id"], &disk["tasks"][0]["state"]), (&id.as_str().into(), &"verified".into()));
    assert_eq!(disk["tasks"][0]["bytes"], blocks(&folder(&place, &id)));
    let repository = &disk["repositories"][0];
    assert_eq!(repository["repository"], place.repository().canonicalize().unwrap().to_str().unwrap());
    let ledger = fs::read_dir(place.state_dir().join("ledgers")).unwrap().next().unwrap().unwrap().path();
    for part in ["base.git", "work.git"] {
        assert_eq!(repository["parts"][part], blocks(&ledger.join(part)), "{part}");
    }
    let parts = ["/tasks/0/bytes", "/repositories/0/bytes", "/trash_bytes", "/other_bytes"];
    let sum: u64 = parts.iter().map(|part| disk.pointer(part).unwrap().as_u64().unwrap()).sum();
    assert_eq!(disk["total_bytes"], sum);

    let text = place.errand(&["ls", "--disk"]).exits(0).out();
    for part in ["on disk", &id, "verified", "mend the greeting", "base.git", "work.git", "trash", "in all", "KiB"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    place.errand(&["rm", &id]).exits(0);
    let disk = place.errand(&["ls", "--disk", "--json"]).exits(0).json();
    assert_eq!(disk["tasks"], serde_json::json!([]));
    assert_eq!(disk["repositories"].as_array().unwrap().len(), 1, "what is stored stays");
}
