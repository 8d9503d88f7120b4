//! The ledger: one row for each event that cost money or may have.

use errand_task::event::{Event, ModelEvent};
use errand_task::id::{Seq, TaskId};
use errand_task::money::{Cost, Pico, Usage};
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerRow {
    pub task: TaskId,
    pub seq: Seq,
    pub at_ms: i64,
    /// Empty for an uncertain cost: no response told the model.
    pub model: String,
    pub settled: Pico,
    pub uncertain: Pico,
    /// The price was unknown, so `settled` is zero.
    pub is_unpriced: bool,
    pub usage: Usage,
}

impl LedgerRow {
    /// The row of this event, if it is about money.
    pub fn of(task: &TaskId, seq: Seq, at_ms: i64, event: &Event) -> Option<Self> {
        let row = |model: &str, settled, uncertain, is_unpriced, usage| {
            Some(Self {
                task: task.clone(),
                seq,
                at_ms,
                model: model.to_owned(),
                settled,
                uncertain,
                is_unpriced,
                usage,
            })
        };
        match event {
            Event::Model(ModelEvent::Received { model, usage, cost, .. }) => {
                row(model, cost.amount(), Pico::ZERO, *cost == Cost::Unknown, *usage)
            }
            Event::Model(ModelEvent::Failed { uncertain, .. } | ModelEvent::Interrupted { uncertain, .. })
                if *uncertain > Pico::ZERO =>
            {
                row("", Pico::ZERO, *uncertain, false, Usage::default())
            }
            Event::Model(_)
            | Event::Task(_)
            | Event::Person(_)
            | Event::Workspace(_)
            | Event::Tool(_)
            | Event::Check(_)
            | Event::Finish(_)
            | Event::Review(_) => None,
        }
    }
}
