//! The table: what was measured, its floor, and whether the target is met.

use crate::cost::Paired;
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::path::Path;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    Count,
}

/// What must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// The value is at most this many times its floor.
    Ratio(f64),
    /// The value itself is at most this.
    Most(f64),
    /// It is only looked at.
    None,
}

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    name: String,
    unit: Unit,
    value: f64,
    floor: Option<f64>,
    ratio: Option<f64>,
    target: Target,
}

impl Row {
    /// A time with a floor that was taken in turns with it.
    pub(crate) fn paired(name: impl Into<String>, paired: &Paired, target: Target) -> Self {
        let (value, floor, ratio) = (paired.value(), Some(paired.floor()), Some(paired.ratio()));
        Self { name: name.into(), unit: Unit::Seconds, value, floor, ratio, target }
    }

    /// A number beside another.
    pub(crate) fn beside(
        name: impl Into<String>,
        unit: Unit,
        value: f64,
        floor: f64,
        target: Target,
    ) -> Self {
        Self { name: name.into(), unit, value, floor: Some(floor), ratio: Some(value / floor), target }
    }

    /// A number alone.
    pub(crate) fn alone(name: impl Into<String>, unit: Unit, value: f64, target: Target) -> Self {
        Self { name: name.into(), unit, value, floor: None, ratio: None, target }
    }

    /// Whether the target is met; none without a target.
    fn met(&self) -> Option<bool> {
        match self.target {
            Target::Ratio(most) => Some(self.ratio? <= most),
            Target::Most(most) => Some(self.value <= most),
            Target::None => None,
        }
    }

    fn cells(&self) -> [String; 6] {
        let target = match self.target {
            Target::Ratio(most) => format!("≤ {} ×", (most * 100.0).round() / 100.0),
            Target::Most(most) => format!("≤ {}", shown(most, self.unit)),
            Target::None => String::new(),
        };
        let met = match self.met() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        [
            self.name.clone(),
            shown(self.value, self.unit),
            self.floor.map(|floor| shown(floor, self.unit)).unwrap_or_default(),
            self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            target,
            met.to_owned(),
        ]
    }

    fn json(&self) -> Json {
        let target = match self.target {
            Target::Ratio(most) => json!({ "ratio": most }),
            Target::Most(most) => json!({ "most": most }),
            Target::None => Json::Null,
        };
        let unit = match self.unit {
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
            Unit::Count => "count",
        };
        json!({
            "measure": self.name, "unit": unit, "value": self.value, "floor": self.floor, "ratio": self.ratio,
            "target": target, "met": self.met(),
        })
    }
}

/// Everything that was measured, and where.
#[derive(Debug)]
pub(crate) struct Table {
    machine: String,
    rows: Vec<Row>,
}

const HEADS: [&str; 6] = ["measure", "value", "floor", "ratio", "target", "met"];

impl Table {
    pub(crate) fn new(directory: &Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?").to_owned();
        Self {
            machine: format!("{cores} cores, load {load}, states in {}", directory.display()),
            rows: Vec::new(),
        }
    }

    pub(crate) fn extend(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    pub(crate) fn json(&self) -> Json {
        json!({ "machine": self.machine, "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>() })
    }

    /// The table as text.
    pub(crate) fn render(&self, colours: bool) -> String {
        let lines: Vec<[String; 6]> =
            std::iter::once(HEADS.map(str::to_owned)).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(width);
        let mut text = format!("{}\n\n", self.machine);
        for (number, line) in lines.iter().enumerate() {
            let mut shown = format!("{:<w$}", line[0], w = widths[0]);
            for column in 1..5 {
                let _ = write!(shown, "  {:>w$}", line[column], w = widths[column]);
            }
            let _ = write!(shown, "  {}", line[5]);
            let shown = shown.trim_end();
            let missed = number > 0 && line[5] == "NO";
            let _ = match (colours, number, missed) {
                (true, 0, _) => writeln!(text, "\x1b[1m{shown}\x1b[0m"),
                (true, _, true) => writeln!(text, "\x1b[31m{shown}\x1b[0m"),
                _ => writeln!(text, "{shown}"),
            };
        }
        text.push('\n');
        text.push_str(FLOORS);
        text
    }
}

/// What the floors are, below the table.
const FLOORS: &str = "\
Floors, measured in turns with what stands beside them:
  an instance         wasmtime alone: the same engine, component and call, answered at once (processor time)
  an append           SQLite alone: one transaction with the same bodies in one table
  commits             one for the start of the run and one for the end of each stage
  a stage of a chain  as many commits of the same batches, and wasmtime alone as often
  a stage of 1,000    as many stages in chains of 100 around it, in processor time: 1.0 is linear
  a stage with a task its own steps and no more: spawn and wait; claim (mkdir, fsync); start mark (write, fsync, fsync of
                      the directory); ending (write, fsync, rename, fsync of the directory); two commits
  in the sandbox      the same with the spawn by `unshare` of util-linux, in the namespaces of a task and nothing else
  tasks at once       as many `unshare`; for what the sandbox adds as many by bubblewrap, of the same namespaces and parts
  replay              wasmtime alone, making as many calls
  the binary          the same that only says its version
  an answer           a bare axum route with HMAC, JSON and one durable insert, in this process
  a delivery's fetch  `git fetch` of as much, alone
  a task as a pod     a pod of the same image and command, made and watched by kube alone, in turns with ours
  a run after many    a run of the first tenth
";

/// A number with three digits and its unit.
fn shown(value: f64, unit: Unit) -> String {
    let scaled = |value: f64, unit: &str| match value.abs() {
        100.0.. => format!("{value:.0} {unit}"),
        10.0.. => format!("{value:.1} {unit}"),
        _ => format!("{value:.2} {unit}"),
    };
    match unit {
        Unit::Seconds if value >= 1.0 => scaled(value, "s"),
        Unit::Seconds if value >= 1e-3 => scaled(value * 1e3, "ms"),
        Unit::Seconds => scaled(value * 1e6, "µs"),
        Unit::Bytes => scaled(value / f64::from(1 << 20), "MiB"),
        Unit::Count => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(shown(0.000_012_34, Unit::Seconds), "12.3 µs");
        assert_eq!(shown(0.2, Unit::Seconds), "200 ms");
        assert_eq!(shown(1.5, Unit::Seconds), "1.50 s");
        assert_eq!(shown(3_145_728.0, Unit::Bytes), "3.00 MiB");
        assert_eq!(shown(11.0, Unit::Count), "11");
    }

    #[test]
    fn a_target_is_met_or_not() {
        let ratio = |value| Row::beside("a", Unit::Seconds, value, 1.0, Target::Ratio(1.5));
        assert_eq!((ratio(1.5).met(), ratio(1.6).met()), (Some(true), Some(false)));
        let most = |value| Row::alone("a", Unit::Seconds, value, Target::Most(0.2));
        assert_eq!((most(0.1).met(), most(0.3).met()), (Some(true), Some(false)));
        assert_eq!(Row::alone("a", Unit::Bytes, 1.0, Target::None).met(), None);
    }

    #[test]
    fn columns_stand_below_each_other_and_a_miss_is_seen() {
        let mut table = Table { machine: "here".into(), rows: vec![] };
        table.extend(vec![Row::beside("slow", Unit::Seconds, 2.0, 1.0, Target::Ratio(1.5))]);
        let text = table.render(false);
        assert!(text.starts_with("here\n\nmeasure   value   floor  ratio   target  met\nslow     2.00 s  1.00 s   2.00  ≤ 1.5 ×  NO\n"), "{text}");
        assert!(table.render(true).contains("\x1b[31mslow"));
        assert_eq!(table.json()["rows"][0]["met"], false);
    }
}
