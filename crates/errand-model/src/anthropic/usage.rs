//! What a stream reports about tokens, folded into one [`Usage`].
//!
//! Reports are cumulative: a later figure replaces an earlier one, an absent or null one leaves it.

use crate::limits;
use crate::prices::{Delivery, Modifiers, Region, Speed};
use errand_task::money::Usage;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Report {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<Writes>,
    pub output_tokens: Option<u64>,
    server_tool_use: Option<ServerTools>,
    service_tier: Option<String>,
    inference_geo: Option<String>,
    speed: Option<String>,
}

#[derive(Deserialize)]
struct Writes {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct ServerTools {
    web_search_requests: Option<u64>,
}

#[derive(Default)]
pub(super) struct Tally {
    usage: Usage,
    /// All cache writes, however long they live.
    writes: u64,
    pub modifiers: Modifiers,
}

impl Tally {
    pub fn apply(&mut self, report: Report) {
        set(&mut self.usage.input, report.input_tokens);
        set(&mut self.writes, report.cache_creation_input_tokens);
        set(&mut self.usage.read, report.cache_read_input_tokens);
        set(&mut self.usage.output, report.output_tokens);
        if let Some(writes) = report.cache_creation {
            set(&mut self.usage.write_5m, writes.ephemeral_5m_input_tokens);
            set(&mut self.usage.write_1h, writes.ephemeral_1h_input_tokens);
        }
        if let Some(tools) = report.server_tool_use {
            set(&mut self.usage.web_searches, tools.web_search_requests);
        }
        if let Some(tier) = report.service_tier {
            self.modifiers.delivery = if tier == "batch" { Delivery::Batch } else { Delivery::Live };
        }
        if let Some(geo) = report.inference_geo {
            self.modifiers.region = if geo == "us" { Region::Us } else { Region::Global };
        }
        if let Some(speed) = report.speed {
            self.modifiers.speed = if speed == "fast" { Speed::Fast } else { Speed::Standard };
        }
    }

    /// Writes whose lifetime was not reported count at the dearest one that is ever asked for.
    pub fn usage(&self) -> Usage {
        let without_lifetime = self.writes.saturating_sub(self.usage.write_5m + self.usage.write_1h);
        Usage { write_1h: self.usage.write_1h + without_lifetime, ..self.usage }
    }
}

fn set(figure: &mut u64, reported: Option<u64>) {
    if let Some(reported) = reported {
        *figure = reported.min(limits::COUNTED_TOKENS);
    }
}
