//! Generated repositories: as many small files as asked for, every one different, in one commit, packed as a clone is.

use anyhow::ensure;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Source files of one folder.
const FILES_PER_FOLDER: usize = 20;
const FUNCTIONS_PER_FILE: usize = 12;

#[derive(Clone, Debug)]
pub struct Repository {
    pub dir: PathBuf,
}

impl Repository {
    pub fn generate(dir: &Path, n_files: usize) -> anyhow::Result<Self> {
        let repository = Self { dir: dir.to_owned() };
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join("README.md"), "# A generated repository\n\nNothing here means anything.\n")?;
        for index in 1..n_files {
            let path = dir.join(source_path(index));
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, source(index))?;
        }
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        repository.git(&["add", "--all"])?;
        repository.git(&["commit", "--quiet", "--message=A generated repository"])?;
        repository.git(&["repack", "--quiet", "-a", "-d"])?;
        Ok(repository)
    }

    fn git(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new("git");
        command.args(["-C"]).arg(&self.dir).args(["-c", "user.name=bench", "-c", "user.email=bench@localhost"]);
        command.args(["-c", "gc.auto=0"]).args(arguments);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        ensure!(command.status()?.success(), "git {} failed", arguments.join(" "));
        Ok(())
    }
}

/// The path of source file `index`, from 1.
pub fn source_path(index: usize) -> String {
    format!("src/m{:04}/f{index:05}.rs", index / FILES_PER_FOLDER)
}

/// The line of source file `index` that edits replace, with a value.
pub fn code_line(index: usize, value: usize) -> String {
    format!("pub const CODE_{index:05}: usize = {value};")
}

/// About 2 KB of text that looks like a program.
fn source(index: usize) -> String {
    let functions = (0..FUNCTIONS_PER_FILE).map(|number| {
        let other = (index * 31 + number * 7) % 997;
        format!(
            "/// Step {number} of item {index}, which follows item {other}.\npub fn item_{index:05}_{number}(input: usize) \
             -> usize {{\n    let shifted = input.rotate_left({number}) ^ {other};\n    shifted.wrapping_add(CODE_{index:05})\n}}\n"
        )
    });
    let head = format!("//! Item {index}.\n\n{}\n", code_line(index, 0));
    std::iter::once(head).chain(functions).collect::<Vec<_>>().join("\n")
}
