use super::{Attempt, Halt, Outcome, Wake, invalid};
use serde_json::{Value as Json, json};
use stageway_core::call::{Approvals, HostError, Value};
use stageway_ports::Approval;

/// For how long a person is waited for, unless the plugin says less: 7 days.
const MOST_MS: u64 = 7 * 24 * 3_600_000;

impl Attempt {
    pub(super) fn prepare_approval(&self, call: &Approvals) -> Result<Json, Halt> {
        self.subject.grants.allows_approvals()?;
        let Approvals::Ask { question, options } = call;
        if question.is_empty() || question.len() > 4096 {
            return Err(invalid("a question has 1 to 4096 bytes"));
        }
        let within = options.get("within-ms").map_or(Some(MOST_MS), Json::as_u64);
        let within = within.ok_or_else(|| invalid("`within-ms` is a number of milliseconds"))?;
        Ok(json!({"deadline": self.now().saturating_add(within.min(MOST_MS))}))
    }

    /// Asks and parks at once; an answer that is there already is taken.
    pub(super) async fn ask(&mut self, seq: u32, call: &Approvals, state: &Json) -> Outcome {
        let Approvals::Ask { question, options } = call;
        let writer = self.subject.writer.clone();
        let deadline = state["deadline"].as_u64().unwrap_or(0);
        let approval = Approval {
            stage: self.subject.stage.clone(),
            attempt: self.subject.attempt,
            seq,
            question: question.clone(),
            options: options.clone(),
            asked_at: self.now(),
            deadline: Some(deadline),
            answer: None,
        };
        self.engine.store.ask(&writer, approval).await?;
        let asked = self.engine.store.approvals(&writer.tenant, &writer.run).await?;
        let mine = asked
            .into_iter()
            .find(|a| a.stage == self.subject.stage && a.attempt == self.subject.attempt && a.seq == seq);
        if let Some(answer) = mine.and_then(|approval| approval.answer) {
            return Ok(Value::Json(json!({
                "approved": answer.approved, "by": answer.by, "reason": answer.reason, "at": answer.at
            })));
        }
        if self.now() >= deadline {
            return Err(HostError::TimedOut.into());
        }
        let wake = Wake::Approval { seq, deadline: Some(deadline) };
        if self.is_cancelled() {
            // Nobody answers any more: told once, then the grace period runs out.
            return self.wait_for(std::future::pending(), wake, None).await;
        }
        Err(self.park(wake).await)
    }
}
