//! Lists come in pages.

use crate::problem::Problem;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

/// The most that a page holds.
pub(super) const MOST: u32 = 1_000;

/// How many are asked for, or as many as usual.
///
/// # Errors
/// When it is none, or more than [`MOST`].
pub(super) fn size(asked: Option<u32>, usual: u32) -> Result<u32, Problem> {
    match asked.unwrap_or(usual) {
        most @ 1..=MOST => Ok(most),
        other => Err(Problem::not_understood(format!("`max` is {other}, and not between 1 and {MOST}"))),
    }
}

/// The answer with a `Link` to the page that begins where this one ends, if this one is full.
pub(super) fn linked(response: Response, uri: &Uri, next: Option<(&str, u64)>) -> Response {
    let link = next.and_then(|(key, value)| HeaderValue::from_str(&link(uri, key, value)).ok());
    match link {
        Some(link) => ([(header::LINK, link)], response).into_response(),
        None => response,
    }
}

/// The same address with another place to begin.
fn link(uri: &Uri, key: &str, value: u64) -> String {
    let others = uri.query().unwrap_or_default().split('&');
    let others = others.filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(key));
    let query: Vec<String> = others.map(str::to_owned).chain([format!("{key}={value}")]).collect();
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_its_bounds() {
        for (asked, expected) in [
            (None, Some(50)),
            (Some(1), Some(1)),
            (Some(1_000), Some(1_000)),
            (Some(0), None),
            (Some(1_001), None),
        ] {
            assert_eq!(size(asked, 50).ok(), expected, "{asked:?}");
        }
    }

    #[test]
    fn the_next_page_keeps_what_was_asked() {
        for (uri, expected) in [
            ("/a", "</a?before=7>; rel=\"next\""),
            ("/a?max=2&before=9&pipeline=x", "</a?max=2&pipeline=x&before=7>; rel=\"next\""),
        ] {
            assert_eq!(link(&uri.parse().unwrap(), "before", 7), expected);
        }
    }
}
