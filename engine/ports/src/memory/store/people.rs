use super::Tenant;
use crate::{Approval, ApprovalAnswer, StoreError, Writer};
use stageway_core::name::{RunId, StageName};

impl Tenant {
    pub(super) fn ask(&mut self, writer: &Writer, approval: Approval) -> Result<(), StoreError> {
        let run = self.fenced(writer)?;
        let key = |approval: &Approval| (approval.stage.clone(), approval.attempt, approval.seq);
        match run.approvals.iter().find(|stored| key(stored) == key(&approval)) {
            None => {
                run.approvals.push(Approval { answer: None, ..approval });
                self.changes += 1;
            }
            Some(stored) if stored.question == approval.question && stored.options == approval.options => {}
            Some(_) => {
                let (stage, seq) = (&approval.stage, approval.seq);
                return Err(StoreError::Conflict(format!("{stage} asked another question at {seq}")));
            }
        }
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        run: &RunId,
        stage: &StageName,
        answer: ApprovalAnswer,
    ) -> Result<(), StoreError> {
        let approvals = &mut self.run_mut(run)?.approvals;
        let newest = approvals
            .iter_mut()
            .rev()
            .find(|approval| approval.stage == *stage)
            .ok_or_else(|| StoreError::NotFound(format!("question of {stage} in run {run}")))?;
        if newest.answer.is_some() {
            return Err(StoreError::Conflict(format!("{stage} was answered already")));
        }
        if newest.deadline.is_some_and(|deadline| answer.at > deadline) {
            return Err(StoreError::NotFound(format!("open question of {stage}: its time is over")));
        }
        newest.is_meant_by(&answer)?;
        newest.answer = Some(answer);
        self.changes += 1;
        Ok(())
    }

    pub(super) fn request_cancel(
        &mut self,
        run: &RunId,
        by: &str,
        reason: &str,
        at: u64,
    ) -> Result<(), StoreError> {
        let wish = &mut self.run_mut(run)?.cancel;
        if wish.is_none() {
            *wish = Some((by.to_owned(), reason.to_owned(), at));
            self.changes += 1;
        }
        Ok(())
    }
}
