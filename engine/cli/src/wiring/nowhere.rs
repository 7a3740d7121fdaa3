//! The source of what is offline.

use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::workspace::Tree;
use stageway_ports::{Source, SourceError};

/// A source that has nothing: a replay asks none.
pub(crate) struct Nowhere;

fn offline() -> SourceError {
    SourceError::Unavailable("a replay is offline".into())
}

#[async_trait]
impl Source for Nowhere {
    async fn tree(&self) -> Result<Tree, SourceError> {
        Err(offline())
    }

    async fn changed_files(
        &self,
        _: Option<&str>,
        _: Option<&str>,
        _: u32,
    ) -> Result<Vec<String>, SourceError> {
        Err(offline())
    }

    async fn commits(&self, _: Option<&str>, _: u32) -> Result<Vec<Json>, SourceError> {
        Err(offline())
    }
}
