//! Other processes: their memory, their signals, their terminals, other tasks; and living on when all should be dead.

use super::{Siege, perl, processes_with};
use crate::place::until;
use crate::scripts::{DONE, MEND, script};
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn s14_nothing_is_inherited() {
    let siege = Siege::new();
    let result = siege
        .withstands("exec 2>&1; ls -l /proc/self/fd | sed -n 's/.* \\([0-9]*\\) -> /fd \\1 -> /p'\numask; ulimit -c");
    let fds: Vec<_> = result.lines().filter(|line| line.contains("fd ") && line.contains("->")).collect();
    assert_eq!(fds.len(), 4, "{result}");
    for (fd, start) in fds.iter().zip(["fd 0 -> /dev/null", "fd 1 -> pipe:", "fd 2 -> pipe:", "fd 3 -> /proc/"]) {
        assert!(fd.contains(start), "{fd}");
    }
    assert!(result.contains("0077\n") && result.lines().any(|line| line == "0"), "{result}");
}

#[test]
fn s16_init_and_other_commands_are_out_of_reach() {
    let siege = Siege::new();
    let sibling = format!("@call run\n@arg command = sleep 3600 # sib{}\n@json background = true\n", siege.word);
    let word = &siege.word;
    // 101: ptrace (16: attach, 16902: seize), 310 and 311: memory of another process, 424: a signal by descriptor.
    let calls = if cfg!(target_arch = "x86_64") { [101, 310, 311, 434, 438] } else { [117, 270, 271, 434, 438] };
    let [ptrace, read, write, open, fetch] = calls;
    let program = perl(&format!(
        "my ($b, $n) = (\"\\0\" x 64, 0); my $v = pack(\"QQ\", 0, 8); \
         for my $p (1, getppid(), $$) {{ \
           print \"REACHED ptrace $p\\n\" if syscall({ptrace}, 16, $p, 0, 0) == 0; \
           print \"REACHED seize $p\\n\" if syscall({ptrace}, 16902, $p, 0, 0) == 0; \
           print \"REACHED read $p\\n\" if syscall({read}, $p, $v, 1, $v, 1, 0) >= 0; \
           print \"REACHED write $p\\n\" if syscall({write}, $p, $v, 1, $v, 1, 0) >= 0; \
           my $d = syscall({open}, $p, 0); print \"REACHED fetch $p\\n\" if $d >= 0 and syscall({fetch}, $d, 0, 0) >= 0; \
         }}"
    ));
    let attack = siege.runs(&format!(
        "for f in mem environ maps fd/0 root/etc cwd/x; do cat /proc/1/$f > /dev/null && echo REACHED: $f; done
for f in /proc/1/fd/* /proc/1/cwd /proc/1/exe; do readlink $f && echo REACHED: $f; (cat < $f) && echo REACHED: $f; done
echo x > /proc/1/mem && echo REACHED
echo 0 > /proc/self/oom_score_adj && echo REACHED
s=sib; for p in /proc/[0-9]*; do case \"$(tr '\\0' ' ' < $p/cmdline)\" in *\"$s\"{word}*) echo REACHED: $p;; esac; done
{program}
echo signals from here on
for s in $(seq 1 64); do kill -$s 1; kill -$s 1; done
echo all of it was tried"
    ));
    let other = siege.runs("echo the channel is intact");
    let (id, results) = siege.attacked_by(&[&sibling, &attack, &other]);
    assert!(results[1].contains("all of it was tried") && !results[1].contains("REACHED"), "{}", results[1]);
    assert!(!results[1].contains("perl failed"), "{}", results[1]);
    assert!(results[2].contains("exit 0") && results[2].contains("the channel is intact"), "{}", results[2]);
    siege.holds(&id);
}

#[test]
fn s18_a_terminal_of_the_person_is_out_of_reach() {
    let mut siege = Siege::new();
    siege.place.errand(&["daemon", "stop"]).exits(0);
    // A terminal in which the daemon runs; what is put into it would be echoed by it.
    let call = siege.place.call(&["daemon", "run"]).into_command();
    let line = format!("{} daemon run", call.get_program().to_str().unwrap());
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).env_clear().current_dir("/");
    terminal.envs(call.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("SHELL", "/bin/sh");
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let keyboard = terminal.stdin.take();
    until("the daemon", || siege.place.errand(&["daemon", "status"]).output.status.success());
    let program = perl(
        "my $w = join(\"\", \"ty\", \"ped-by-it\", \"\\n\"); my $n = 0; \
         open(my $t, \"+<\", \"/dev/tty\") and print \"REACHED /dev/tty\\n\"; open(my $c, \"+<\", \"/dev/console\") and print \"REACHED console\\n\"; \
         for my $h (*STDIN, *STDOUT, *STDERR) { for my $l (split //, $w) { my $b = $l; print \"REACHED TIOCSTI\\n\" if ioctl($h, 0x5412, $b); $n++ if $!{EPERM}; } \
           my $b = chr(3) x 8; print \"REACHED TIOCLINUX\\n\" if ioctl($h, 0x541C, $b); $n++ if $!{EPERM} } print \"$n refused\\n\";",
    );
    let result = siege.withstands(&format!(
        "tty && echo REACHED
ls -l /proc/self/fd/ | grep -E 'pts|tty' && echo REACHED
ls /dev/pts /dev/ptmx && echo REACHED
{program}"
    ));
    assert!(result.contains("39 refused"), "{result}");
    siege.place.errand(&["daemon", "stop"]).exits(0);
    let mut shown = String::new();
    terminal.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    terminal.wait().unwrap();
    drop(keyboard);
    assert!(shown.contains("listening"), "the terminal was watched: {shown}");
    assert!(!shown.contains("typed-by-it") && !shown.contains("panicked"), "{shown}");
    siege.remember();
}

#[test]
fn s20_two_tasks_see_nothing_of_each_other() {
    let siege = Siege::new();
    let (place, word) = (&siege.place, &siege.word);
    let bind = perl(&format!(
        "use Socket; my $s; socket($s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack(\"Sa*\", AF_UNIX, \"\\0task-{word}\")) or die; \
         listen($s, 5); open(my $f, \">\", \"begun.txt\"); close($f); \
         while (! -e \"/tmp/gate\") {{ select(undef, undef, undef, 0.02) }} $s->blocking(0); print \"REACHED by the other\\n\" if accept(my $c, $s);"
    ));
    let bind = bind.replace("use Socket;", "use Socket; use IO::Handle;");
    let hides =
        siege.runs(&format!("echo mine > /tmp/first-{word}; echo mine > /dev/shm/first-{word}\n{bind}\nrm begun.txt"));
    place.play(&script(&[&hides, MEND, DONE]));
    let first = place.hand_off(&["mend it"]);
    place.until_event(&first, "tool.started", 1);
    until("the first task's command", || place.changed(&first).join("begun.txt").exists());
    let theirs = place.workspace(&first).display().to_string();
    let connect = perl(&format!(
        "use Socket; my $s; socket($s, AF_UNIX, SOCK_STREAM, 0); \
         print \"REACHED abstract\\n\" if connect($s, pack(\"Sa*\", AF_UNIX, \"\\0task-{word}\"));"
    ));
    let looks = siege.runs(&format!(
        "ls {theirs} {theirs}/../.. && echo REACHED
ls -A /tmp /var/tmp /dev/shm | grep first && echo REACHED
ls begun.txt && echo REACHED
w=list; for p in /proc/[0-9]*; do case \"$(tr '\\0' ' ' < $p/cmdline)\" in *\"$w\"'en($s'*) echo REACHED: $p;; esac; done
cat /proc/net/unix | grep task-{word} && echo REACHED
{connect}
echo all of it was tried"
    ));
    place.play(&script(&[&looks, MEND, DONE]));
    let second = place.finished(3, &["mend it"]);
    let result = siege.results(&second).remove(0);
    assert!(result.contains("all of it was tried") && !result.contains("REACHED"), "{result}");
    place.play(&script(&[&hides, MEND, DONE]));
    place.open_gate(&first);
    place.errand(&["wait", &first]).exits(3);
    let result = siege.results(&first).remove(0);
    assert!(result.contains("exit 0") && !result.contains("REACHED") && !result.contains("perl failed"), "{result}");
    siege.holds(&first);
    siege.holds(&second);
}

/// Lives on by every way there is: new sessions, orphans, ignored signals, stopped; says so by a file.
fn outliving(word: &str) -> String {
    format!(
        "trap '' TERM INT HUP QUIT PIPE
setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done # {word}' < /dev/null > /dev/null 2>&1 &
setsid sh -c 'setsid sh -c \"sleep 86400 # {word}\" & exit' &
(sh -c 'kill -STOP $$; : {word}' &)
perl -e 'fork and exit; setpgrp; fork and exit; close STDOUT; close STDERR; $0 = \"hidden {word}\"; sleep 86400' &
touch begun.txt
while :; do sleep 1; done"
    )
}

/// Hands off a job whose command has started everything of [`outliving`].
pub fn with_outliving(siege: &Siege) -> String {
    let place = &siege.place;
    place.play(&script(&[&siege.runs(&outliving(&siege.word)), MEND, DONE]));
    let id = place.hand_off(&["mend it"]);
    place.until_event(&id, "tool.started", 1);
    until("the command's processes", || {
        place.changed(&id).join("begun.txt").exists() && processes_with(&siege.word).len() >= 5
    });
    id
}

#[test]
fn r21_nothing_outlives_a_killed_daemon() {
    let siege = Siege::new();
    let place = &siege.place;
    let id = with_outliving(&siege);
    place.kill_daemon();
    let killed = Instant::now();
    // Nobody starts a daemon meanwhile.
    until("the end of all of them", || processes_with(&siege.word).is_empty());
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    assert_eq!(place.commands_running(), []);
    until("the daemon's second life", || place.errand(&["daemon", "start"]).output.status.success());
    place.errand(&["stop", &id]).exits(0);
    place.errand(&["wait", &id]).exits(130);
    siege.holds(&id);
}
