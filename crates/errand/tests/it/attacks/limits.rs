//! Filling up: processes, memory, disk, shared memory, and not ending when told to. Each is ended by the limit's name, and
//! the daemon answers meanwhile.

use super::processes::with_outliving;
use super::{Siege, took};
use crate::place::until;
use crate::scripts::{DONE, MEND, script};
use std::time::Duration;

/// On a busy machine; what it takes alone is some ten milliseconds.
const PROMPT: Duration = Duration::from_secs(3);

/// Runs these lines to their end, asking for the list all the while; how the first run ended.
#[track_caller]
fn ended(siege: &Siege, lines: &str) -> (String, serde_json::Value) {
    let place = &siege.place;
    // What is too large for a result is said once.
    place.play(&script(&[&siege.runs(lines), &siege.runs("echo the next turn works"), MEND, DONE, DONE]));
    let id = place.hand_off(&["mend it"]);
    let mut n_asked = 0;
    until("the task's end", || {
        let (_, took) = took(|| place.errand(&["ls"]).exits(0));
        assert!(took < PROMPT, "ls took {took:?} after {n_asked} others");
        n_asked += 1;
        place.kinds(&id).last().is_some_and(|kind| kind == "task.ended")
    });
    place.errand(&["wait", &id]).exits(3);
    let results = siege.results(&id);
    assert!(results[1].contains("the next turn works"), "{}", results[1]);
    let end = place.events(&id, "tool.ended")[0]["runs"][0]["end"].clone();
    siege.holds(&id);
    (results[0].clone(), end)
}

#[test]
fn s81_a_fork_bomb() {
    let siege = Siege::new();
    let word = &siege.word;
    let (result, end) =
        ended(&siege, &format!("f() {{ sh -c 'sleep 3600 # {word}' & f | f & }}; f; while :; do sleep 0.1; f; done"));
    // Where the kernel refuses to fork first, the shell gives up.
    assert!(end["over_limit"].is_object() || !end["exited"].is_null() || !end["killed"].is_null(), "{end}: {result}");
}

#[test]
fn s81_more_memory_than_there_is() {
    let siege = Siege::new();
    let program = super::perl(
        "my @a; open(my $z, \"<\", \"/dev/zero\"); sysread($z, $a[$_], 256 << 20) for 0 .. 79; print \"REACHED\\n\";",
    );
    let (result, end) = ended(&siege, &program);
    assert!(!result.contains("REACHED"), "{result}");
    // Or the kernel was quicker.
    let limit = end["over_limit"]["limit"].as_str().unwrap_or_default();
    assert!(limit.contains("MiB of memory") || result.contains("perl failed"), "{end}: {result}");
}

#[test]
fn s81_a_full_disk() {
    let siege = Siege::new();
    let (result, end) = ended(
        &siege,
        "for d in /tmp ~ . /var/tmp; do for n in 1 2 3 4 5 6; do fallocate -l 2G $d/fill-$n || head -c 2G /dev/zero > $d/fill-$n; done; done
sleep 5; echo REACHED",
    );
    assert!(!result.contains("REACHED"), "{result}");
    let limit = end["over_limit"]["limit"].as_str().unwrap_or_else(|| panic!("{end}: {result}"));
    assert!(limit.contains("disk"), "{limit}");
}

#[test]
fn s81_full_shared_memory_and_one_large_file() {
    let siege = Siege::new();
    let result = siege.withstands(
        "head -c 600M /dev/zero > /dev/shm/fill && echo REACHED; rm /dev/shm/fill
fallocate -l 5G /tmp/large && echo REACHED
truncate -s 5G /tmp/large && echo REACHED
rm -f /tmp/large",
    );
    assert!(result.contains("No space left"), "{result}");
}

#[test]
fn s81_what_does_not_end_when_told_is_ended() {
    let siege = Siege::new();
    let place = &siege.place;
    let id = with_outliving(&siege);
    let ((), took) = took(|| {
        place.errand(&["stop", &id]).exits(0);
        place.errand(&["wait", &id]).exits(130);
    });
    assert!(took < Duration::from_secs(8), "{took:?}");
    siege.holds(&id);
}

#[test]
fn s81_what_stops_itself_is_no_end() {
    let siege = Siege::new();
    let stopped = format!(
        "@call run\n@arg command = kill -STOP $$; : {}\n@json timeout_s = 1\n@call run\n@arg command = kill -STOP -1; kill -KILL -1\n@json timeout_s = 1\n",
        siege.word
    );
    let (id, results) = siege.attacked_by(&[&stopped, &siege.runs("echo the next turn works")]);
    assert!(results[0].contains("goes on as job"), "{}", results[0]);
    assert!(results[2].contains("the next turn works"), "{}", results[2]);
    siege.holds(&id);
}
