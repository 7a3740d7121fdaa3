//! A plugin's requests.

use crate::config::Settings;
use anyhow::Result;
use stageway_ports::Http;
use stageway_remotes::http::EgressHttp;
use std::sync::Arc;

/// The client with what the operator opens.
pub(crate) fn client(settings: &Settings) -> Result<Arc<dyn Http>> {
    Ok(Arc::new(EgressHttp::new(settings.egress.allow.clone())))
}
