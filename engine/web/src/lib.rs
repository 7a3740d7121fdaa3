//! The server's HTTP: where forges send their deliveries, the API, and what says how the server is.
//!
//! This crate alone knows status codes. It knows ports, core and conductor, and no adapter: whoever starts the server gives it
//! what it needs as an [`App`].
//!
//! | route | what |
//! | -- | -- |
//! | `POST /webhooks/{id}` | a delivery; 202 with its id once it is durable |
//! | `GET /health` | the process answers |
//! | `GET /ready` | it takes deliveries: its store answers, and it is not about to stop |
//! | `GET /metrics` | counts, in the text format of Prometheus |
//! | `/api/v1/…` | everything of a tenant, for whoever has a token of it; `openapi.json` describes it |

#![deny(missing_docs)]

mod api;
mod app;
mod metrics;
mod problem;
mod rate;
mod serve;
mod status;
mod tokens;
mod webhooks;

pub use api::openapi;
pub use app::{App, Limits, Resources};
pub use metrics::Metrics;
pub use serve::{router, serve};
pub use tokens::Tokens;
