//! `read`: ranges, several files, logs, and what cannot be read.

use crate::rig::Rig;

#[test]
fn ranges_of_files() {
    let rig = Rig::new();
    rig.check(
        "read",
        r#"{"files":[{"path":"src/a.rs"}]}"#,
        "src/a.rs 6 lines\n1│fn one() {}\n2│fn two() {}\n3│\n4│fn three() {\n5│\tone();\n6│}\n",
    );
    for (range, expected) in [
        (r#""start":2,"lines":1"#, "src/a.rs 2-2 of 6\n2│fn two() {}\n"),
        (r#""start":-1"#, "src/a.rs 6-6 of 6\n6│}\n"),
        (r#""start":-100,"lines":1"#, "src/a.rs 1-1 of 6\n1│fn one() {}\n"),
        (r#""start":0,"lines":1"#, "src/a.rs 1-1 of 6\n1│fn one() {}\n"),
        (r#""start":7"#, "src/a.rs has 6 lines; there is no line 7\n"),
        (r#""start":6,"lines":0"#, "src/a.rs 6-6 of 6\n6│}\n"),
        (r#""start":-9223372036854775808,"lines":1"#, "src/a.rs 1-1 of 6\n1│fn one() {}\n"),
        (r#""start":9223372036854775807"#, "src/a.rs has 6 lines; there is no line 9223372036854775807\n"),
        (r#""start":5,"lines":18446744073709551615"#, "src/a.rs 5-6 of 6\n5│\tone();\n6│}\n"),
    ] {
        rig.check("read", &format!(r#"{{"files":[{{"path":"src/a.rs",{range}}}]}}"#), expected);
    }
    let long = rig.told("read", r#"{"files":[{"path":"docs/long.txt"}]}"#);
    assert!(long.starts_with("docs/long.txt 1-400 of 1000\n1│line 1\n"), "{long}");
    assert!(long.ends_with("400│line 400\n… 600 more lines, from 401\n"), "{long}");
}

#[test]
fn several_files_and_what_cannot_be_read() {
    let rig = Rig::new();
    rig.write("folder.txt/x", b"");
    for (path, expected) in [
        ("src/b.py", "src/b.py 2 lines\n1│def one():\n2│    pass\n"),
        ("./src//../src/b.py", "./src//../src/b.py 2 lines\n1│def one():\n2│    pass\n"),
        ("empty.txt", "empty.txt is empty\n"),
        ("crlf.txt", "crlf.txt 3 lines\n1│a\n2│b\n3│c\n"),
        ("latin.txt", "latin.txt 1 line\n1│caf\u{fffd}\n"),
        ("link", "link 6 lines\n1│fn one() {}\n2│fn two() {}\n3│\n4│fn three() {\n5│\tone();\n6│}\n"),
        ("folder/deep/c.rs", "folder/deep/c.rs 1 line\n1│one\n"),
        ("log:check1", "log:check1 1 line\n1│red\n"),
        ("data.bin", "ERROR data.bin: binary, 8 bytes\n"),
        ("src", "ERROR `src` is a folder\n"),
        (".", "ERROR `.` is a folder\n"),
        ("", "ERROR `.` is a folder\n"),
        ("folder", "ERROR `folder` is a folder\n"),
        ("none.rs", "ERROR `none.rs` does not exist\n"),
        ("src/a.rs/x", "ERROR `src/a.rs/x` is not a folder\n"),
        ("dangling", "ERROR `dangling` does not exist\n"),
        ("out", "ERROR `out` leaves the workspace\n"),
        ("up/state/x", "ERROR `up/state/x` leaves the workspace\n"),
        ("../repo/src/a.rs", "ERROR `../repo/src/a.rs` leaves the workspace\n"),
        ("/etc/passwd", "ERROR `/etc/passwd` is absolute; paths are relative to the workspace\n"),
        ("log:9", "ERROR log:9: there is no such log\n"),
        ("a\\u0000b", "ERROR the path contains a NUL byte\n"),
    ] {
        rig.check("read", &format!(r#"{{"files":[{{"path":"{path}"}}]}}"#), expected);
    }
    let inside = rig.tree().join("src/b.py").display().to_string();
    rig.check(
        "read",
        &format!(r#"{{"files":[{{"path":"{inside}"}}]}}"#),
        &format!("{inside} 2 lines\n1│def one():\n2│    pass\n"),
    );
    // One that cannot be read does not stop the others, and is no error of the call.
    rig.check(
        "read",
        r#"{"files":[{"path":"none"},{"path":"log:7","start":3},{"path":"data.bin"},{"path":"src/deep/c.rs"}]}"#,
        "`none` does not exist\n\nlog:7 3-3 of 3\n3│third\n\ndata.bin: binary, 8 bytes\n\nsrc/deep/c.rs 1 line\n1│one\n",
    );
}

#[test]
fn a_call_has_its_limits() {
    let rig = Rig::new();
    rig.check("read", r#"{"files":[]}"#, "ERROR files takes 1 to 8 ranges, this call has 0");
    let nine = [r#"{"path":"src/a.rs"}"#; 9].join(",");
    rig.check("read", &format!(r#"{{"files":[{nine}]}}"#), "ERROR files takes 1 to 8 ranges, this call has 9");
    // Long lines are cut, ranges and calls are bounded, and it is said where to go on.
    rig.write("wide.txt", format!("{}\n{}\nend\n", "x".repeat(600), "ä".repeat(501)).as_bytes());
    let wide = format!(
        "wide.txt 3 lines\n1│{}… (600 characters)\n2│{}… (501 characters)\n3│end\n",
        "x".repeat(500),
        "ä".repeat(500)
    );
    rig.check("read", r#"{"files":[{"path":"wide.txt"}]}"#, &wide);
    rig.write("big.txt", "0123456789abcdef\n".repeat(4_000).as_bytes());
    let one = rig.told("read", r#"{"files":[{"path":"big.txt","lines":4000}]}"#);
    assert!((20_000..25_000).contains(&one.len()) && one.contains("more lines, from "), "{}", one.len());
    assert!(one.starts_with("big.txt 1-1046 of 4000 (cut at 24 kB; asked to 4000)\n"), "{}", &one[..100]);
    // Small ones are whole, large ones share what is left.
    let four = [r#"{"path":"big.txt","lines":4000}"#; 4].join(",");
    let four = rig.told("read", &format!(r#"{{"files":[{four},{{"path":"src/b.py"}}]}}"#));
    assert!((60_000..65_000).contains(&four.len()), "{}", four.len());
    assert_eq!(four.matches(" of 4000 (cut at 15 kB; asked to 4000)\n").count(), 4);
    assert!(four.ends_with("\nsrc/b.py 2 lines\n1│def one():\n2│    pass\n"), "{}", &four[four.len() - 200..]);
    rig.write("huge.txt", &vec![b'x'; (16 << 20) + 1]);
    rig.check(
        "read",
        r#"{"files":[{"path":"huge.txt"}]}"#,
        "ERROR huge.txt: 16777217 bytes, too large to read here; look at parts of it with run\n",
    );
}

#[test]
fn eight_wide_ranges_all_show_something() {
    let rig = Rig::new();
    rig.write("wide.txt", format!("{}\n", "😀".repeat(600)).repeat(500).as_bytes());
    let eight = [r#"{"path":"wide.txt"}"#; 8].join(",");
    let told = rig.told("read", &format!(r#"{{"files":[{eight}]}}"#));
    assert_eq!(told.matches("wide.txt 1-3 of 500 (cut at 8 kB)\n").count(), 8);
    assert!(told.len() < 65_000, "{}", told.len());
}

#[test]
fn special_files_are_no_files() {
    let rig = Rig::new();
    let made = std::process::Command::new("mkfifo").arg(rig.tree().join("pipe")).status().unwrap();
    assert!(made.success());
    rig.check("read", r#"{"files":[{"path":"pipe"}]}"#, "ERROR `pipe` is not a regular file\n");
}
