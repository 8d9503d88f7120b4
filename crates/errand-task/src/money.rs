//! Money as whole pico-dollars (10⁻¹² $), and what a model request used and cost.
//!
//! Every list price, halved for batches or raised for a region, is a whole number of pico-dollars a token, so sums are
//! exact and only display rounds. An `i64` holds about nine million dollars.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pico(pub i64);

const PER_DOLLAR: f64 = 1e12;

impl Pico {
    pub const ZERO: Self = Self(0);

    /// From dollars as a person writes them. `None` when it is not a finite amount from 0 to a million.
    pub fn from_usd(usd: f64) -> Option<Self> {
        (usd.is_finite() && (0.0..=1e6).contains(&usd)).then(|| Self((usd * PER_DOLLAR).round() as i64))
    }

    /// For display and JSON only.
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / PER_DOLLAR
    }

    /// This price for `n` tokens; saturates instead of wrapping.
    pub fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(i64::try_from(n).unwrap_or(i64::MAX)))
    }
}

impl Add for Pico {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Pico {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Pico {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Pico {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::add)
    }
}

impl fmt::Display for Pico {
    /// Dollars: two decimals from a dollar on, four below.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usd = self.as_usd();
        if usd.abs() >= 1.0 || self.0 == 0 { write!(f, "${usd:.2}") } else { write!(f, "${usd:.4}") }
    }
}

/// Tokens of one response, or a sum of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens after the last cache breakpoint.
    pub input: u64,
    pub write_5m: u64,
    pub write_1h: u64,
    pub read: u64,
    /// All output, thinking included.
    pub output: u64,
    pub web_searches: u64,
}

impl Usage {
    /// All tokens of the prompt, however they were billed.
    pub fn prompt(&self) -> u64 {
        [self.write_5m, self.write_1h, self.read].into_iter().fold(self.input, u64::saturating_add)
    }
}

impl AddAssign for Usage {
    /// Saturates: the numbers are an endpoint's.
    fn add_assign(&mut self, other: Self) {
        *self = Self {
            input: self.input.saturating_add(other.input),
            write_5m: self.write_5m.saturating_add(other.write_5m),
            write_1h: self.write_1h.saturating_add(other.write_1h),
            read: self.read.saturating_add(other.read),
            output: self.output.saturating_add(other.output),
            web_searches: self.web_searches.saturating_add(other.web_searches),
        };
    }
}

/// Prices of one token in each role; the row is stored with each cost that was computed from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRow {
    /// The day the row was true, `YYYY-MM-DD`.
    pub as_of: String,
    pub input: Pico,
    pub output: Pico,
    pub write_5m: Pico,
    pub write_1h: Pico,
    pub read: Pico,
    pub web_search: Pico,
}

impl PriceRow {
    pub fn cost(&self, usage: &Usage) -> Pico {
        self.input.times(usage.input)
            + self.write_5m.times(usage.write_5m)
            + self.write_1h.times(usage.write_1h)
            + self.read.times(usage.read)
            + self.output.times(usage.output)
            + self.web_search.times(usage.web_searches)
    }

    /// No request with this prompt and this output limit costs more: every prompt token at the dearest input role.
    pub fn worst_case(&self, prompt_tokens: u64, max_output_tokens: u64) -> Pico {
        let dearest = self.input.max(self.write_5m).max(self.write_1h).max(self.read);
        dearest.times(prompt_tokens) + self.output.times(max_output_tokens)
    }
}

/// What one response cost. An unknown price is said, never guessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    Known { amount: Pico, row: PriceRow },
    Unknown,
}

impl Cost {
    pub fn amount(&self) -> Pico {
        match self {
            Self::Known { amount, .. } => *amount,
            Self::Unknown => Pico::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_round_only_for_display() {
        for (pico, shown) in
            [(0, "$0.00"), (1_000_000, "$0.0000"), (4_200_000_000, "$0.0042"), (1_825_000_000_000, "$1.82")]
        {
            assert_eq!(Pico(pico).to_string(), shown);
        }
        assert_eq!(Pico::from_usd(0.42), Some(Pico(420_000_000_000)));
        for bad in [-0.01, f64::NAN, f64::INFINITY, 1e7] {
            assert_eq!(Pico::from_usd(bad), None, "{bad}");
        }
    }

    #[test]
    fn tokens_add_up_without_end() {
        let endless = Usage {
            input: u64::MAX,
            write_5m: u64::MAX,
            write_1h: u64::MAX,
            read: u64::MAX,
            output: u64::MAX,
            web_searches: u64::MAX,
        };
        let mut sum = endless;
        sum += endless;
        assert_eq!((sum, sum.prompt()), (endless, u64::MAX));
    }
}
