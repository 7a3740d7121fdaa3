//! The approval that a stage's `approval:` demands before it starts: it signs the set of the stage's effects.

use super::{DriveError, Driver};
use crate::attempt::{SignedSet, Subject, failure};
use crate::planner::preview;
use serde_json::json;
use stageway_core::call::Failure;
use stageway_core::digest::Digest;
use stageway_ports::Approval;

/// Whether a stage may start.
pub(super) enum Gate {
    /// Yes; with the set that was signed, where one was.
    Open(Option<SignedSet>),
    /// Not before somebody has answered.
    Waits(String),
    /// Never: somebody said no, or nobody answered in time.
    Closed(Failure),
}

impl Driver {
    pub(super) async fn gate(
        &mut self,
        subject: &std::sync::Arc<Subject>,
        attempt: u32,
    ) -> Result<Gate, DriveError> {
        let Some(approval) = subject.planned().approval.clone() else { return Ok(Gate::Open(None)) };
        let asked = self.engine.store.approvals(&self.writer.tenant, &self.writer.run).await?;
        let mine = asked.into_iter().find(|a| a.stage == subject.stage && a.attempt == attempt && a.seq == 0);
        let Some(mine) = mine else {
            let preview = preview::stage(&self.engine, subject).await;
            let effects: Vec<_> = preview.calls.iter().map(crate::attempt::Planned::signature).collect();
            let shown: Vec<_> = preview.calls.iter().map(preview::in_words).collect();
            let now = self.engine.clock.now_ms();
            let question =
                approval.question.clone().unwrap_or_else(|| format!("May `{}` go on?", subject.stage));
            let asked = Approval {
                stage: subject.stage.clone(),
                attempt,
                seq: 0,
                question,
                options: json!({"approvers": approval.approvers, "effects": shown, "says": preview.says, "signed": effects, "open-end": preview.ended_early, "open-from": preview.open_from}),
                asked_at: now,
                deadline: Some(now.saturating_add(approval.within_ms)),
                answer: None,
            };
            self.engine.store.ask(&self.writer, asked).await?;
            return Ok(Gate::Waits("for an approval".into()));
        };
        match mine.answer {
            Some(answer) if answer.approved => Ok(Gate::Open(Some(signed(&mine.options)))),
            Some(answer) => {
                let why =
                    if answer.reason.is_empty() { String::new() } else { format!(": {}", answer.reason) };
                Ok(Gate::Closed(failure("approval-denied", format!("{} said no{why}", answer.by))))
            }
            None if mine.deadline.is_some_and(|end| self.engine.clock.now_ms() >= end) => {
                Ok(Gate::Closed(failure("approval-timed-out", "nobody answered in time")))
            }
            None => Ok(Gate::Waits("for an approval".into())),
        }
    }
}

fn signed(options: &serde_json::Value) -> SignedSet {
    let calls = options["signed"].as_array().into_iter().flatten();
    SignedSet {
        calls: calls.filter_map(|digest| digest.as_str()?.parse::<Digest>().ok()).collect(),
        open_from: options["open-from"].as_str().and_then(|digest| digest.parse().ok()),
    }
}
