//! The tools in the order the model sees them.

use crate::context::Output;
use crate::echo::quoted;
use crate::tool::{Tool, edit, finish, list, read, run, search, wait};
use errand_task::contract::Mode;
use serde_json::{Value, json};

/// The tools of one kind of job.
pub struct Registry {
    tools: Vec<Box<dyn Tool>>,
}

impl Registry {
    pub fn of(mode: Mode) -> Self {
        let mut tools: Vec<Box<dyn Tool>> = vec![
            Box::new(read::Read),
            Box::new(search::Search),
            Box::new(list::List),
            Box::new(edit::Edit),
            Box::new(run::Run),
            Box::new(wait::Wait),
            Box::new(finish::Finish),
        ];
        if mode.is_read_only() {
            tools.retain(|tool| tool.name() != "edit");
        }
        Self { tools }
    }

    pub fn find(&self, name: &str) -> Option<&dyn Tool> {
        self.tools.iter().find(|tool| tool.name() == name).map(AsRef::as_ref)
    }

    /// The definitions as the request carries them: a JSON array.
    pub fn definitions(&self) -> String {
        let define = |tool: &dyn Tool| json!({ "name": tool.name(), "description": tool.description(), "input_schema": tool.schema() });
        Value::Array(self.tools.iter().map(|tool| define(tool.as_ref())).collect()).to_string()
    }

    /// The answer to a call of a tool that is not there.
    pub fn unknown(&self, name: &str) -> Output {
        let names: Vec<_> = self.tools.iter().map(|tool| tool.name()).collect();
        Output::error(format!("there is no tool {}; the tools are: {}", quoted(name), names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_stay_small_and_plain() {
        let text = Registry::of(Mode::Change).definitions();
        // About 3.5 characters a token: the definitions together are at most 1,500 tokens.
        assert!(text.len() < 5_250, "{} bytes\n{text}", text.len());
        for noise in ["$schema", "title", "\"format\"", "null"] {
            assert!(!text.contains(noise), "{noise} in {text}");
        }
    }

    #[test]
    fn a_read_only_job_has_no_tool_that_edits() {
        assert!(Registry::of(Mode::Plan).find("edit").is_none());
    }
}
