//! Stageway plugins in Rust.
//!
//! A plugin is a crate of type `cdylib` with one type that implements [`Stage`] and one [`export!`]. `stageway plugin
//! build` compiles it for `wasm32-unknown-unknown` and makes a component of it that imports exactly the interfaces whose
//! functions it calls: no clock, no file, no network comes with it by itself.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use stageway_sdk::{Manifest, Stage, Verdict, log};
//!
//! struct Greet;
//!
//! #[derive(Deserialize)]
//! struct Configuration {
//!     name: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Outputs {
//!     greeting: String,
//! }
//!
//! impl Stage for Greet {
//!     type Configuration = Configuration;
//!     type Outputs = Outputs;
//!
//!     fn describe() -> Manifest {
//!         Manifest::new("acme/greet", "1.0.0", "Says hello")
//!             .configuration(r#"{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}"#)
//!             .outputs(r#"{"type":"object","properties":{"greeting":{"type":"string"}}}"#)
//!     }
//!
//!     fn run(configuration: Configuration) -> Result<Outputs, Verdict> {
//!         if configuration.name.is_empty() {
//!             return Err(Verdict::failed("acme/nobody", "there is nobody to greet"));
//!         }
//!         let greeting = format!("Hello, {}!", configuration.name);
//!         log::info(&greeting);
//!         Ok(Outputs { greeting })
//!     }
//! }
//!
//! stageway_sdk::export!(Greet);
//! ```
//!
//! Each module is one interface of the contract (`wit/`), with the same words. [`log`], [`invocation`], [`clock`] and
//! [`reports`] are always there; a call into any other module puts that interface into the component and needs the grant
//! that the [`Manifest`] asks for. Outside WebAssembly the functions of these modules panic: keep decisions in functions
//! of their own and test those natively.

pub mod approvals;
pub mod artifacts;
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic)]
#[rustfmt::skip]
pub mod bindings;
pub mod clock;
pub mod cluster;
pub mod environments;
mod error;
mod export;
pub mod http;
pub mod images;
pub mod invocation;
pub mod log;
pub mod manifest;
pub mod reader;
pub mod reports;
pub mod secrets;
pub mod source;
mod span;
mod stage;
pub mod tasks;
pub mod testing;
mod wire;
pub mod workspace;

pub use bindings::exports::stageway::stage::stage::Verdict;
pub use bindings::stageway::host::types::{ConfigIssue as Issue, Failure, HostError};
pub use error::Doing;
#[doc(hidden)]
pub use export::Exported;
pub use manifest::{Grant, Manifest};
pub use span::Span;
pub use stage::Stage;
