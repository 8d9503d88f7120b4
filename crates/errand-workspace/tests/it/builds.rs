//! What a build needs is there in a fresh workspace: what the person built and installed in their checkout lies below a
//! task's writes, at the same path, in every form of workspace, and nothing of it is theirs to lose.

use crate::rig::{Rig, bytes_path, manifest, put, sandbox_of};
use crate::toolchains::{LONG, environment, has};
use errand_workspace::command::run;
use errand_workspace::layers;
use errand_workspace::sandbox::Sandbox;
use errand_workspace::sandbox::plan::Limits;
use errand_workspace::workspace::{Form, Ground, Workspace};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const FORMS: [Form; 2] = [Form::Layered, Form::Whole];

struct Checkout {
    rig: Rig,
    sandbox: Arc<Sandbox>,
}

impl Checkout {
    fn new(files: &[(&str, &str)]) -> Self {
        let rig = Rig::with(files);
        let all = environment(&[("CARGO_TARGET_DIR", "")]);
        let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Self { sandbox: sandbox_of(&all, &rig.state()), rig }
    }

    /// As the person does, in their checkout.
    #[track_caller]
    fn by_hand(&self, script: &str) -> String {
        let mut shell = Command::new("sh");
        // What whoever runs the tests has set for builds of this repository would make another build of that one.
        for name in std::env::vars().map(|(name, _)| name) {
            if name != "CARGO_HOME" && (name.starts_with("CARGO") || name.starts_with("RUSTFLAGS")) {
                shell.env_remove(name);
            }
        }
        let output = shell.args(["-euc", script]).current_dir(self.rig.repo()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A fresh workspace of a new task.
    fn task(&self, name: &str, form: Form) -> (Workspace, Vec<String>, Vec<String>) {
        let (ground, tree) = self.rig.ground();
        let found = layers::prepare(&ground.ledger, &self.rig.repo(), &tree, &[]).unwrap();
        let ground = Ground {
            layers: found.layers.iter().map(|layer| layer.dir.clone()).collect(),
            newest: found.layers.iter().map(|layer| layer.newest()).max(),
            ..ground
        };
        let dir = self.rig.state().join("workspaces").join(name);
        let workspace = Workspace::create_as(form, &self.sandbox, &ground, &tree, &dir).unwrap();
        (workspace, found.layers.into_iter().map(|layer| layer.path).collect(), found.notes)
    }

    #[track_caller]
    fn passes(&self, workspace: &Workspace, script: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let plan = self.sandbox.shell(workspace, &format!("set -eu\n{script}"), Limits::of(LONG));
            let finished = run(&self.sandbox, plan).finished().await;
            let output = String::from_utf8_lossy(&finished.output).into_owned();
            assert!(finished.end.is_success(), "{caller}: {script}: {:?}\n{output}", finished.end);
            output
        }
    }
}

const CARGO: [(&str, &str); 6] = [
    (".gitignore", "/target\n"),
    (
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ndep = { path = \"dep\" }\n",
    ),
    ("src/main.rs", "fn main() { println!(\"says {}\", dep::word()); }\n"),
    ("dep/Cargo.toml", "[package]\nname = \"dep\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
    ("dep/src/lib.rs", "pub fn word() -> &'static str { \"committed\" }\n"),
    (
        "Cargo.lock",
        "version = 4\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\"dep\"]\n\n\
         [[package]]\nname = \"dep\"\nversion = \"0.1.0\"\n",
    ),
];

#[tokio::test]
async fn cargo_goes_on_from_what_the_person_built() {
    let checkout = Checkout::new(&CARGO);
    checkout.by_hand("cargo build --offline --locked 2>&1");
    let before = manifest(&checkout.rig.repo());
    for form in FORMS {
        let (workspace, layers, notes) = checkout.task(&format!("first-{form:?}"), form);
        assert_eq!((layers, notes), (vec!["target".to_owned()], Vec::new()));
        let output = checkout.passes(&workspace, "cargo run --offline --locked 2>&1").await;
        assert!(!output.contains("Compiling") && output.contains("says committed"), "{form:?}: {output}");
        // What the task changes is built, and only that.
        put(&workspace.tree_dir().join("src/main.rs"), b"fn main() { println!(\"now {}\", dep::word()); }\n");
        let output = checkout.passes(&workspace, "cargo run --offline --locked 2>&1").await;
        assert!(output.contains("Compiling app") && !output.contains("Compiling dep"), "{form:?}: {output}");
        assert!(output.contains("now committed"), "{output}");
        let changes = workspace.ledger().differences(workspace.base(), &workspace.snapshot().unwrap().tree).unwrap();
        assert_eq!(changes.len(), 1, "build output is no change");
    }
    assert_eq!(manifest(&checkout.rig.repo()), before, "the checkout is as it was");
    let names = |folder: &str| {
        let ledger = checkout.rig.ground().0.ledger;
        std::fs::read_dir(ledger.dir().join(folder))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count()
    };
    assert_eq!((names("bases"), names("layers")), (1, 1), "one of each for all tasks");
}

/// The trap: what lies in `target` was built from files that are not those of the base.
#[tokio::test]
async fn a_build_from_other_files_is_never_taken_for_this_one() {
    let checkout = Checkout::new(&CARGO);
    checkout.by_hand("cargo build --offline --locked 2>&1");
    // Not committed, and built; then the file is as it was, with the time it had.
    checkout.by_hand(
        "touch -r dep/src/lib.rs /tmp/time-$$; cp dep/src/lib.rs /tmp/lib-$$
         sed -i s/committed/uncommitted/ dep/src/lib.rs; cargo run --offline --locked 2>&1 | grep 'says uncommitted'",
    );
    for form in FORMS {
        let (workspace, layers, _) = checkout.task(&format!("second-{form:?}"), form);
        assert_eq!(layers, ["target"]);
        let output = checkout.passes(&workspace, "cargo run --offline --locked 2>&1").await;
        assert!(output.contains("says committed") && output.contains("Compiling dep"), "{form:?}: {output}");
    }
}

#[tokio::test]
async fn a_virtual_environment_keeps_working() {
    if !has("python3", "no virtual environment is tried") {
        return;
    }
    let checkout = Checkout::new(&[
        (".gitignore", ".venv/\n"),
        ("requirements.txt", "small==1.0\n"),
        ("test_it.py", "import small, sys\nassert small.N == 2 and sys.prefix.endswith('/.venv'), sys.prefix\n"),
    ]);
    checkout.by_hand(
        "python3 -m venv --without-pip .venv
         echo 'N = 2' > \"$(.venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/small.py\"
         printf '#!%s\\nimport small\\nprint(\"tool\", small.N)\\n' \"$PWD/.venv/bin/python\" > .venv/bin/tool
         chmod +x .venv/bin/tool",
    );
    let before = manifest(&checkout.rig.repo());
    for form in FORMS {
        let (workspace, layers, notes) = checkout.task(&format!("{form:?}"), form);
        assert_eq!(layers, [".venv"], "{notes:?}");
        let script = ".venv/bin/python test_it.py; .venv/bin/tool; . .venv/bin/activate; python test_it.py
                      echo 'N = 3' > \"$(python -c 'import small; print(small.__file__)')\"; tool";
        assert_eq!(checkout.passes(&workspace, script).await, "tool 2\ntool 3\n", "{form:?}");
        assert_eq!(workspace.snapshot().unwrap().tree, *workspace.base());
    }
    assert_eq!(manifest(&checkout.rig.repo()), before, "the person's environment is as it was");
}

#[tokio::test]
async fn an_npm_project_needs_no_install() {
    if !has("npm", "no Node project is tried") || !has("node", "no Node project is tried") {
        return;
    }
    let package = r#"{"name":"app","version":"1.0.0","scripts":{"test":"says"},"dependencies":{"dep":"1.0.0"}}"#;
    let lock = r#"{"name":"app","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{"":{"name":"app",
        "version":"1.0.0","dependencies":{"dep":"1.0.0"}},"node_modules/dep":{"version":"1.0.0","bin":{"says":"cli.js"}}}}"#;
    let checkout =
        Checkout::new(&[(".gitignore", "node_modules\n"), ("package.json", package), ("package-lock.json", lock)]);
    checkout.by_hand(
        "mkdir -p node_modules/dep node_modules/.bin
         echo '{\"name\":\"dep\",\"version\":\"1.0.0\",\"bin\":{\"says\":\"cli.js\"}}' > node_modules/dep/package.json
         printf '#!/usr/bin/env node\\nconsole.log(\"dep says\", require(\"dep/package.json\").version)\\n' > node_modules/dep/cli.js
         chmod +x node_modules/dep/cli.js; ln -s ../dep/cli.js node_modules/.bin/says",
    );
    let before = manifest(&checkout.rig.repo());
    for form in FORMS {
        let (workspace, layers, notes) = checkout.task(&format!("{form:?}"), form);
        assert_eq!(layers, ["node_modules"], "{notes:?}");
        let output = checkout.passes(&workspace, "npm test 2>&1; rm -rf node_modules; ! test -e node_modules").await;
        assert!(output.contains("dep says 1.0.0"), "{form:?}: {output}");
        assert_eq!(workspace.snapshot().unwrap().tree, *workspace.base());
    }
    // Another lock file: these are other dependencies, and the person is told.
    std::fs::write(checkout.rig.repo().join("package-lock.json"), lock.replace("1.0.0", "2.0.0")).unwrap();
    let (_, layers, notes) = checkout.task("other", Form::Layered);
    assert!(layers.is_empty() && notes[0].contains("package-lock.json"), "{layers:?} {notes:?}");
    std::fs::write(checkout.rig.repo().join("package-lock.json"), lock).unwrap();
    assert_eq!(manifest(&checkout.rig.repo()), before);
}

#[tokio::test]
async fn a_file_of_a_lower_layer_is_its_own_in_each_workspace() {
    let checkout = Checkout::new(&[("a", "1"), ("dir/b", "1")]);
    let (one, ..) = checkout.task("one", Form::Layered);
    let (two, ..) = checkout.task("two", Form::Layered);
    checkout.passes(&one, "echo changed > a; rm -r dir; git rev-parse HEAD; git commit -qam mine").await;
    assert_eq!(checkout.passes(&two, "cat a dir/b; git status --porcelain; git log --format=%s").await, "11first\n");
    // Nothing of the base can be written, by no path that a command has.
    let base = one.ledger().dir().join("bases");
    let output = checkout.passes(&one, &format!("ls {} 2>&1 || true", base.display())).await;
    assert!(output.contains("No such file"), "{output}");
    drop((one, two));
    let (three, ..) = checkout.task("three", Form::Layered);
    assert_eq!(three.snapshot().unwrap().tree, *three.base());
    assert_eq!(std::fs::read(three.tree_dir().join("a")).unwrap(), b"1");
    assert!(Path::new(&three.tree_dir()).join(bytes_path(b"dir/b")).exists());
}
