//! The approval that the policy demands before anything of a run starts, such as for a pull request out of a fork.

use super::{DriveError, Driver, pace};
use serde_json::json;
use stageway_core::name::StageName;
use stageway_ports::{Approval, ApprovalAnswer};
use std::time::Duration;

/// The longest wait in one piece.
const PIECE: Duration = Duration::from_secs(5);

impl Driver {
    /// Returns when the run may start, or when it was asked to end: somebody said no, or its time is over.
    pub(super) async fn permitted(&mut self) -> Result<(), DriveError> {
        let begun = self.run.state.stages.values().any(|stage| stage.attempts > 0);
        let Some(first) = self.run.plan.stages.keys().next().cloned() else { return Ok(()) };
        if self.run.plan.approval.is_none() || begun {
            return Ok(());
        }
        let mut seen = 0;
        loop {
            self.renew_when_due().await?;
            self.look().await?;
            self.timeout_of_run();
            if self.run.state.cancel.is_some() {
                return Ok(());
            }
            match self.permit(&first).await? {
                Some(answer) if answer.approved => return Ok(()),
                Some(answer) => {
                    self.cancel(answer.at, answer.by.clone(), said_no(&answer));
                    return Ok(());
                }
                None => self.rest(true).await?,
            }
            tokio::time::sleep(pace::look()).await;
            seen = self.engine.store.changed(&self.writer.tenant, seen, PIECE).await;
        }
    }

    /// The answer, once there is one. The question stands before the first attempt of the first stage.
    async fn permit(&self, first: &StageName) -> Result<Option<ApprovalAnswer>, DriveError> {
        let asked = self.engine.store.approvals(&self.writer.tenant, &self.writer.run).await?;
        if let Some(found) = asked.into_iter().find(|a| a.stage == *first && a.attempt == 0 && a.seq == 0) {
            return Ok(found.answer);
        }
        let event = &self.run.plan.event;
        let question = Approval {
            stage: first.clone(),
            attempt: 0,
            seq: 0,
            question: format!("May this run of {} start? Its trust is `{}`.", event.reference, event.trust),
            options: json!({ "approvers": [], "of": "run" }),
            asked_at: self.engine.clock.now_ms(),
            deadline: None,
            answer: None,
        };
        self.engine.store.ask(&self.writer, question).await?;
        Ok(None)
    }

    async fn renew_when_due(&mut self) -> Result<(), DriveError> {
        let (now, lasts) = (self.engine.clock.now_ms(), pace::lease_ms(self.engine.rules.lease_ms));
        if self.lease.until.saturating_sub(now) < lasts / 2 {
            self.lease.until = now + lasts;
            self.engine.store.renew(&self.writer, self.lease.until).await?;
        }
        Ok(())
    }
}

fn said_no(answer: &ApprovalAnswer) -> String {
    match answer.reason.as_str() {
        "" => "it may not start".to_owned(),
        reason => format!("it may not start: {reason}"),
    }
}
