//! Parts of what has a length: `Range` of RFC 9110, one range of bytes at a time.

use crate::problem::Problem;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use stageway_core::diagnostic::codes;
use std::ops::Range;

/// The part that is asked for; none where all of it is, or where the header is not understood, which RFC 9110 then ignores.
///
/// # Errors
/// When the range begins behind the end.
pub(crate) fn asked(headers: &HeaderMap, length: u64) -> Result<Option<Range<u64>>, Problem> {
    let Some(text) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => suffix.parse().ok().map(|suffix: u64| length.saturating_sub(suffix)..length),
        (first, "") => first.parse().ok().map(|first| first..length),
        (first, last) => match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => Some(first..last.saturating_add(1).min(length)),
            _ => None,
        },
    };
    match range {
        Some(range) if range.start >= length || range.is_empty() => Err(not_there(length)),
        range => Ok(range),
    }
}

/// `Content-Range` of a part.
pub(crate) fn described(range: &Range<u64>, length: u64) -> HeaderValue {
    let text = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("bytes"))
}

fn not_there(length: u64) -> Problem {
    let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, codes::RANGE_NOT_THERE);
    match HeaderValue::from_str(&format!("bytes */{length}")) {
        Ok(value) => problem.with(header::CONTENT_RANGE, value),
        Err(_) => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<Range<u64>>, ()> {
        let headers = [(header::RANGE, HeaderValue::from_str(text).unwrap())].into_iter().collect();
        asked(&headers, 10).map_err(drop)
    }

    #[test]
    fn ranges_are_read_as_they_are_written() {
        for (text, expected) in [
            ("bytes=0-3", Ok(Some(0..4))),
            ("bytes=4-", Ok(Some(4..10))),
            ("bytes=9-99", Ok(Some(9..10))),
            ("bytes=-3", Ok(Some(7..10))),
            ("bytes=-99", Ok(Some(0..10))),
            ("bytes=0-18446744073709551615", Ok(Some(0..10))),
            ("bytes=10-", Err(())),
            ("bytes=-0", Err(())),
            ("bytes=3-1", Ok(None)),
            ("bytes=0-1,3-4", Ok(None)),
            ("lines=0-1", Ok(None)),
            ("bytes=x-", Ok(None)),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(asked(&HeaderMap::new(), 10).ok(), Some(None));
        assert_eq!(described(&(4..10), 10), "bytes 4-9/10");
    }
}
