use async_trait::async_trait;
use stageway_core::call::{Call, Reply};

/// The one way out of a guest. Live, replay, plan, scripted and worker sockets implement it.
#[async_trait]
pub trait Calls: Send {
    /// Answers one call, or stops the instance.
    ///
    /// # Cancellation
    /// Dropping the future is a crash at this call: what was durable before stays, nothing else is recorded.
    async fn call(&mut self, call: Call) -> Reply;
}
