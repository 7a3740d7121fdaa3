//! Moments as people write them: RFC 3339, in UTC.

/// Milliseconds since 1970 of `YYYY-MM-DDTHH:MM:SSZ`, or of the beginning of `YYYY-MM-DD`; none for anything else, and for
/// what no calendar has.
pub fn parse(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let sound = year >= 1970
        && (1..=12).contains(&month)
        && (1..=days(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    sound.then(|| {
        let days = days_since_1970(year, month) + day - 1;
        ((days * 24 + hour) * 3_600 + minute * 60 + second) * 1_000
    })
}

/// As [`parse`] reads it, to the second.
pub fn text(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    let (mut day, time) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut month) = (1970, 1);
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    while day >= days(year, month) {
        day -= days(year, month);
        month += 1;
    }
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", day + 1)
}

fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut found = [0; N];
    for (number, width) in found.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days before the first of that month.
fn days_since_1970(year: u64, month: u64) -> u64 {
    let years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    years + (1..month).map(|month| days(year, month)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_read_is_written() {
        for (written, milliseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1999-12-31T23:59:59Z", 946_684_799_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2027-01-31T12:30:05Z", 1_801_398_605_000),
        ] {
            assert_eq!(parse(written), Some(milliseconds), "{written}");
            assert_eq!(text(milliseconds), written);
        }
        assert_eq!(parse("2027-01-31"), Some(1_801_353_600_000));
    }

    #[test]
    fn what_no_calendar_has_is_none() {
        for text in [
            "",
            "tomorrow",
            "2027-1-31",
            "2027-02-29",
            "2027-13-01",
            "2027-00-01",
            "2027-01-00",
            "1969-12-31",
            "2027-01-31T24:00:00Z",
            "2027-01-31T00:00:00",
            "2027-01-31T00:00:00+01:00",
            "2027-01-31T00:00Z",
            "2027-01-31-01",
            "+027-01-31",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
