//! The shipped price table row by row, the arithmetic of modifiers, and overrides.

use errand_model::prices::{Delivery, Modifiers, Prices, Region, Speed};
use errand_task::money::{Cost, Pico, Usage};

const LIVE: Modifiers = Modifiers { delivery: Delivery::Live, region: Region::Global, speed: Speed::Standard };
const BATCH: Modifiers = Modifiers { delivery: Delivery::Batch, ..LIVE };
const US: Modifiers = Modifiers { region: Region::Us, ..LIVE };
const FAST: Modifiers = Modifiers { speed: Speed::Fast, ..LIVE };

/// Input, output, 5-minute write, 1-hour write and read in pico-dollars a token.
fn row(model: &str, prompt: u64, modifiers: Modifiers) -> Option<[i64; 5]> {
    let row = Prices::built_in().row(model, prompt, modifiers)?;
    assert_eq!((row.as_of.as_str(), row.web_search), ("2026-11-22", Pico(10_000_000_000)));
    Some([row.input.0, row.output.0, row.write_5m.0, row.write_1h.0, row.read.0])
}

fn amount(cost: Cost) -> i64 {
    match cost {
        Cost::Known { amount, .. } => amount.0,
        Cost::Unknown => panic!("no price"),
    }
}

#[test]
fn every_row() {
    const M: i64 = 1_000_000;
    let opus = [5 * M, 25 * M, 6_250_000, 10 * M, 500_000];
    let fable = |read| [10 * M, 50 * M, 12_500_000, 20 * M, read];
    for (model, expected) in [
        ("claude-fable-5-2", [8 * M, 40 * M, 10 * M, 16 * M, 200_000]),
        ("claude-mythos-5-2", [8 * M, 40 * M, 10 * M, 16 * M, 200_000]),
        ("claude-fable-5-1", fable(250_000)),
        ("claude-mythos-5-1", fable(250_000)),
        ("claude-fable-5", fable(M)),
        ("claude-mythos-5", fable(M)),
        ("claude-opus-5-5", [4 * M, 20 * M, 5 * M, 8 * M, 200_000]),
        ("claude-opus-5", opus),
        ("claude-opus-4-8", opus),
        ("claude-opus-4-7", opus),
        ("claude-opus-4-6", opus),
        ("claude-opus-4-5", opus),
        ("claude-opus-4-5-20251101", opus),
        ("claude-sonnet-5-5", [2 * M, 10 * M, 2_500_000, 4 * M, 100_000]),
        ("claude-sonnet-5", [2 * M, 10 * M, 2_500_000, 4 * M, 200_000]),
        ("claude-sonnet-4-6", [3 * M, 15 * M, 3_750_000, 6 * M, 300_000]),
        ("claude-sonnet-4-5-20250929", [3 * M, 15 * M, 3_750_000, 6 * M, 300_000]),
        ("claude-haiku-4-5-20251001", [M, 5 * M, 1_250_000, 2 * M, 100_000]),
    ] {
        assert_eq!(row(model, 900_000, LIVE), Some(expected), "{model}");
        let [input, _, write_5m, write_1h, _] = expected;
        assert_eq!((write_5m, write_1h), (input * 5 / 4, input * 2), "{model}");
    }
    let low = [100_000, 500_000, 125_000, 200_000, 10_000];
    assert_eq!(row("claude-haiku-5-5", 100_000, LIVE), Some(low));
    assert_eq!(row("claude-haiku-5-5", 100_001, LIVE), Some(low.map(|price| price * 5)));
    for unknown in ["claude-mythos-preview", "claude-opus-6", "claude-sonnet-5-5-latest", "qwen", ""] {
        assert_eq!(row(unknown, 1, LIVE), None, "{unknown}");
    }
}

#[test]
fn every_model_of_the_catalog_but_one_has_a_price() {
    let without: Vec<_> = errand_model::catalog::MODELS
        .iter()
        .map(|model| model.id)
        .filter(|id| Prices::built_in().row(id, 1, LIVE).is_none())
        .collect();
    assert_eq!(without, ["claude-mythos-preview"]);
}

#[test]
fn modifiers_stack() {
    let both = Modifiers { region: Region::Us, ..BATCH };
    assert_eq!(row("claude-haiku-5-5", 1, both), Some([55_000, 275_000, 68_750, 110_000, 5_500]));
    assert_eq!(row("claude-sonnet-4-6", 1, US), Some([3_300_000, 16_500_000, 4_125_000, 6_600_000, 330_000]));
    assert_eq!(row("claude-haiku-4-5", 1, US), row("claude-haiku-4-5", 1, LIVE));
    assert_eq!(row("claude-opus-5-5", 1, FAST), Some([8_000_000, 40_000_000, 10_000_000, 16_000_000, 400_000]));
    assert_eq!(row("claude-fable-5-2", 1, FAST), Some([16_000_000, 80_000_000, 20_000_000, 32_000_000, 400_000]));
    assert_eq!(row("claude-opus-4-8", 1, FAST), Some([10_000_000, 50_000_000, 12_500_000, 20_000_000, 1_000_000]));
    assert_eq!(row("claude-sonnet-5-5", 1, FAST), None);
    assert_eq!(row("claude-opus-5-5", 1, Modifiers { speed: Speed::Fast, ..BATCH }), None);
}

#[test]
fn worked_examples() {
    let prices = Prices::built_in();
    let plain = Usage { input: 100_000, output: 2_000, ..Usage::default() };
    let cached = Usage { write_5m: 5_000, read: 95_000, output: 2_000, ..Usage::default() };
    let miss = Usage { write_1h: 100_000, output: 2_000, ..Usage::default() };
    let one_more = Usage { read: 95_001, ..cached };
    for (model, usage, modifiers, micro_usd) in [
        ("claude-sonnet-4-6", plain, LIVE, 330_000.0),
        ("claude-sonnet-4-6", cached, LIVE, 77_250.0),
        ("claude-sonnet-4-6", plain, BATCH, 165_000.0),
        ("claude-sonnet-4-6", cached, BATCH, 38_625.0),
        ("claude-sonnet-4-6", miss, BATCH, 315_000.0),
        ("claude-sonnet-5-5", cached, LIVE, 42_000.0),
        ("claude-haiku-5-5", cached, LIVE, 2_575.0),
        ("claude-haiku-5-5", one_more, LIVE, 12_875.05),
    ] {
        let expected = (micro_usd * 1e6) as i64;
        assert_eq!(amount(prices.cost(model, &usage, modifiers)), expected, "{model} {usage:?}");
    }
    // The whole task of 40 turns: writes 132k, reads 2.81M, output 32k.
    let task = Usage { write_5m: 132_000, read: 2_808_000, output: 32_000, ..Usage::default() };
    let shown = |model: &str| Pico(amount(prices.cost(model, &task, LIVE))).to_string();
    assert_eq!(shown("claude-sonnet-4-6"), "$1.82");
    assert_eq!(shown("claude-sonnet-5-5"), "$0.9308");
    assert_eq!(prices.cost("local", &task, LIVE), Cost::Unknown);
}

#[test]
fn the_worst_case_holds_for_every_role_and_region() {
    let prices = Prices::built_in();
    for model in errand_model::catalog::MODELS.iter().filter(|model| model.id != "claude-mythos-preview") {
        for n in [1, 100_000, 100_001, 900_000] {
            let worst = prices.worst_case(model.id, n, 32_000).unwrap();
            for modifiers in [LIVE, US] {
                for usage in [
                    Usage { input: n, ..Usage::default() },
                    Usage { write_5m: n, ..Usage::default() },
                    Usage { write_1h: n, ..Usage::default() },
                    Usage { read: n, ..Usage::default() },
                ] {
                    let usage = Usage { output: 32_000, ..usage };
                    assert!(amount(prices.cost(model.id, &usage, modifiers)) <= worst.0, "{} {n}", model.id);
                }
            }
        }
    }
    assert_eq!(prices.worst_case("claude-sonnet-5-5", 100_000, 32_000), Some(Pico(792_000_000_000)));
    assert_eq!(prices.worst_case("local", 1, 1), None);
}

#[test]
fn overrides_add_and_replace() {
    let json = r#"{"as_of":"2027-01-05","models":{
        "local-coder":{"in":0,"out":0,"w5m":0,"w1h":0,"read":0},
        "claude-sonnet-5-5":{"in":1,"out":5,"w5m":1.25,"w1h":2,"read":0.05}}}"#;
    let prices = Prices::built_in().with_override(json).unwrap();
    let row = prices.row("claude-sonnet-5-5", 1, LIVE).unwrap();
    assert_eq!((row.as_of.as_str(), row.input, row.read), ("2027-01-05", Pico(1_000_000), Pico(50_000)));
    assert_eq!(prices.row("local-coder", 1, LIVE).unwrap().output, Pico::ZERO);
    assert_eq!(prices.row("claude-opus-5-5", 1, LIVE).unwrap().as_of, "2026-11-22");
}

#[test]
fn overrides_that_cannot_be_meant_are_named() {
    let row = r#""in":1,"out":5,"w5m":1,"w1h":2"#;
    for (json, message) in [
        ("{}", "the price table is not readable: missing field `as_of` at line 1 column 2".to_owned()),
        (r#"{"as_of":"soon","models":{}}"#, "the price table: `as_of` must be a day such as 2026-11-22".to_owned()),
        (
            r#"{"as_of":"2027-01-05","currency":"EUR","models":{}}"#,
            "the price table: `currency` must be USD".to_owned(),
        ),
        (
            &format!(r#"{{"as_of":"2027-01-05","models":{{"m":{{{row}}}}}}}"#),
            "the prices of `m`: it needs in, out, w5m, w1h and read in dollars per million tokens".to_owned(),
        ),
        (
            &format!(r#"{{"as_of":"2027-01-05","models":{{"m":{{"tiers":[{{{row},"read":1,"max_prompt":5}}]}}}}}}"#),
            "the prices of `m`: the tiers must rise by max_prompt, and only the last goes without it".to_owned(),
        ),
    ] {
        let error = Prices::built_in().with_override(json).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    for json in [
        r#"{"as_of":"2027-01-05","models":{"m":{"in":-1,"out":5,"w5m":1,"w1h":2,"read":1}}}"#,
        r#"{"as_of":"2027-01-05","models":{"m":{"in":1e300,"out":5,"w5m":1,"w1h":2,"read":1}}}"#,
        r#"{"as_of":"2027-01-05","models":{"m":{"inn":1}}}"#,
        r#"{"as_of":"2027-01-05","batch_factor":-2,"models":{}}"#,
    ] {
        assert!(Prices::built_in().with_override(json).is_err(), "{json}");
    }
}
