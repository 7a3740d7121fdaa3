use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// How often something is tried in all.
pub(super) const TRIES: u32 = 5;
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// Whether the same request may succeed later.
pub(super) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// The pause before the next try: as long as the registry says, or twice as long each time with a random part, so that
/// many engines do not come back together.
pub(super) fn pause(tried: u32, headers: Option<&HeaderMap>) -> Duration {
    let told = headers.and_then(|headers| headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok());
    if let Some(seconds) = told {
        return Duration::from_secs(seconds).min(LONGEST);
    }
    let whole = FIRST.saturating_mul(1 << tried.min(10)).min(LONGEST);
    // The standard library seeds each state at random.
    let random = RandomState::new().build_hasher().finish();
    whole.mul_f64(0.5 + (random % 1024) as f64 / 2048.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        for tried in 0..40 {
            let whole = FIRST.saturating_mul(1 << tried.min(10)).min(LONGEST);
            let pause = pause(tried, None);
            assert!(pause >= whole / 2 && pause <= whole, "{tried}: {pause:?}");
        }
        let after = |text: &str| HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        assert_eq!(pause(0, Some(&after("3"))), Duration::from_secs(3));
        assert_eq!(pause(0, Some(&after("86400"))), LONGEST);
        assert!(pause(0, Some(&after("Wed, 21 Oct 2015 07:28:00 GMT"))) <= FIRST);
    }
}
