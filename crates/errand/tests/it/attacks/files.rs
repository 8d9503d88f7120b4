//! Reading and writing what is not the task's: by path, by link, by name, through the workspace's own repository.

use super::{Siege, perl};
use crate::place::Place;
use crate::scripts::{DONE, script};
use std::os::unix::fs::symlink;

#[test]
fn s01_the_persons_home_and_environment_are_not_there() {
    let siege = Siege::new();
    let home = siege.place.root().join("home").display().to_string();
    let root = siege.place.root().display().to_string();
    let result = siege.withstands(&format!(
        "cat ~/.ssh/* ~/.netrc {home}/notes.txt {home}/.ssh/id_ed25519 {root}/beside.txt && echo REACHED
ls -A {home} | grep . && echo REACHED
ls -A ~ | grep . && echo REACHED
cat {root}/other/secret.txt {root}/other-state/credentials/key /r??t/.ssh/* /etc/shadow && echo REACHED
ls {root} | grep -v '^repository$' | grep -v '^home$' && echo REACHED
env; tr '\\0' '\\n' < /proc/self/environ; cat /proc/*/environ | tr '\\0' '\\n'
find / -xdev \\( -name id_ed25519 -o -name 'host-file-*' -o -name daemon.sock -o -name journal.sqlite \\) | grep . && echo REACHED"
    ));
    for name in ["CANARY=", "SSH_AUTH_SOCK=", "DOCKER_HOST=", "DBUS_SESSION", "ANTHROPIC", "ERRAND_HOME"] {
        assert!(!result.contains(name), "{name} in {result}");
    }
}

#[test]
fn s03_links_that_are_committed_lead_nowhere() {
    let place = Place::new(&script(&[DONE]));
    let (file, folder) = (place.root().join("other/secret.txt"), place.root().join("other"));
    symlink(&file, place.repository().join("file-link")).unwrap();
    symlink(&folder, place.repository().join("folder-link")).unwrap();
    symlink("../other/secret.txt", place.repository().join("docs/climbing-link")).unwrap();
    symlink("/proc/self/environ", place.repository().join("environ-link")).unwrap();
    place.commit("links");
    let siege = Siege::of(place);
    let paths = [
        "file-link",
        "folder-link/secret.txt",
        "folder-link/new.txt",
        "docs/climbing-link",
        "environ-link",
        "folder-link/.git/config",
    ];
    let read = |path: &str| format!("@call read\n@json files = [{{\"path\": \"{path}\"}}]\n");
    let edit =
        |path: &str, rest: &str| format!("@call edit\n@input\n{{\"edits\": [{{\"path\": \"{path}\", {rest}}}]}}\n");
    let mut calls = String::new();
    for path in paths {
        calls.push_str(&read(path));
        calls.push_str(&edit(path, "\"create\": true, \"new\": \"mine\\n\""));
        calls.push_str(&edit(path, "\"old\": \"k\", \"new\": \"mine\""));
    }
    // Replacing the link itself is the task's own business; its target is not.
    let finds = "@call search\n@arg pattern = kanari\n@call list\n@arg dir = folder-link\n";
    let cats = siege.runs("cat file-link folder-link/* docs/climbing-link && echo REACHED\necho x > file-link; echo x > folder-link/new.txt\ngit checkout -q . ; echo tried");
    let (id, results) = siege.attacked_by(&[&calls, finds, &cats]);
    for (index, result) in results.iter().take(paths.len() * 3).enumerate() {
        assert!(siege.place.events(&id, "tool.ended")[index]["is_error"] == true, "call {index}: {result}");
    }
    let last = results.iter().find(|result| result.contains("tried")).unwrap();
    assert!(!last.contains("REACHED"), "{last}");
    siege.holds(&id);
}

#[test]
fn s06_paths_that_climb_are_refused() {
    let siege = Siege::new();
    let checkout = siege.place.repository().display().to_string();
    let state = siege.place.state_dir().display().to_string();
    let mut calls = String::new();
    let absolute = [format!("{checkout}/new.txt"), format!("{checkout}-evil/x"), format!("{state}/x"), "/tmp/x".into()];
    let climbing = [
        "../x",
        "docs/../../x",
        "../repository-evil/x",
        "./../repository/x",
        "~/x",
        "docs/\\u0000x",
        ".git/hooks/x",
        "",
        "/",
    ];
    let all: Vec<&str> = climbing.into_iter().chain(absolute.iter().map(String::as_str)).collect();
    let long = "long/".repeat(1_000);
    for path in all.iter().copied().chain([long.as_str(), ".GIT/config"]) {
        calls.push_str(&format!(
            "@call edit\n@input\n{{\"edits\": [{{\"path\": \"{path}\", \"create\": true, \"new\": \"mine\"}}]}}\n\
             @call read\n@json files = [{{\"path\": \"{path}\"}}]\n"
        ));
    }
    let (id, results) = siege.attacked_by(&[&calls]);
    let ended = siege.place.events(&id, "tool.ended");
    for (index, result) in results.iter().take(calls.matches("@call").count()).enumerate() {
        // `~` is a plain name for a file tool, and the checkout's path is where a command sees the workspace.
        let is_plain = [4, climbing.len()].contains(&(index / 2));
        assert!(is_plain || ended[index]["is_error"] == true, "call {index}: {result}");
    }
    siege.holds(&id);
    let files = siege.place.show(&id)["diff"]["files"].clone();
    let paths: Vec<_> = files.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["greet.sh", "new.txt", "~/x"]);
}

#[test]
fn s08_the_checkout_shares_nothing_with_the_workspace() {
    let siege = Siege::new();
    siege.withstands(
        "cp -a . /tmp/kept
find . -type f -exec sh -c 'chmod 777 \"$1\"; echo ruined >> \"$1\"; : > \"$1\"; touch -d @0 \"$1\"' _ {} \\;
find . -type d -exec chmod 777 {} +
find . -type f -links +1 | grep . && echo REACHED
rm -rf ./* ./.[a-z]*; cp -a /tmp/kept/. .",
    );
}

#[test]
fn s10_temporary_folders_are_private() {
    let siege = Siege::new();
    let (name, word) = (siege.temporary.display(), &siege.word);
    // The workspace is where the checkout is, and that is below the same folder.
    let own = siege.place.root().strip_prefix("/tmp").ok().and_then(|below| below.iter().next()?.to_str());
    let own = own.unwrap_or("nothing");
    let lines = format!(
        "for d in /tmp /var/tmp /dev/shm; do echo mine-{word} > $d/mine-{word} && cat $d/mine-{word} || echo REACHED: $d cannot be used; done
cat {name} && echo REACHED
echo x >> {name}; rm {name}
ls -A /tmp | grep -v -e mine-{word} -e {own} && echo REACHED
test \"$(df -k --output=size /dev/shm | tail -1)\" -le 524288 || echo REACHED: $(df -k /dev/shm)"
    );
    siege.withstands(&lines);
    for folder in ["/tmp", "/var/tmp", "/dev/shm"] {
        assert!(!std::path::Path::new(folder).join(format!("mine-{word}")).exists(), "{folder}");
    }
}

/// Settings of the machine, opened for writing by every way.
pub fn settings(siege: &Siege) -> String {
    let program = "for my $f (glob(\"/proc/sys/kernel/* /proc/sys/vm/* /proc/sys/net/core/* /proc/sys/fs/*/* /proc/irq/*/* \
                   /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/kcore /proc/kmsg /proc/mtrr /proc/bus/pci/*/* /sys/*\")) { \
                   for my $how (\"+<\", \">>\", \">\") { next if $how eq \">\" and $f !~ /core_pattern|sysrq/; if (open(my $h, $how, $f)) { next if -c $h and not -d $h; print \"REACHED $f by $how\\n\" } } $n++ } \
                   print \"$n settings\\n\";";
    format!("echo word {}\n{}", siege.word, perl(program))
}

#[test]
fn s12_settings_of_the_machine_cannot_be_opened_for_writing() {
    let siege = Siege::new();
    let result = siege.withstands(&settings(&siege));
    let n: u32 = result.lines().find_map(|line| line.strip_suffix(" settings")?.parse().ok()).unwrap();
    assert!(n > 20, "{result}");
}

#[test]
fn s44_the_persons_repository_is_not_the_workspaces() {
    let mut siege = Siege::new();
    let mark = siege.place.root().join("fired");
    let repository = siege.place.repository().display().to_string();
    let hook = format!("#!/bin/sh\\ntouch {}\\n", mark.display());
    siege.withstands(&format!(
        "for d in .git {repository}/.git \"$(git rev-parse --absolute-git-dir)\" \"$(git rev-parse --git-common-dir)\" \
         ../repository/.git /run/errand/history /run/errand/history/.. /proc/1/root{repository}/.git /proc/1/cwd/.git; do
  for h in pre-commit post-checkout post-index-change fsmonitor-watchman; do
    mkdir -p $d/hooks; printf '{hook}' > $d/hooks/$h; chmod +x $d/hooks/$h
  done
  printf '[core]\\n\\tfsmonitor = touch {mark}\\n\\tpager = touch {mark}\\n' >> $d/config
done
for f in /run/errand/history/*; do echo x >> $f && echo REACHED; rm -rf $f; done
ls /run/errand/history | grep . > /dev/null || echo REACHED: the history is gone",
        mark = mark.display(),
    ));
    for arguments in [&["status"][..], &["checkout", "--quiet", "-b", "later"], &["diff"], &["log", "-1"]] {
        siege.place.git(arguments);
    }
    siege.place.git(&["commit", "--quiet", "--allow-empty", "-m", "later"]);
    assert!(!mark.exists(), "something fired");
    siege.remember();
}

#[test]
fn s49_the_persons_branches_and_tags_stay() {
    let place = Place::new(&script(&[DONE]));
    place.git(&["tag", "v1"]);
    place.git(&["branch", "precious"]);
    place.git(&["pack-refs", "--all"]);
    let siege = Siege::of(place);
    let refs = || siege.place.git(&["for-each-ref"]) + &siege.place.git(&["symbolic-ref", "HEAD"]);
    let before = refs();
    siege.withstands(
        "git -c user.name=a -c user.email=b commit -q --allow-empty -m x
git branch -f precious HEAD; git tag -f v1 HEAD; git branch -D main; git tag -d v1; git update-ref -d refs/heads/precious
echo garbage >> .git/packed-refs; rm -f .git/packed-refs; echo 'ref: refs/heads/evil' > .git/HEAD
git push --force origin HEAD:refs/heads/main && echo REACHED
git remote -v | grep . && echo REACHED
git reflog expire --expire=now --all; git gc -q --prune=now; rm -rf .git/objects",
    );
    assert_eq!(refs(), before);
}
