//! Asking again, for a proof: what an earlier attempt was told must be what this one would be told.

use super::{Attempt, Halt};
use stageway_core::call::{Answer, Call, Function, Value};
use stageway_core::digest::Digest;

impl Attempt {
    /// The answer to a fact, without noting that it was asked.
    pub(crate) fn fact_again(&mut self, call: &Function) -> Answer {
        self.fact(call)
    }

    /// The answer to a read now; none when it cannot be asked.
    pub(crate) async fn read_again(&mut self, function: &Function) -> Option<Answer> {
        let call = Call { seq: 1, function: function.clone() };
        let state = match self.prepare(&call).await {
            Ok(state) => state,
            Err(Halt::Tell(error)) => return Some(Err(error)),
            Err(Halt::Stop(_)) => return None,
        };
        match self.perform(&call, &state, false).await {
            Ok(value) => Some(Ok(value)),
            Err(Halt::Tell(error)) => Some(Err(error)),
            Err(Halt::Stop(_)) => None,
        }
    }

    /// What an image reference names now.
    pub(crate) async fn image_digest(&self, reference: &str) -> Option<Digest> {
        self.resolve_image(reference).await.ok()
    }

    /// Whether the blob of a saved artifact still exists.
    pub(crate) async fn still_there(&self, answer: &Answer) -> bool {
        let digest = match answer {
            Ok(Value::Json(saved)) => saved["digest"].as_str().map(str::to_owned),
            Ok(Value::Text(digest)) => Some(digest.clone()),
            // A refusal left nothing behind.
            _ => return true,
        };
        let Some(digest) = digest.and_then(|text| text.parse::<Digest>().ok()) else { return false };
        matches!(self.engine.blobs.size(&digest).await, Ok(Some(_)))
    }
}
