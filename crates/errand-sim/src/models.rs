//! What each model of the vendor takes and refuses, as one table. `/v1/models`, the validation and the usage figures
//! all read it; there is no second list of models in this crate. It holds no prices.

/// A `thinking.type` a request may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    Adaptive,
    BetweenTools,
    Disabled,
    Enabled,
}

impl Thinking {
    pub const ALL: [Thinking; 4] = [Thinking::Adaptive, Thinking::BetweenTools, Thinking::Disabled, Thinking::Enabled];

    pub fn name(self) -> &'static str {
        match self {
            Thinking::Adaptive => "adaptive",
            Thinking::BetweenTools => "between_tools",
            Thinking::Disabled => "disabled",
            Thinking::Enabled => "enabled",
        }
    }

    pub fn from_name(name: &str) -> Option<Thinking> {
        Thinking::ALL.into_iter().find(|thinking| thinking.name() == name)
    }
}

#[derive(Debug)]
pub(crate) struct Model {
    pub id: &'static str,
    /// A short name that answers as `id`.
    pub alias: Option<&'static str>,
    pub display_name: &'static str,
    pub line: &'static str,
    pub created_at: &'static str,
    pub lifecycle: &'static str,
    pub retires_at: Option<&'static str>,
    pub context_tokens: u64,
    pub max_output_tokens: u64,
    pub cache_min_tokens: u64,
    /// Tokens for the same text compared with the older tokenizer, in tenths.
    pub tokenizer_tenths: u64,
    pub thinking: &'static [Thinking],
    pub thinks_by_default: bool,
    /// Thinking text is left out of answers unless the request asks for a summary.
    pub omits_thinking: bool,
    /// Signatures are tied to the exact conversation before the block.
    pub binds_thinking: bool,
    pub efforts: &'static [&'static str],
    pub default_effort: &'static str,
    /// `disabled` thinking is refused together with these efforts.
    pub efforts_needing_thinking: &'static [&'static str],
    pub forced_tool_choice: bool,
    pub prefill: bool,
    pub system_role: bool,
    /// Under the 2023 version: any sampling parameter is fine, not only the neutral values.
    pub free_sampling: bool,
    pub compaction: bool,
}

impl Model {
    pub fn find(name: &str) -> Option<&'static Model> {
        MODELS.iter().find(|model| model.id == name || model.alias == Some(name))
    }

    /// About how many tokens `n_bytes` of prompt are for this model: bytes / 3.5, more for the newer tokenizer.
    pub fn tokens(&self, n_bytes: u64) -> u64 {
        (n_bytes * 2 * self.tokenizer_tenths).div_ceil(70)
    }
}

const ALL_EFFORTS: &[&str] = &["low", "medium", "high", "xhigh", "max"];
const ALWAYS: &[Thinking] = &[Thinking::Adaptive];
const CAN_STOP: &[Thinking] = &[Thinking::Adaptive, Thinking::Disabled];

/// A model of the 5.x families; the table below says what differs.
const NEW: Model = Model {
    id: "",
    alias: None,
    display_name: "",
    line: "",
    created_at: "",
    lifecycle: "active",
    retires_at: None,
    context_tokens: 1_000_000,
    max_output_tokens: 128_000,
    cache_min_tokens: 512,
    tokenizer_tenths: 13,
    thinking: ALWAYS,
    thinks_by_default: true,
    omits_thinking: true,
    binds_thinking: true,
    efforts: ALL_EFFORTS,
    default_effort: "high",
    efforts_needing_thinking: &[],
    forced_tool_choice: false,
    prefill: false,
    system_role: true,
    free_sampling: false,
    compaction: true,
};

/// A model of the 4.7 and 4.8 generation: adaptive thinking on request only.
const ON_REQUEST: Model = Model {
    thinking: CAN_STOP,
    thinks_by_default: false,
    binds_thinking: false,
    forced_tool_choice: true,
    cache_min_tokens: 1024,
    ..NEW
};

/// A model of the 4.6 generation: older tokenizer, manual thinking still taken, thinking shown.
const SIX: Model = Model {
    thinking: &[Thinking::Adaptive, Thinking::Enabled, Thinking::Disabled],
    tokenizer_tenths: 10,
    omits_thinking: false,
    efforts: &["low", "medium", "high", "max"],
    system_role: false,
    free_sampling: true,
    ..ON_REQUEST
};

/// A model of the 4.5 generation: manual thinking only, prefill allowed.
const FIVE: Model = Model {
    thinking: &[Thinking::Enabled, Thinking::Disabled],
    context_tokens: 200_000,
    max_output_tokens: 64_000,
    efforts: &[],
    prefill: true,
    compaction: false,
    ..SIX
};

pub(crate) const MODELS: &[Model] = &[
    Model {
        id: "claude-fable-5-2",
        display_name: "Claude Fable 5.2",
        line: "fable",
        created_at: "2026-11-09T00:00:00Z",
        ..NEW
    },
    Model {
        id: "claude-mythos-5-2",
        display_name: "Claude Mythos 5.2",
        line: "mythos",
        created_at: "2026-11-09T00:00:00Z",
        ..NEW
    },
    Model {
        id: "claude-haiku-5-5",
        display_name: "Claude Haiku 5.5",
        line: "haiku",
        created_at: "2026-10-07T00:00:00Z",
        thinking: CAN_STOP,
        default_effort: "medium",
        forced_tool_choice: true,
        ..NEW
    },
    Model {
        id: "claude-sonnet-5-5",
        display_name: "Claude Sonnet 5.5",
        line: "sonnet",
        created_at: "2026-09-28T00:00:00Z",
        thinking: &[Thinking::Adaptive, Thinking::BetweenTools],
        ..NEW
    },
    Model {
        id: "claude-opus-5-5",
        display_name: "Claude Opus 5.5",
        line: "opus",
        created_at: "2026-09-22T00:00:00Z",
        default_effort: "medium",
        ..NEW
    },
    Model {
        id: "claude-fable-5-1",
        display_name: "Claude Fable 5.1",
        line: "fable",
        created_at: "2026-08-31T00:00:00Z",
        ..NEW
    },
    Model {
        id: "claude-mythos-5-1",
        display_name: "Claude Mythos 5.1",
        line: "mythos",
        created_at: "2026-08-31T00:00:00Z",
        ..NEW
    },
    Model {
        id: "claude-opus-5",
        display_name: "Claude Opus 5",
        line: "opus",
        created_at: "2026-07-24T00:00:00Z",
        thinking: CAN_STOP,
        binds_thinking: false,
        efforts_needing_thinking: &["xhigh", "max"],
        forced_tool_choice: true,
        ..NEW
    },
    Model {
        id: "claude-sonnet-5",
        display_name: "Claude Sonnet 5",
        line: "sonnet",
        created_at: "2026-06-30T00:00:00Z",
        thinking: CAN_STOP,
        binds_thinking: false,
        forced_tool_choice: true,
        cache_min_tokens: 1024,
        system_role: false,
        ..NEW
    },
    Model {
        id: "claude-fable-5",
        display_name: "Claude Fable 5",
        line: "fable",
        created_at: "2026-06-09T00:00:00Z",
        binds_thinking: false,
        ..NEW
    },
    Model {
        id: "claude-mythos-5",
        display_name: "Claude Mythos 5",
        line: "mythos",
        created_at: "2026-06-09T00:00:00Z",
        binds_thinking: false,
        ..NEW
    },
    Model {
        id: "claude-opus-4-8",
        display_name: "Claude Opus 4.8",
        line: "opus",
        created_at: "2026-05-01T00:00:00Z",
        ..ON_REQUEST
    },
    Model {
        id: "claude-opus-4-7",
        display_name: "Claude Opus 4.7",
        line: "opus",
        created_at: "2026-04-01T00:00:00Z",
        cache_min_tokens: 2048,
        system_role: false,
        ..ON_REQUEST
    },
    Model {
        id: "claude-mythos-preview",
        display_name: "Claude Mythos Preview",
        line: "mythos",
        created_at: "2026-03-15T00:00:00Z",
        cache_min_tokens: 2048,
        thinking: &[Thinking::Adaptive, Thinking::Enabled],
        thinks_by_default: true,
        forced_tool_choice: false,
        system_role: false,
        ..ON_REQUEST
    },
    Model {
        id: "claude-opus-4-6",
        display_name: "Claude Opus 4.6",
        line: "opus",
        created_at: "2026-02-01T00:00:00Z",
        cache_min_tokens: 4096,
        ..SIX
    },
    Model {
        id: "claude-sonnet-4-6",
        display_name: "Claude Sonnet 4.6",
        line: "sonnet",
        created_at: "2026-02-01T00:00:00Z",
        ..SIX
    },
    Model {
        id: "claude-opus-4-5-20251101",
        alias: Some("claude-opus-4-5"),
        display_name: "Claude Opus 4.5",
        line: "opus",
        created_at: "2025-11-01T00:00:00Z",
        cache_min_tokens: 4096,
        efforts: &["low", "medium", "high"],
        ..FIVE
    },
    Model {
        id: "claude-haiku-4-5-20251001",
        alias: Some("claude-haiku-4-5"),
        display_name: "Claude Haiku 4.5",
        line: "haiku",
        created_at: "2025-10-01T00:00:00Z",
        cache_min_tokens: 4096,
        ..FIVE
    },
    Model {
        id: "claude-sonnet-4-5-20250929",
        alias: Some("claude-sonnet-4-5"),
        display_name: "Claude Sonnet 4.5",
        line: "sonnet",
        created_at: "2025-09-29T00:00:00Z",
        lifecycle: "deprecated",
        retires_at: Some("2026-11-30T00:00:00Z"),
        ..FIVE
    },
];
