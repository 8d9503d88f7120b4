//! What tokens cost: a dated table that ships with errand and that the person can override.
//!
//! Source: the vendor's price pages, read on the table's date. Prices are whole pico-dollars a token. A model that is
//! not in the table has no price; none is guessed from its family.

use crate::response::Response;
use errand_task::facts::Stop;
use errand_task::money::{Cost, Pico, PriceRow, Usage};
use serde::Deserialize;
use std::collections::BTreeMap;
use thiserror::Error;

/// Prices are written in dollars per million tokens; one dollar of that is so many pico-dollars a token.
const PICO_PER_MTOK_DOLLAR: f64 = 1e6;
/// Searches are written in dollars per thousand.
const PICO_PER_THOUSANDTH_DOLLAR: f64 = 1e9;
/// A price above this many dollars is a mistake.
const MAX_DOLLARS: f64 = 1e6;

/// What besides the model and the tokens decides a price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    pub delivery: Delivery,
    pub region: Region,
    pub speed: Speed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    #[default]
    Live,
    Batch,
}

/// Where the request ran; an organization's default can be the dearer one without the request saying so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Region {
    #[default]
    Global,
    Us,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speed {
    #[default]
    Standard,
    Fast,
}

/// A price table of the person that cannot be used.
#[derive(Debug, Error)]
pub enum PricesError {
    #[error("the price table is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the price table: `{field}` must be {expected}")]
    Field { field: &'static str, expected: &'static str },
    #[error("the prices of `{model}`: {problem}")]
    Model { model: String, problem: &'static str },
}

/// All known prices.
#[derive(Clone, Debug)]
pub struct Prices {
    models: BTreeMap<String, ModelPrices>,
    batch_percent: i64,
    us_percent: i64,
}

#[derive(Clone, Debug)]
struct ModelPrices {
    /// By size of the prompt; the last has no limit.
    tiers: Vec<(Option<u64>, PriceRow)>,
    fast: Option<PriceRow>,
    us_costs_more: bool,
}

impl Prices {
    /// The table that ships with errand.
    pub fn built_in() -> Self {
        #[expect(clippy::expect_used, reason = "the embedded table is read by a test")]
        let table: Table =
            serde_json::from_str(include_str!("prices.json")).expect("the embedded price table is readable");
        let empty = Self { models: BTreeMap::new(), batch_percent: 100, us_percent: 100 };
        #[expect(clippy::expect_used, reason = "the embedded table is read by a test")]
        empty.with_table(table).expect("the embedded price table is consistent")
    }

    /// These prices with those of `json` in their place: the same form as the shipped `prices.json`; `as_of` and
    /// `models` are required, every model is given whole.
    pub fn with_override(self, json: &str) -> Result<Self, PricesError> {
        self.with_table(serde_json::from_str(json)?)
    }

    /// The prices that apply to a request whose whole prompt has `n_prompt_tokens`, modifiers included. `None` when they
    /// are not known. A dated id has the prices of the undated one.
    pub fn row(&self, model: &str, n_prompt_tokens: u64, modifiers: Modifiers) -> Option<PriceRow> {
        let prices = self.models.get(model).or_else(|| self.models.get(undated(model)))?;
        let row = match modifiers {
            Modifiers { speed: Speed::Standard, .. } => {
                let fits = |limit: &Option<u64>| limit.is_none_or(|limit| n_prompt_tokens <= limit);
                &prices.tiers.iter().find(|(limit, _)| fits(limit))?.1
            }
            Modifiers { speed: Speed::Fast, delivery: Delivery::Live, .. } => prices.fast.as_ref()?,
            // Not offered.
            Modifiers { speed: Speed::Fast, delivery: Delivery::Batch, .. } => return None,
        };
        let batch = if modifiers.delivery == Delivery::Batch { self.batch_percent } else { 100 };
        let us = if modifiers.region == Region::Us && prices.us_costs_more { self.us_percent } else { 100 };
        // The shipped prices divide evenly; an override that does not is rounded up.
        let apply = |price: Pico| {
            let product = i128::from(price.0) * i128::from(batch) * i128::from(us);
            Pico(i64::try_from((product + 9_999) / 10_000).unwrap_or(i64::MAX))
        };
        Some(PriceRow {
            as_of: row.as_of.clone(),
            input: apply(row.input),
            output: apply(row.output),
            write_5m: apply(row.write_5m),
            write_1h: apply(row.write_1h),
            read: apply(row.read),
            web_search: row.web_search,
        })
    }

    /// What `usage` of `model` costs.
    pub fn cost(&self, model: &str, usage: &Usage, modifiers: Modifiers) -> Cost {
        self.row(model, usage.prompt(), modifiers)
            .map_or(Cost::Unknown, |row| Cost::Known { amount: row.cost(usage), row })
    }

    /// What a response costs: by the model that answered, and nothing for a refusal before any output. Unknown when
    /// the endpoint did not say what it used.
    pub fn cost_of(&self, response: &Response) -> Cost {
        if !response.is_usage_final {
            return Cost::Unknown;
        }
        match self.cost(&response.model, &response.usage, response.modifiers) {
            Cost::Known { row, .. } if is_free(response) => Cost::Known { amount: Pico::ZERO, row },
            cost => cost,
        }
    }

    /// No live request at standard speed with this prompt and this output limit costs more, wherever it runs. `None`
    /// when the price is not known.
    pub fn worst_case(&self, model: &str, n_prompt_tokens: u64, max_output_tokens: u64) -> Option<Pico> {
        let us = Modifiers { region: Region::Us, ..Modifiers::default() };
        Some(self.row(model, n_prompt_tokens, us)?.worst_case(n_prompt_tokens, max_output_tokens))
    }

    fn with_table(mut self, table: Table) -> Result<Self, PricesError> {
        table.check()?;
        if let Some(factor) = table.batch_factor {
            self.batch_percent = percent(factor);
        }
        if let Some(factor) = table.us_geo_factor {
            self.us_percent = percent(factor);
        }
        let search = Pico((table.web_search_per_1000.unwrap_or(10.0) * PICO_PER_THOUSANDTH_DOLLAR).round() as i64);
        for (model, written) in table.models {
            let prices = written.read(&table.as_of, search);
            let prices = prices.map_err(|problem| PricesError::Model { model: model.clone(), problem })?;
            self.models.insert(model, prices);
        }
        Ok(self)
    }
}

fn is_free(response: &Response) -> bool {
    matches!(response.stop, Stop::Refusal { .. }) && response.usage.output == 0
}

/// `model` without a date at its end.
fn undated(model: &str) -> &str {
    model
        .rsplit_once('-')
        .filter(|(_, date)| date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(model, |(name, _)| name)
}

fn percent(factor: f64) -> i64 {
    (factor * 100.0).round() as i64
}

// The table as it is written.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    as_of: String,
    currency: Option<String>,
    unit: Option<String>,
    batch_factor: Option<f64>,
    us_geo_factor: Option<f64>,
    web_search_per_1000: Option<f64>,
    models: BTreeMap<String, WrittenModel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenModel {
    r#in: Option<f64>,
    out: Option<f64>,
    w5m: Option<f64>,
    w1h: Option<f64>,
    read: Option<f64>,
    /// In place of the five above.
    tiers: Option<Vec<WrittenRow>>,
    fast: Option<WrittenRow>,
    us_geo: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRow {
    max_prompt: Option<u64>,
    r#in: Option<f64>,
    out: Option<f64>,
    w5m: Option<f64>,
    w1h: Option<f64>,
    read: Option<f64>,
}

impl Table {
    fn check(&self) -> Result<(), PricesError> {
        let is_date = |text: &str| jiff::civil::Date::strptime("%Y-%m-%d", text).is_ok();
        let in_range = |factor: Option<f64>| factor.is_none_or(|factor| (0.0..=10.0).contains(&factor));
        let dollars = |usd: Option<f64>| usd.is_none_or(|usd| (0.0..=MAX_DOLLARS).contains(&usd));
        for (holds, field, expected) in [
            (is_date(&self.as_of), "as_of", "a day such as 2026-11-22"),
            (self.currency.as_deref().is_none_or(|text| text == "USD"), "currency", "USD"),
            (self.unit.as_deref().is_none_or(|text| text == "per_mtok"), "unit", "per_mtok"),
            (in_range(self.batch_factor), "batch_factor", "from 0 to 10"),
            (in_range(self.us_geo_factor), "us_geo_factor", "from 0 to 10"),
            (dollars(self.web_search_per_1000), "web_search_per_1000", "dollars"),
        ] {
            if !holds {
                return Err(PricesError::Field { field, expected });
            }
        }
        Ok(())
    }
}

impl WrittenModel {
    fn read(self, as_of: &str, search: Pico) -> Result<ModelPrices, &'static str> {
        let Self { r#in, out, w5m, w1h, read, .. } = self;
        let tiers = self.tiers.unwrap_or_else(|| vec![WrittenRow { max_prompt: None, r#in, out, w5m, w1h, read }]);
        let limits: Vec<_> = tiers.iter().map(|tier| tier.max_prompt).collect();
        let limits_rise = limits.is_sorted_by_key(|limit| limit.unwrap_or(u64::MAX));
        let only_last_is_open = limits.iter().filter(|limit| limit.is_none()).count() == 1;
        if !limits_rise || !only_last_is_open {
            return Err("the tiers must rise by max_prompt, and only the last goes without it");
        }
        let fast = self.fast.map(|row| row.read(as_of, search)).transpose()?;
        let tiers = tiers.into_iter().map(|tier| Ok((tier.max_prompt, tier.read(as_of, search)?)));
        Ok(ModelPrices {
            tiers: tiers.collect::<Result<_, &'static str>>()?,
            fast,
            us_costs_more: self.us_geo.unwrap_or(true),
        })
    }
}

impl WrittenRow {
    fn read(&self, as_of: &str, search: Pico) -> Result<PriceRow, &'static str> {
        let price = |dollars: Option<f64>| match dollars {
            Some(dollars) if (0.0..=MAX_DOLLARS).contains(&dollars) => {
                Ok(Pico((dollars * PICO_PER_MTOK_DOLLAR).round() as i64))
            }
            Some(_) | None => Err("it needs in, out, w5m, w1h and read in dollars per million tokens"),
        };
        Ok(PriceRow {
            as_of: as_of.to_owned(),
            input: price(self.r#in)?,
            output: price(self.out)?,
            write_5m: price(self.w5m)?,
            write_1h: price(self.w1h)?,
            read: price(self.read)?,
            web_search: search,
        })
    }
}
