//! `search`: modes, surroundings, globs, limits, and paths that are no start.

use crate::rig::Rig;

#[test]
fn hits_are_grouped_by_file_and_counted() {
    let rig = Rig::new();
    rig.write("target/x.rs", b"one\n");
    rig.write("debug.log", b"one\n");
    for (input, expected) in [
        (
            r#"{"pattern":"one"}"#,
            "5 hits in 4 of 10 files\nsrc/a.rs (2)\n    1│fn one() {}\n    5│\tone();\nsrc/b.py (1)\n    1│def one():\nsrc/deep/c.rs (1)\n    1│one\ndata.bin (binary)\n",
        ),
        (r#"{"pattern":"nowhere to be found"}"#, "0 hits in 0 of 10 files\n"),
        (r#"{"pattern":"one","mode":"files","glob":"*.rs"}"#, "3 hits in 2 of 2 files\nsrc/a.rs\nsrc/deep/c.rs\n"),
        (
            r#"{"pattern":"one","mode":"count","glob":"*.rs"}"#,
            "3 hits in 2 of 2 files\nsrc/a.rs (2)\nsrc/deep/c.rs (1)\n",
        ),
        (
            r#"{"pattern":"one","glob":"src/*.rs"}"#,
            "2 hits in 1 of 1 file\nsrc/a.rs (2)\n    1│fn one() {}\n    5│\tone();\n",
        ),
        (r#"{"pattern":"^one$","paths":["src/deep"]}"#, "1 hit in 1 of 1 file\nsrc/deep/c.rs (1)\n    1│one\n"),
        (
            r#"{"pattern":"pass","paths":["src/b.py","src/deep"]}"#,
            "1 hit in 1 of 2 files\nsrc/b.py (1)\n    2│    pass\n",
        ),
        (
            r#"{"pattern":"two","context":1,"glob":"*.rs"}"#,
            "1 hit in 1 of 2 files\nsrc/a.rs (1)\n    1┊fn one() {}\n    2│fn two() {}\n    3┊\n",
        ),
        (r#"{"pattern":"fn","max":1}"#, "3 hits in 1 of 10 files\nsrc/a.rs (3, 1 shown)\n    1│fn one() {}\n"),
        (
            r#"{"pattern":"one","max":1,"glob":"*.rs"}"#,
            "3 hits in 2 of 2 files\nsrc/a.rs (2, 1 shown)\n    1│fn one() {}\n1 shown; the other files:\nsrc/deep/c.rs (1)\n",
        ),
        (r#"{"pattern":"one()","paths":["src/b.py"]}"#, "1 hit in 1 of 1 file\nsrc/b.py (1)\n    1│def one():\n"),
        (
            r#"{"pattern":"one(","paths":["src/b.py"]}"#,
            "(not a regular expression, searched as plain text: error: unclosed group)\n1 hit in 1 of 1 file\nsrc/b.py (1)\n    1│def one():\n",
        ),
    ] {
        rig.check("search", input, expected);
    }
}

#[test]
fn surroundings_belong_to_a_hit_that_is_shown() {
    Rig::new().check(
        "search",
        r#"{"pattern":"one|\\}$","context":1,"paths":["src/a.rs"],"max":2}"#,
        "4 hits in 1 of 1 file\nsrc/a.rs (4, 2 shown)\n    1│fn one() {}\n    2│fn two() {}\n    3┊\n",
    );
}

#[test]
fn a_binary_file_with_a_hit_is_named() {
    let input = r#"{"pattern":"one","paths":["data.bin"]}"#;
    Rig::new().check("search", input, "1 hit in 1 of 1 file\ndata.bin (binary)\n");
}

#[test]
fn links_and_what_is_not_there_are_no_start() {
    let rig = Rig::new();
    let cannot = |path: &str, why: &str| format!("ERROR `{path}` {why}");
    for (path, expected) in [
        ("link", cannot("link", "cannot be searched: it is a link")),
        ("folder", cannot("folder", "cannot be searched: it is a link")),
        ("out", cannot("out", "cannot be searched: it is a link")),
        ("folder/deep", cannot("folder/deep", "cannot be searched: it leads through a link")),
        ("up/state", cannot("up/state", "cannot be searched: it leads through a link")),
        ("none", cannot("none", "does not exist")),
        ("..", cannot("..", "leaves the workspace")),
        ("/etc", "ERROR `/etc` is absolute; paths are relative to the workspace".to_owned()),
    ] {
        rig.check("search", &format!(r#"{{"pattern":"one","paths":["{path}"]}}"#), &expected);
    }
    // Links met on the way are not followed.
    let told = rig.told("search", r#"{"pattern":"fn one","mode":"files"}"#);
    assert_eq!(told, "1 hit in 1 of 10 files\nsrc/a.rs\n");
}

#[test]
fn a_refused_path_is_told_in_words_for_a_search() {
    let rig = Rig::new();
    let told = rig.told("search", r#"{"pattern":"one","paths":["folder/deep"]}"#);
    assert!(!told.contains("written"), "{told}");
}

#[test]
fn gits_own_data_is_not_searched() {
    let rig = Rig::new();
    let told = rig.told("search", r#"{"pattern":"ref","paths":[".git"]}"#);
    assert_eq!(told, "ERROR `.git` cannot be searched: it is git's own data");
    let told = rig.told("search", r#"{"pattern":"ref","paths":["src","src/../.git/refs"]}"#);
    assert_eq!(told, "ERROR `.git/refs` cannot be searched: it is git's own data");
}

#[test]
fn an_ignored_folder_can_be_searched_by_name() {
    let rig = Rig::new();
    rig.write("target/x.rs", b"one\n");
    rig.check(
        "search",
        r#"{"pattern":"one","paths":["target"]}"#,
        "1 hit in 1 of 1 file\ntarget/x.rs (1)\n    1│one\n",
    );
}

#[test]
fn many_hits_are_cut_and_all_are_counted() {
    let rig = Rig::new();
    let told = rig.told("search", r#"{"pattern":"line","max":3}"#);
    assert_eq!(
        told,
        "1000 hits in 1 of 10 files\ndocs/long.txt (1000, 3 shown)\n    1│line 1\n    2│line 2\n    3│line 3\n"
    );
    for n in 0..100 {
        rig.write(&format!("many/{n:03}.txt"), b"needle\n");
    }
    let told = rig.told("search", r#"{"pattern":"needle","mode":"files"}"#);
    assert!(told.starts_with("100 hits in 100 of 110 files\nmany/000.txt\n"), "{told}");
    assert!(told.ends_with("many/059.txt\n… and 40 more files\n"), "{told}");
    rig.write("wide.txt", format!("{}needle\n", "x".repeat(400)).as_bytes());
    let told = rig.told("search", r#"{"pattern":"needle","paths":["wide.txt"]}"#);
    assert_eq!(told, format!("1 hit in 1 of 1 file\nwide.txt (1)\n    1│{}…\n", "x".repeat(300)));
}

#[test]
fn a_glob_that_is_none() {
    let rig = Rig::new();
    let told = rig.told("search", r#"{"pattern":"one","glob":"src/["}"#);
    assert_eq!(told, "ERROR `src/[` is not a path pattern: unclosed character class; missing ']'");
}

#[test]
fn every_file_gets_its_first_hits_before_any_gets_more() {
    let rig = Rig::new();
    rig.write("src/z.rs", b"line\nline\n");
    let told = rig.told("search", r#"{"pattern":"line"}"#);
    assert!(told.starts_with("1002 hits in 2 of 11 files\ndocs/long.txt (1000, 58 shown)\n"), "{told}");
    assert!(told.ends_with("   58│line 58\nsrc/z.rs (2)\n    1│line\n    2│line\n"), "{told}");
    // A thousand hits with much around them are cut, and it is said where.
    rig.write("wide.txt", format!("{}\n", "x".repeat(400)).repeat(5_000).as_bytes());
    let told = rig.told("search", r#"{"pattern":"x","paths":["wide.txt"],"max":1000}"#);
    assert!(told.len() < 26_000 && told.contains("wide.txt (5000, 77 shown)"), "{}", &told[..100]);
}
