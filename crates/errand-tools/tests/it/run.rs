//! `run` and `wait`: how a command ended, what it changed, what it printed, and when it becomes a job.

use crate::rig::Rig;
use errand_task::contract::Draft;
use errand_task::facts::RunEnd;
use errand_tools::Room;
use std::sync::Arc;

#[test]
fn a_head_line_says_how_it_went() {
    let rig = Rig::new();
    for (input, expected) in [
        (r#"{"command":"echo hello; echo there >&2"}"#, "exit 0 · T s · 2 lines · log:1\nhello\nthere\n"),
        (r#"{"command":"exit 3"}"#, "exit 3 · T s · 0 lines · log:2\n"),
        (r#"{"command":"false | true"}"#, "exit 1 · T s · 0 lines · log:3\n"),
        (r#"{"command":"kill -9 $$"}"#, "killed by signal 9 · T s · 0 lines · log:4\n"),
        (r#"{"command":"cat; read x; echo [$x]"}"#, "exit 0 · T s · 1 line · log:5\n[]\n"),
        (r#"{"command":"ls","dir":"src"}"#, "exit 0 · T s · 3 lines · log:6\na.rs\nb.py\ndeep\n"),
        (r#"{"command":"ls","dir":"./src/deep/"}"#, "exit 0 · T s · 1 line · log:7\nc.rs\n"),
        (r#"{"command":"ls","dir":"folder/deep"}"#, "exit 0 · T s · 1 line · log:8\nc.rs\n"),
        (r#"{"command":"pwd -P | grep -c repo"}"#, "exit 0 · T s · 1 line · log:9\n1\n"),
        (r#"{"command":"ls","dir":"../.."}"#, "ERROR `../..` leaves the workspace"),
        (r#"{"command":"ls","dir":"/etc"}"#, "ERROR `/etc` is absolute; paths are relative to the workspace"),
        (r#"{"command":"printf 'caf\\351\\n'"}"#, "exit 0 · T s · 1 line · log:10\ncaf\u{fffd}\n"),
        (r#"{"command":""}"#, "ERROR the command is empty or holds a NUL byte"),
        (r#"{"command":" \n\t"}"#, "ERROR the command is empty or holds a NUL byte"),
        (r#"{"command":"echo a\u0000b"}"#, "ERROR the command is empty or holds a NUL byte"),
    ] {
        rig.check("run", input, expected);
    }
    for dir in ["none", "src/a.rs", "up", "out"] {
        let told = rig.told("run", &format!(r#"{{"command":"ls","dir":"{dir}"}}"#));
        assert!(told.starts_with("ERROR not started: "), "{told}");
    }
}

#[test]
fn without_room_only_deleting_is_left() {
    let mut rig = Rig::new();
    let fill = r#"{"command":"head -c 3000000 /dev/urandom > big; mkdir -p $HOME/x; cp big $HOME/x/"}"#;
    rig.check("run", fill, "exit 0 · T s · 0 lines · log:1 · changed: big +0 −0\n");
    rig.context.room = Arc::new(Room::of(2 << 20));
    for command in ["make", "rm big; make"] {
        let told = rig.told("run", &format!(r#"{{"command":"{command}"}}"#));
        let taken = told.strip_prefix("ERROR not run: the workspace with HOME and /tmp takes ").unwrap_or_default();
        let rest = " MiB of the disk, and a task may take 2 MiB; delete what is not needed, by a command that is `rm` and \
                    paths alone";
        assert_eq!(taken.split_once(" MiB").map(|(_, rest)| format!(" MiB{rest}")).as_deref(), Some(rest), "{told}");
    }
    rig.check("run", r#"{"command":"rm big"}"#, "exit 0 · T s · 0 lines · log:2 · changed: big +0 −0\n");
    assert!(rig.told("run", r#"{"command":"true"}"#).starts_with("ERROR not run: "), "HOME counts");
    rig.check("run", r#"{"command":"rm -r ~/x"}"#, "exit 0 · T s · 0 lines · log:3\n");
    rig.check("run", r#"{"command":"true"}"#, "exit 0 · T s · 0 lines · log:4\n");
}

#[test]
fn a_folder_inside_the_workspace_may_be_absolute() {
    let rig = Rig::new();
    let inside = rig.tree().join("src/deep").display().to_string();
    rig.check("run", &format!(r#"{{"command":"ls","dir":"{inside}"}}"#), "exit 0 · T s · 1 line · log:1\nc.rs\n");
}

#[test]
fn changed_files_are_named() {
    let rig = Rig::new();
    let output = rig.output(
        "run",
        r#"{"command":"echo x >> src/a.rs; rm src/b.py; printf 'a\\0b' > new.bin; mkdir target; echo y > target/z"}"#,
    );
    let head = output.text.split(" · ").last().unwrap();
    assert_eq!(head, "changed: new.bin +0 −0, src/a.rs +1 −0, src/b.py +0 −2\n");
    assert_eq!(output.changed, ["new.bin", "src/a.rs", "src/b.py"]);
    let record = output.runs.first().unwrap();
    assert_eq!((record.number, &record.end, record.log.as_str()), (1, &Some(RunEnd::Exited { code: 0 }), ""));
    let told = rig.told("run", r#"{"command":"for n in 1 2 3 4 5 6 7 8; do echo $n > f$n; done"}"#);
    assert_eq!(
        told,
        "exit 0 · T s · 0 lines · log:2 · changed: f1 +1 −0, f2 +1 −0, f3 +1 −0, f4 +1 −0, f5 +1 −0, f6 +1 −0 and 2 more files\n"
    );
    rig.check("run", r#"{"command":"cat f1"}"#, "exit 0 · T s · 1 line · log:3\n1\n");
}

#[test]
fn long_output_is_folded() {
    let rig = Rig::new();
    let told = rig.told("run", r#"{"command":"for n in $(seq 5); do echo same; done; printf '10%%\\r100%%\\n'"}"#);
    assert_eq!(told, "exit 0 · T s · 6 lines · log:1\nsame  (×5)\n100%\n");
    let told = rig.told("run", r#"{"command":"seq 1 1000 | sed 's/^500$/error: broken/'"}"#);
    let head: String = (1..=10).map(|n| format!("{n}\n")).collect();
    let tail: String = (961..=1_000).map(|n| format!("{n}\n")).collect();
    let middle = "… lines 11–960 are in log:2; those that look like failures:\n   500│error: broken\n…\n";
    assert_eq!(told, format!("exit 0 · T s · 1000 lines · log:2\n{head}{middle}{tail}"));
    let output = rig.output("run", r#"{"command":"head -c 3000000 /dev/zero | tr '\\0' x"}"#);
    assert!(output.text.len() < 1_000, "{}", output.text.len());
    assert_eq!(output.runs.first().unwrap().log.len(), 3_000_000);
}

#[test]
fn a_command_over_its_time_becomes_a_job() {
    let rig = Rig::new();
    let output = rig
        .output("run", r#"{"command":"echo begun; until test -e go; do sleep 0.02; done; echo done","timeout_s":1}"#);
    assert_eq!(
        output.text,
        "still running after 1 s: it goes on as job 1; wait for it, or do something else meanwhile\nbegun\n"
    );
    assert_eq!(output.runs.first().unwrap().end, None);
    rig.check("wait", r#"{"jobs":[1],"timeout_s":1}"#, "still running after 1 s: 1\nbegun\n");
    rig.check("wait", r#"{"jobs":[9]}"#, "ERROR no such job is running; results of ended ones are in their log:N");
    rig.write("go", b"");
    let output = rig.output("wait", "{}");
    assert!(
        output.text.starts_with("job 1 ended: exit 0 · ")
            && output.text.ends_with(" · 2 lines · log:1 · changed: go +0 −0\nbegun\ndone\n"),
        "{}",
        output.text
    );
    let record = output.runs.first().unwrap();
    assert_eq!(
        (record.number, &record.end, record.log.as_str()),
        (1, &Some(RunEnd::Exited { code: 0 }), "begun\ndone\n")
    );
    rig.check("wait", "{}", "ERROR no such job is running; results of ended ones are in their log:N");
}

#[test]
fn jobs_in_the_background() {
    let rig = Rig::new();
    let told = rig.told("run", r#"{"command":"until test -e go; do sleep 0.02; done; exit 4","background":true}"#);
    assert_eq!(told, "started as job 1; wait for it, or do something else meanwhile\n");
    rig.check("run", r#"{"command":"echo beside"}"#, "exit 0 · T s · 1 line · log:2\nbeside\n");
    assert!(rig.runtime.block_on(errand_tools::ended_jobs(&rig.context)).runs.is_empty());
    rig.told("run", r#"{"command":"touch go","background":true}"#);
    // Whichever ends first is told; the other with the next question.
    let mut ended = Vec::new();
    while ended.len() < 2 {
        let output = rig.output("wait", "{}");
        assert!(!output.is_error, "{}", output.text);
        ended.extend(output.runs.into_iter().map(|run| (run.number, run.end)));
    }
    ended.sort_by_key(|(number, _)| *number);
    let exited = |code| Some(RunEnd::Exited { code });
    assert_eq!(ended, [(1, exited(4)), (3, exited(0))]);
}

#[test]
fn what_a_job_changed_is_told() {
    let rig = Rig::new();
    rig.told("run", r#"{"command":"echo x >> src/a.rs","background":true}"#);
    let output = rig.output("wait", "{}");
    assert_eq!(output.changed, ["src/a.rs"], "{}", output.text);
    assert!(output.text.ends_with(" · 0 lines · log:1 · changed: src/a.rs +1 −0\n"), "{}", output.text);
    // The same where nobody waits.
    rig.told("run", r#"{"command":"until test -e go; do sleep 0.02; done; echo x > late","background":true}"#);
    rig.write("go", b"");
    let ended = loop {
        let output = rig.runtime.block_on(errand_tools::ended_jobs(&rig.context));
        if !output.runs.is_empty() {
            break output;
        }
    };
    assert_eq!(ended.changed, ["go", "late"]);
}

#[test]
fn warnings_are_folded() {
    let rig = Rig::new();
    let script = r#"for n in 1 2 3; do printf 'warning: unused\n --> a.rs:1:1\n\n'; done; echo 'error: no'; exit 1"#;
    rig.check(
        "run",
        &format!("{{\"command\":{}}}", script.replace('\\', "\\\\").replace("for n", "\"for n") + "\""),
        "exit 1 · T s · 10 lines · log:1\n… 3 warnings folded, they are in log:1\nerror: no\n",
    );
}

#[test]
fn the_environment_holds_nothing_of_ours() {
    let rig = Rig::of_person(Draft::default(), &[("CANARY", "secret")]);
    // Cargo sets many variables for this test; none of them is there either.
    let output = rig.output("run", r#"{"command":"env | cut -d= -f1 | sort | tr '\\n' ' '"}"#);
    let names = output.text.lines().nth(1).unwrap();
    assert_eq!(
        names.trim(),
        "CARGO_NET_OFFLINE CI COMPOSER_DISABLE_NETWORK GOPROXY HEX_OFFLINE HOME LANG MAVEN_ARGS NO_COLOR PATH PIP_DISABLE_PIP_VERSION_CHECK PWD SHLVL TERM TMPDIR UV_OFFLINE _ npm_config_offline"
    );
}
