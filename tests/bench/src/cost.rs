//! Times, and what is said of many of them.

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// A measure and its floor, taken in turns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paired {
    values: Vec<f64>,
    floors: Vec<f64>,
}

impl Paired {
    /// One turn of both.
    pub(crate) fn push(&mut self, value: f64, floor: f64) {
        self.values.push(value);
        self.floors.push(floor);
    }

    pub(crate) fn value(&self) -> f64 {
        median(self.values.clone())
    }

    pub(crate) fn floor(&self) -> f64 {
        median(self.floors.clone())
    }

    /// The median of what each turn's value is of its floor.
    pub(crate) fn ratio(&self) -> f64 {
        median(self.values.iter().zip(&self.floors).map(|(value, floor)| value / floor).collect())
    }
}

/// The middle of some values; of none it is not a number.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        _ if values.is_empty() => f64::NAN,
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// Seconds since.
pub(crate) fn since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}

/// Processor time of this process, all threads together, in seconds.
pub(crate) fn processor() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32).as_secs_f64()
}

/// What the status of a process says of its memory under a name, in bytes.
pub(crate) fn memory(status: &str, name: &str) -> Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let kilobytes: f64 = line.trim().trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn a_ratio_is_that_of_turns_and_not_of_medians() {
        let mut paired = Paired::default();
        for (value, floor) in [(2.0, 1.0), (40.0, 20.0), (3.0, 1.5)] {
            paired.push(value, floor);
        }
        assert_eq!((paired.value(), paired.floor(), paired.ratio()), (3.0, 1.5, 2.0));
    }
}
