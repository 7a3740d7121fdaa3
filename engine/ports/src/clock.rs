use async_trait::async_trait;

/// Time as the conductor sees it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00Z.
    fn now_ms(&self) -> u64;

    /// Returns when `now_ms` has reached `at_ms`.
    async fn until(&self, at_ms: u64);
}
