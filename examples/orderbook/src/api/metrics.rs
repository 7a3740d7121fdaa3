//! What an observer counts, in the Prometheus text format.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use hyper::StatusCode;

use crate::book::Book;

/// The classes of answers this service gives, and their counters.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    succeeded: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

impl Metrics {
    /// Counts an answer.
    pub(super) fn count(&self, status: StatusCode) {
        let counter = match status.as_u16() {
            500.. => &self.failed,
            400.. => &self.refused,
            _ => &self.succeeded,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// The page an observer reads.
    pub(super) fn text(&self, book: &Book) -> String {
        let mut text = String::from("# TYPE orderbook_requests_total counter\n");
        for (class, counter) in [("2xx", &self.succeeded), ("4xx", &self.refused), ("5xx", &self.failed)] {
            line(&mut text, &format!("orderbook_requests_total{{class=\"{class}\"}}"), counter.load(Relaxed));
        }
        for (name, kind, value) in [
            ("orderbook_orders_total", "counter", book.orders_placed()),
            ("orderbook_trades_total", "counter", book.trades_made()),
            ("orderbook_orders_open", "gauge", book.open() as u64),
        ] {
            text.push_str(&format!("# TYPE {name} {kind}\n"));
            line(&mut text, name, value);
        }
        text
    }
}

fn line(text: &mut String, name: &str, value: u64) {
    writeln!(text, "{name} {value}").expect("a String takes every write");
}
