//! Counts, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Deliveries that were stored.
    pub deliveries_stored: AtomicU64,
    /// Deliveries that stood already.
    pub deliveries_repeated: AtomicU64,
    /// Deliveries that were not authentic.
    pub deliveries_refused: AtomicU64,
    /// Authentic deliveries that nobody understood.
    pub deliveries_unreadable: AtomicU64,
    /// Deliveries over their rate.
    pub deliveries_limited: AtomicU64,
    /// Deliveries that could not be stored.
    pub deliveries_failed: AtomicU64,
}

impl Metrics {
    /// One more.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// All of them.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from(
            "# HELP stageway_deliveries_total Requests to webhooks by what became of them.\n\
             # TYPE stageway_deliveries_total counter\n",
        );
        for (verdict, counter) in [
            ("stored", &self.deliveries_stored),
            ("repeated", &self.deliveries_repeated),
            ("refused", &self.deliveries_refused),
            ("unreadable", &self.deliveries_unreadable),
            ("limited", &self.deliveries_limited),
            ("failed", &self.deliveries_failed),
        ] {
            let value = counter.load(Ordering::Relaxed);
            let _ = writeln!(text, "stageway_deliveries_total{{verdict=\"{verdict}\"}} {value}");
        }
        text
    }
}
