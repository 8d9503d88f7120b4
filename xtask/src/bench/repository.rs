//! Generated repositories: as many small files as asked for, every one different, in one commit, packed as a clone is.

use anyhow::ensure;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Source files of one folder, and of one package with 20 folders.
const FILES_PER_FOLDER: usize = 20;
const FILES_PER_PACKAGE: usize = 400;
/// Functions of a file: so many, and up to so many more.
const FUNCTIONS_AT_LEAST: usize = 7;
const FUNCTIONS_MORE: usize = 11;

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
        git(dir, &["init", "--quiet", "--initial-branch=main"])?;
        git(dir, &["add", "--all"])?;
        git(dir, &["commit", "--quiet", "--message=A generated repository"])?;
        git(dir, &["repack", "--quiet", "-a", "-d"])?;
        Ok(repository)
    }
}

/// A program in a checkout, with no settings of the person's for git.
pub fn program(dir: &Path, name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command
}

pub fn git(dir: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = program(dir, "git");
    command.args(["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]).args(arguments);
    ensure!(command.status()?.success(), "git {} failed", arguments.join(" "));
    Ok(())
}

/// The path of source file `index`, from 1.
pub fn source_path(index: usize) -> String {
    let (package, folder) = (index / FILES_PER_PACKAGE, index % FILES_PER_PACKAGE / FILES_PER_FOLDER);
    format!("src/p{package:03}/src/m{folder:02}/f{index:05}.rs")
}

/// The line of source file `index` that edits replace, with a value.
pub fn code_line(index: usize, value: usize) -> String {
    format!("pub const CODE_{index:05}: usize = {value};")
}

/// From 1 to 4 KiB of text that looks like a program.
fn source(index: usize) -> String {
    let functions = (0..FUNCTIONS_AT_LEAST + index % FUNCTIONS_MORE).map(|number| {
        let other = (index * 31 + number * 7) % 997;
        format!(
            "/// Step {number} of item {index}, which follows item {other}.\npub fn item_{index:05}_{number}(input: usize) \
             -> usize {{\n    let shifted = input.rotate_left({number}) ^ {other};\n    shifted.wrapping_add(CODE_{index:05})\n}}\n"
        )
    });
    let head = format!("//! Item {index}.\n\n{}\n", code_line(index, 0));
    std::iter::once(head).chain(functions).collect::<Vec<_>>().join("\n")
}
