//! The contract of each port as a suite of tests, run on every adapter.
//!
//! For store and blobs an adapter gives a fixture and calls the macro; each case is a plain async function and a test of its own:
//!
//! ```text
//! stageway_ports::store_contract!(MyFixture::new());
//! ```

// Cases are tests: a failed expectation ends them with its place.
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod blobs;
pub mod executor;
pub mod forge;
pub mod freezes;
pub mod inbox;
pub mod registry;
pub mod store;

/// One `#[tokio::test]` per case of a suite.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_cases {
    ($suite:ident, $fixture:expr, $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::contract::$suite::$case(&$fixture).await;
            }
        )*
    };
}
