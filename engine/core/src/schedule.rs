//! When a schedule is due: cron in a time zone. Pure: the zones are those that were compiled in, and the time comes with the
//! question.

use croner::Cron;
use croner::errors::CronError;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::str::FromStr as _;
use thiserror::Error;

/// A schedule that can be asked.
///
/// Five fields as in POSIX `crontab`: minute, hour, day, month, weekday; where day and weekday are both restricted, either is
/// enough. A time that the zone leaves out in spring is due when the clock has passed it; one that it has twice in autumn is
/// due the first time.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// The fields.
    #[error("{0}")]
    Cron(String),
    /// The zone.
    #[error("there is no time zone `{0}`")]
    Zone(String),
}

impl Schedule {
    /// Reads five fields and the name of a zone as the IANA database has it, such as `Europe/Berlin`; none is UTC.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn new(cron: &str, zone: Option<&str>) -> Result<Self, ScheduleError> {
        let told = |error: CronError| ScheduleError::Cron(error.to_string());
        if cron.split_whitespace().count() != 5 {
            return Err(ScheduleError::Cron("it has not five fields".into()));
        }
        let cron = Cron::from_str(cron).map_err(told)?;
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => {
                TimeZone::get(name).map_err(|_| ScheduleError::Zone(name.chars().take(80).collect()))?
            }
        };
        Ok(Self { cron, zone })
    }

    /// The first time after `after`, both in milliseconds since 1970; none if it never comes.
    pub fn next(&self, after: u64) -> Option<u64> {
        let found = self.cron.find_next_occurrence(&self.at(after)?, false).ok()?;
        u64::try_from(found.timestamp().as_millisecond()).ok()
    }

    fn at(&self, ms: u64) -> Option<Zoned> {
        let timestamp = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
        Some(timestamp.to_zoned(self.zone.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
    }

    fn next(cron: &str, zone: Option<&str>, after: &str) -> u64 {
        Schedule::new(cron, zone).unwrap().next(ms(after)).unwrap()
    }

    #[test]
    fn the_next_time_is_after_and_in_its_zone() {
        assert_eq!(next("0 3 * * *", None, "2026-03-01T02:59:59Z"), ms("2026-03-01T03:00:00Z"));
        assert_eq!(next("0 3 * * *", None, "2026-03-01T03:00:00Z"), ms("2026-03-02T03:00:00Z"));
        let berlin = Some("Europe/Berlin");
        assert_eq!(next("0 3 * * *", berlin, "2026-02-01T00:00:00Z"), ms("2026-02-01T02:00:00Z"));
        assert_eq!(next("0 3 * * *", berlin, "2026-07-01T00:00:00Z"), ms("2026-07-01T01:00:00Z"));
        assert_eq!(
            next("0 12 13 * 5", None, "2026-02-01T00:00:00Z"),
            ms("2026-02-06T12:00:00Z"),
            "either is enough"
        );
    }

    #[test]
    fn summer_time_neither_loses_nor_doubles_a_run() {
        let daily = Schedule::new("30 2 * * *", Some("Europe/Berlin")).unwrap();
        for (from, to) in [
            ("2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z"),
            ("2026-10-23T12:00:00Z", "2026-10-27T12:00:00Z"),
        ] {
            let (mut at, mut times) = (ms(from), 0);
            while let Some(next) = daily.next(at).filter(|next| *next <= ms(to)) {
                (at, times) = (next, times + 1);
            }
            assert_eq!(times, 4, "{from}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for cron in ["", "0 3 * *", "60 3 * * *", "0 3 * * * *", "a b c d e"] {
            assert!(matches!(Schedule::new(cron, None), Err(ScheduleError::Cron(_))), "{cron}");
        }
        assert_eq!(
            Schedule::new("0 3 * * *", Some("Mars/Base")).unwrap_err(),
            ScheduleError::Zone("Mars/Base".into())
        );
        assert_eq!(Schedule::new("0 0 30 2 *", None).unwrap().next(0), None, "it never comes");
    }
}
