//! The person's own settings: folders they add for commands, and what is refused.

use crate::place::Place;
use crate::scripts::{FIX, mended};
use std::fs;

/// Below HOME, where the binary looks when no other place is named.
fn configure(place: &Place, text: &str) {
    let folder = place.root().join("home/.config/errand");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), text).unwrap();
}

#[test]
fn an_added_folder_is_seen_by_checks() {
    let place = Place::new(&mended());
    let home = place.root().join("home");
    for folder in ["tools", "cache/x"] {
        fs::create_dir_all(home.join(folder)).unwrap();
        fs::write(home.join(folder).join("here"), "1").unwrap();
    }
    configure(&place, "[sandbox]\nread_only = [\"~/tools\", \"~/gone\"]\ncaches = [\"~/cache/x\"]\n");
    let seen = "test -e ~/tools/here && ! touch ~/tools/new && test -e ~/cache/x/here && touch ~/cache/x/new";
    place.finished(0, &[&FIX[..], &["--check", seen]].concat());
    assert!(!home.join("tools/new").exists() && !home.join("cache/x/new").exists());
    let health = place.errand(&["doctor", "--json"]).out();
    assert!(health.contains("home/gone is not there"), "{health}");
    assert!(health.contains("configuration"), "{health}");
}

#[test]
fn settings_that_cannot_be_meant_stop_the_daemon_and_name_the_file() {
    let place = Place::new(&mended());
    let state = place.state_dir();
    let state = state.to_str().unwrap();
    for (text, why) in [
        ("[sandbox]\nreadonly = []\n".to_owned(), "unknown field `readonly`"),
        ("[workspaces]\nmax_gib = 0\n".to_owned(), "expected a nonzero u32"),
        ("[workspaces]\nmax_gb = 1\n".to_owned(), "unknown field `max_gb`"),
        ("network = true\n".to_owned(), "unknown field `network`"),
        (
            "[sandbox]\nread_only = [\"tools\"]\n".to_owned(),
            "`tools` cannot be shown to commands: it is no absolute path",
        ),
        ("[sandbox]\nread_only = [\"/usr/../etc\"]\n".to_owned(), "without dots"),
        ("[sandbox]\nread_only = [\"~\"]\n".to_owned(), "holds the home directory"),
        ("[sandbox]\ncaches = [\"/\"]\n".to_owned(), "holds the home directory"),
        ("[sandbox]\nread_only = [\"~other/x\"]\n".to_owned(), "only ~/ is the home directory"),
        ("[sandbox]\nread_only = [\"/proc/self\"]\n".to_owned(), "belongs to the running system"),
        (format!("[sandbox]\ncaches = [\"{state}/workspaces\"]\n"), "errand's state is there"),
    ] {
        configure(&place, &text);
        let said = place.errand(&["daemon", "start"]).exits(8).err();
        assert!(said.contains("errand/config.toml cannot be used: ") && said.contains(why), "{text}: {said}");
    }
    configure(&place, "[workspaces]\nmax_gib = 1\n");
    place.errand(&["daemon", "start"]).exits(0);
}
