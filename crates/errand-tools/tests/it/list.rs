//! `list`: the tree to a depth, ignored entries named, links not entered.

use crate::rig::Rig;

#[test]
fn folders_to_a_depth() {
    let rig = Rig::new();
    rig.write("target/x.rs", b"one\n");
    let top = ".gitignore  2 lines\ncrlf.txt  3 lines\ndangling  link\ndata.bin  8 bytes\ndocs/  1 file\nempty.txt  0 lines\nfolder  link\nlatin.txt  1 line\nlink  link\nout  link\nsrc/  3 files\ntarget  ignored\ntool.sh  1 line\nup  link\n";
    for (input, expected) in [
        (r#"{"depth":1}"#, top),
        (r#"{"path":".","depth":1}"#, top),
        (r#"{"path":"","depth":0}"#, top),
        (r#"{"path":"src"}"#, "src/a.rs  6 lines\nsrc/b.py  2 lines\nsrc/deep/c.rs  1 line\n"),
        (r#"{"path":"./src/","depth":1}"#, "src/a.rs  6 lines\nsrc/b.py  2 lines\nsrc/deep/  1 file\n"),
        (r#"{"path":"src/a.rs"}"#, "ERROR `src/a.rs` is not a folder"),
        (r#"{"path":"folder"}"#, "ERROR `folder` cannot be listed: it is a link"),
        (r#"{"path":"folder/deep"}"#, "ERROR `folder/deep` cannot be listed: it leads through a link"),
        (r#"{"path":".git/refs"}"#, "ERROR `.git/refs` cannot be listed: it is git's own data"),
        (r#"{"path":"none"}"#, "ERROR `none` does not exist"),
        (r#"{"path":"../.."}"#, "ERROR `../..` leaves the workspace"),
        (r#"{"path":"/"}"#, "ERROR `/` is absolute; paths are relative to the workspace"),
    ] {
        rig.check("list", input, expected);
    }
    let two = rig.told("list", "{}");
    assert!(two.contains("docs/long.txt  1000 lines\n") && two.contains("src/deep/  1 file\n"), "{two}");
    rig.write("bare/.keep", b"");
    std::fs::remove_file(rig.tree().join("bare/.keep")).unwrap();
    rig.check("list", r#"{"path":"bare"}"#, "nothing there");
}

#[test]
fn a_long_list_is_cut() {
    let rig = Rig::new();
    for n in 0..320 {
        rig.write(&format!("many/{n:03}.txt"), b"x\n");
    }
    let told = rig.told("list", r#"{"path":"many"}"#);
    assert!(
        told.ends_with("many/299.txt  1 line\n… and 20 more entries: list a folder below, or less deep\n"),
        "{told}"
    );
}

#[test]
fn a_glob_finds_files_at_every_depth() {
    let rig = Rig::new();
    rig.write("target/x.rs", b"one\n");
    for (input, expected) in [
        (r#"{"glob":"*.rs"}"#, "src/a.rs  6 lines\nsrc/deep/c.rs  1 line\n"),
        (r#"{"glob":"*.rs","path":"src","depth":1}"#, "src/a.rs  6 lines\n"),
        (r#"{"glob":"src/*"}"#, "src/a.rs  6 lines\nsrc/b.py  2 lines\n"),
        (r#"{"glob":"l*","path":"."}"#, "docs/long.txt  1000 lines\nlatin.txt  1 line\nlink  link\n"),
        (r#"{"glob":"*.none"}"#, "nothing there"),
        (r#"{"glob":"src/["}"#, "ERROR `src/[` is not a path pattern: unclosed character class; missing ']'"),
    ] {
        rig.check("list", input, expected);
    }
}
