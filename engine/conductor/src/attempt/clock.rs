use super::{Attempt, Halt, Outcome, Wake};
use crate::cancel::cancelled;
use serde_json::Value as Json;
use stageway_core::call::{HostError, Value};
use std::future::Future;

impl Attempt {
    pub(super) async fn sleep(&mut self, state: &Json) -> Outcome {
        let deadline = state["deadline"].as_u64().unwrap_or(0);
        let engine = self.engine.clone();
        self.wait_for(async move { engine.clock.until(deadline).await }, Wake::At(deadline), Some(deadline))
            .await?;
        Ok(Value::Done)
    }

    /// Waits for something outside: it resolves, or the stage is cancelled (told once), or the attempt leaves memory because it
    /// has lasted, or by its `end` must last, too long.
    pub(super) async fn wait_for<T>(
        &mut self,
        outside: impl Future<Output = T> + Send,
        wake: Wake,
        end: Option<u64>,
    ) -> Result<T, Halt> {
        let patience = self.patience_ms();
        // A cancelled attempt spends its grace period in memory.
        let cancelling = self.is_cancelled();
        if !cancelling && end.is_some_and(|end| end > self.now().saturating_add(patience)) {
            return Err(self.park(wake).await);
        }
        let wish = cancelled(self.cancel.clone());
        let told = self.cancel_told;
        let grace = self.engine.rules.grace_ms;
        let since = self.cancel_since;
        let ended = async move {
            wish.await;
            if told {
                // It was told already: only the end of the grace period ends this wait.
                let left = grace.saturating_sub(since.map_or(0, |since| since.elapsed().as_millis() as u64));
                tokio::time::sleep(std::time::Duration::from_millis(left)).await;
            }
        };
        tokio::select! {
            biased;
            value = outside => Ok(value),
            () = ended => {
                self.is_cancelled();
                if told { Err(Halt::Stop(stageway_core::call::Stop::Cancelled)) } else { Err(HostError::Cancelled.into()) }
            }
            () = tokio::time::sleep(std::time::Duration::from_millis(patience)), if !cancelling => {
                Err(self.park(wake).await)
            }
        }
    }
}
