//! A measured figure, and how figures are shown: a table for people, values for programs.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// `None` when nothing was measured.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self { median: f64::midpoint(lower, upper), min, max })
    }

    pub fn of_times(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        Self::of(times.into_iter().map(|time| time.as_secs_f64() * 1_000.0))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Count,
    Milliseconds,
}

/// What we want it to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    Below(f64),
    TimesFloor(f64),
}

#[derive(Clone, Debug)]
pub struct Figure {
    /// The heading it stands under.
    pub group: &'static str,
    pub name: String,
    pub unit: Unit,
    pub value: Spread,
    pub floor: Option<Spread>,
    pub aim: Option<Aim>,
}

impl Figure {
    pub fn new(group: &'static str, name: impl Into<String>, unit: Unit, value: Spread) -> Self {
        Self { group, name: name.into(), unit, value, floor: None, aim: None }
    }

    pub fn floor(self, floor: Option<Spread>) -> Self {
        Self { floor, ..self }
    }

    pub fn aim(self, aim: Option<Aim>) -> Self {
        Self { aim, ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.floor.map(|floor| self.value.median / floor.median)
    }

    fn is_met(&self) -> Option<bool> {
        match self.aim? {
            Aim::Below(limit) => Some(self.value.median < limit),
            Aim::TimesFloor(limit) => Some(self.ratio()? <= limit),
        }
    }

    pub fn to_json(&self) -> Value {
        let spread = |spread: Spread| json!({ "median": spread.median, "min": spread.min, "max": spread.max });
        let unit = match self.unit {
            Unit::Bytes => "bytes",
            Unit::Count => "count",
            Unit::Milliseconds => "ms",
        };
        let aim = self.aim.map(|aim| match aim {
            Aim::Below(limit) => json!({ "below": limit }),
            Aim::TimesFloor(limit) => json!({ "times_floor": limit }),
        });
        json!({
            "group": self.group, "name": self.name, "unit": unit, "value": spread(self.value),
            "floor": self.floor.map(spread), "ratio": self.ratio(), "aim": aim, "is_met": self.is_met(),
        })
    }

    fn cells(&self) -> [String; 8] {
        let shown = |value: f64| shown(self.unit, value);
        let aim = self.aim.map(|aim| match aim {
            Aim::Below(limit) => format!("< {}", shown(limit)),
            Aim::TimesFloor(limit) if limit >= SMALL => format!("≤ {limit}×"),
            Aim::TimesFloor(limit) => format!("≤ {}", times(limit)),
        });
        let met = self.is_met().map(|is_met| if is_met { "met" } else { "not met" }.to_owned());
        [
            self.name.clone(),
            shown(self.value.median),
            shown(self.value.min),
            shown(self.value.max),
            self.floor.map(|floor| shown(floor.median)).unwrap_or_default(),
            self.ratio().map(times).unwrap_or_default(),
            aim.unwrap_or_default(),
            met.unwrap_or_default(),
        ]
    }
}

/// A ratio below this is shown as a part of the floor.
const SMALL: f64 = 0.1;

fn times(ratio: f64) -> String {
    if ratio >= SMALL || ratio <= 0.0 { format!("{ratio:.1}×") } else { format!("1/{:.0}×", 1.0 / ratio) }
}

fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count => format!("{value:.1}"),
        Unit::Milliseconds if value.abs() < 10.0 => format!("{value:.2} ms"),
        Unit::Milliseconds if value.abs() < 1_000.0 => format!("{value:.1} ms"),
        Unit::Milliseconds => format!("{:.2} s", value / 1_000.0),
        Unit::Bytes if value.abs() < 1_048_576.0 => format!("{:.0} KiB", value / 1_024.0),
        Unit::Bytes => format!("{:.1} MiB", value / 1_048_576.0),
    }
}

/// The figures under their headings, every column as wide as its widest cell.
pub fn table(figures: &[Figure]) -> String {
    let head = ["", "median", "min", "max", "floor", "ratio", "aim", ""].map(str::to_owned);
    let rows: Vec<_> = figures.iter().map(|figure| (figure.group, figure.cells())).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|(_, cells)| cells).chain([&head]);
        cells.filter_map(|cells| cells.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: &[String; 8]| {
        let mut out = String::new();
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            // Writing to a String cannot fail.
            let _ = match column {
                0 => write!(out, "  {cell:<width$}"),
                7 => write!(out, "  {cell}"),
                _ => write!(out, "  {cell:>width$}"),
            };
        }
        out.trim_end().to_owned()
    };
    let mut out = vec![line(&head)];
    let mut group = "";
    for (under, cells) in &rows {
        if *under != group {
            group = under;
            out.push(format!("\n{group}"));
        }
        out.push(line(cells));
    }
    out.push(String::new());
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_median_and_ends() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_table_shows_ratio_aim_and_whether_it_is_met() {
        let one = |median| Spread { median, min: median - 1.0, max: median + 1.0 };
        let figures = [
            Figure::new("steps", "mixed", Unit::Milliseconds, one(6.0))
                .floor(Some(one(2.0)))
                .aim(Some(Aim::TimesFloor(3.0))),
            Figure::new("steps", "fast", Unit::Milliseconds, one(3.0))
                .floor(Some(one(120.0)))
                .aim(Some(Aim::TimesFloor(1.0 / 50.0))),
            Figure::new("memory", "a waiting task", Unit::Bytes, one(2_097_152.0)).aim(Some(Aim::Below(1_048_576.0))),
        ];
        let lines: Vec<_> = [
            "                   median      min      max     floor  ratio        aim",
            "",
            "steps",
            "  mixed           6.00 ms  5.00 ms  7.00 ms   2.00 ms   3.0×       ≤ 3×  met",
            "  fast            3.00 ms  2.00 ms  4.00 ms  120.0 ms  1/40×    ≤ 1/50×  not met",
            "",
            "memory",
            "  a waiting task  2.0 MiB  2.0 MiB  2.0 MiB                   < 1.0 MiB  not met",
            "",
        ]
        .into();
        assert_eq!(table(&figures).split('\n').collect::<Vec<_>>(), lines);
        assert_eq!(figures[0].to_json()["is_met"], true);
        assert_eq!(figures[2].to_json()["ratio"], Value::Null);
    }
}
