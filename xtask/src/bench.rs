//! `cargo xtask bench`: what errand costs, as ratios against a floor that is measured in the same run.
//!
//! One line a section in [`SECTIONS`], one file a section. The product is the release binary, driven from outside as a
//! person would; the model is `errand-sim` inside this process. Nothing here fails because something was slow: an aim
//! that is not met is a line that says so.

mod disk;
mod figure;
mod floor;
mod machine;
mod memory;
mod repository;
mod sandbox;
mod script;
mod stage;
mod start;
mod steps;
mod workspaces;

use anyhow::Context as _;
use figure::Figure;
use serde_json::json;
use stage::Stage;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

type Section = fn(&Stage) -> anyhow::Result<Vec<Figure>>;

const SECTIONS: &[(&str, Section)] = &[
    ("disk", disk::measure),
    ("memory", memory::measure),
    ("sandbox", sandbox::measure),
    ("start", start::measure),
    ("steps", steps::measure),
    ("workspaces", workspaces::measure),
];

const USAGE: &str = "cargo xtask bench [SECTION…] [--binary PATH] [--runs N] [--largest N] [--dir DIR] [--json]";

struct Options {
    sections: Vec<String>,
    /// The program to measure; built when left out.
    binary: Option<PathBuf>,
    n_runs: usize,
    /// Sections that measure several sizes of repositories leave out those with more files.
    n_files_most: usize,
    /// Where repositories and state are made; should be on a disk.
    dir: Option<PathBuf>,
    is_json: bool,
}

pub fn run(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return Ok(ExitCode::from(2));
        }
    };
    if cfg!(debug_assertions) {
        return again_in_release(root, arguments, &options);
    }
    let binary = match &options.binary {
        Some(binary) => binary.canonicalize().with_context(|| format!("there is no {}", binary.display()))?,
        None => build(root, &["errand"])?.join("errand"),
    };
    let stage = Stage::set(binary, options.n_runs, options.n_files_most, options.dir.as_deref())?;
    let machine = machine::Machine::look(&stage);
    let mut figures = Vec::new();
    for (name, measure) in SECTIONS {
        if options.sections.is_empty() || options.sections.iter().any(|wanted| wanted == name) {
            figures.extend(measure(&stage).with_context(|| format!("the section `{name}`"))?);
        }
    }
    match options.is_json {
        true => {
            let figures: Vec<_> = figures.iter().map(Figure::to_json).collect();
            println!("{}", json!({ "machine": machine.to_json(), "runs": options.n_runs, "figures": figures }));
        }
        false => println!("{}\n{}", figure::table(&figures), machine.line(options.n_runs)),
    }
    Ok(ExitCode::SUCCESS)
}

/// The floor client and the simulator are part of what is measured, so they must not be slower than what people run.
fn again_in_release(root: &Path, arguments: &[String], options: &Options) -> anyhow::Result<ExitCode> {
    let packages: &[&str] = if options.binary.is_some() { &["xtask"] } else { &["errand", "xtask"] };
    let programs = build(root, packages)?;
    let mut command = Command::new(programs.join("xtask"));
    command.arg("bench").args(arguments);
    if options.binary.is_none() {
        command.arg("--binary").arg(programs.join("errand"));
    }
    let status = command.status().context("cannot start the bench")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Builds packages of ours in release, together so that what they share is built once, and says where the programs are.
fn build(root: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    eprintln!("building {} in release", packages.join(" and "));
    let cargo = || {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root);
        cargo
    };
    let named = packages.iter().flat_map(|package| ["--package", package]);
    let status = cargo().args(["build", "--quiet", "--release"]).args(named).status()?;
    anyhow::ensure!(status.success(), "{} cannot be built", packages.join(" and "));
    let output = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let target = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(Path::new(target).join("release"))
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let (sections, n_runs, n_files_most) = (Vec::new(), 5, usize::MAX);
        let mut options = Self { sections, binary: None, n_runs, n_files_most, dir: None, is_json: false };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--binary" => options.binary = Some(PathBuf::from(value()?)),
                "--dir" => options.dir = Some(PathBuf::from(value()?)),
                "--json" => options.is_json = true,
                "--runs" | "--largest" => {
                    let number = value()?.parse().ok().filter(|&number| number > 0);
                    let number = number.ok_or_else(|| format!("`{argument}` needs a number above 0"))?;
                    *if argument == "--runs" { &mut options.n_runs } else { &mut options.n_files_most } = number;
                }
                name if SECTIONS.iter().any(|(known, _)| *known == name) => options.sections.push(name.to_owned()),
                other => {
                    let known: Vec<_> = SECTIONS.iter().map(|(name, _)| *name).collect();
                    return Err(format!("`{other}` is neither an option nor a section; sections: {}", known.join(" ")));
                }
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_and_sections_in_any_order() {
        let options =
            parsed(&["steps", "--runs", "3", "start", "--largest", "2000", "--binary", "x", "--json"]).unwrap();
        assert_eq!((options.sections.join(" ").as_str(), options.n_runs, options.is_json), ("steps start", 3, true));
        assert_eq!((options.binary, options.n_files_most), (Some(PathBuf::from("x")), 2_000));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (arguments, start) in [
            (
                &["stpes"][..],
                "`stpes` is neither an option nor a section; sections: disk memory sandbox start steps workspaces",
            ),
            (&["--runs", "0"], "`--runs` needs a number above 0"),
            (&["--binary"], "`--binary` needs a value"),
        ] {
            assert_eq!(parsed(arguments).err().as_deref(), Some(start));
        }
    }
}
