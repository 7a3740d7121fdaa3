use super::{Attempt, Outcome, invalid};
use sha2::{Digest as _, Sha256};
use stageway_core::call::{Answer, Bytes, Invocation, Value};

/// Random bytes of one call.
const MOST_RANDOM: u32 = 65_536;

impl Attempt {
    pub(super) fn invocation_fact(&self, call: &Invocation) -> Answer {
        let subject = &self.subject;
        Ok(match call {
            Invocation::RunId => Value::Text(subject.writer.run.to_string()),
            Invocation::StageName => Value::Text(subject.stage.to_string()),
            Invocation::Attempt => Value::Count(subject.attempt),
            Invocation::Key => Value::Text(subject.key()),
            Invocation::Event => Value::Json(serde_json::to_value(&subject.plan.event).unwrap_or_default()),
            Invocation::Parameter { name } => Value::MaybeJson(subject.plan.parameters.get(name).cloned()),
            Invocation::UpstreamOutput { stage, name } => {
                let outputs = subject.upstream.get(stage.as_str());
                Value::MaybeJson(outputs.and_then(|outputs| outputs.get(name)).cloned())
            }
            Invocation::Limit { name } => Value::MaybeNumber(self.header.limits.named(name)),
            Invocation::Random { .. } | Invocation::IsCancelled => Value::Done,
        })
    }

    /// The next bytes of the attempt's stream: sha256 over seed and block number.
    pub(super) fn random(&mut self, count: u32) -> Outcome {
        if count > MOST_RANDOM {
            return Err(invalid(format!("at most {MOST_RANDOM} random bytes at once")));
        }
        let mut bytes = Vec::with_capacity(count as usize + 32);
        while bytes.len() < count as usize {
            let mut hash = Sha256::new();
            hash.update(self.header.seed.as_bytes());
            hash.update(self.random.to_le_bytes());
            self.random += 1;
            bytes.extend_from_slice(&hash.finalize());
        }
        bytes.truncate(count as usize);
        Ok(Value::Bytes(Bytes(bytes)))
    }
}
