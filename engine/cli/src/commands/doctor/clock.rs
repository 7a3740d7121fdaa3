//! Whether this machine's clock and another's agree.

use super::Finding;
use crate::wiring::SystemClock;
use stageway_ports::Clock as _;

/// In milliseconds. Leases move within ten seconds, so engines that share a database must agree far better; a time that is told in
/// whole seconds after a round trip is off by up to two.
const AGREES: u64 = 3_000;

/// A finding where a clock that was just read, in milliseconds since 1970 UTC, does not agree with ours.
pub(super) fn beside(whose: &str, theirs: u64) -> Option<Finding> {
    compared(whose, SystemClock.now_ms(), theirs)
}

fn compared(whose: &str, ours: u64, theirs: u64) -> Option<Finding> {
    let (off, how) = match ours >= theirs {
        true => (ours - theirs, "ahead of"),
        false => (theirs - ours, "behind"),
    };
    (off > AGREES).then(|| {
        let seen = format!("this machine is {} s {how} {whose}", off / 1_000);
        Finding::wrong(
            "clock",
            seen,
            "set both by NTP: leases, signatures and passwords of a registry depend on it",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_agree_within_seconds() {
        assert_eq!(compared("it", 10_000, 12_000), None);
        let seen = |ours, theirs| compared("the database", ours, theirs).unwrap().seen;
        assert_eq!(seen(10_000, 20_500), "this machine is 10 s behind the database");
        assert_eq!(seen(20_000, 10_000), "this machine is 10 s ahead of the database");
    }
}
