//! Numbers as people read them.

use unicode_width::UnicodeWidthChar;

/// A duration: `40ms`, `0.4s`, `12.3s`, `2m05s`, `1h02m`, `3d04h`.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 if milliseconds < 100 => format!("{milliseconds}ms"),
        0..60 => format!("{seconds}.{}s", milliseconds % 1000 / 100),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How long ago, from two times in milliseconds.
pub(crate) fn ago(then: u64, now: u64) -> String {
    let seconds = now.saturating_sub(then) / 1000;
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..86_400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// Bytes: `512 B`, `1.5 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut tenths = count.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A number with its noun: `1 test`, `2 tests`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A text in at most so many columns, on one line; what is left out is shown by `…`.
pub(crate) fn fit(text: &str, columns: usize, unicode: bool) -> String {
    let width = |c: char| c.width().unwrap_or(0);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().map(width).sum::<usize>() <= columns {
        return line;
    }
    let end = if unicode { "…" } else { &"..."[..columns.min(3)] };
    let room = columns.saturating_sub(end.chars().count());
    let mut used = 0;
    let kept = line.chars().take_while(|c| {
        used += width(*c);
        used <= room
    });
    format!("{}{end}", kept.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let told = [
            (0, "0ms"),
            (99, "99ms"),
            (449, "0.4s"),
            (59_999, "59.9s"),
            (125_000, "2m05s"),
            (3_720_000, "1h02m"),
        ];
        for (milliseconds, text) in told {
            assert_eq!(duration(milliseconds), text);
        }
        assert_eq!(duration(86_400_000 + 4 * 3_600_000), "1d04h");
    }

    #[test]
    fn times_and_sizes() {
        assert_eq!(ago(1_000, 500), "0s ago");
        assert_eq!(ago(0, 7_300_000), "2h ago");
        let told = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (u64::MAX, "1677721.5 TiB"),
        ];
        for (number, text) in told {
            assert_eq!(bytes(number), text);
        }
        assert_eq!((count(1, "test"), count(0, "test")), ("1 test".into(), "0 tests".into()));
    }

    #[test]
    fn a_line_fits_by_columns_and_stays_one_line() {
        assert_eq!(fit("short", 10, true), "short");
        assert_eq!(fit("a\nb\x1b[1m", 10, true), "a b [1m");
        assert_eq!(fit("0123456789", 5, true), "0123…");
        assert_eq!(fit("0123456789", 5, false), "01...");
        assert_eq!(fit("日本語日本語", 6, true), "日本…");
    }
}
