use super::{Read, Result, Write, from_text, locking, sql, text};
use crate::shared::{self, ApprovalRow, OpenQuestion, from_json, int, json, refusal};
use stageway_core::name::{RunId, StageName};
use stageway_ports::{Approval, ApprovalAnswer, Writer};

impl Write {
    pub(crate) async fn ask(&mut self, writer: &Writer, approval: &Approval) -> Result<()> {
        self.fenced(writer).await?;
        let done = sql::query(
            "INSERT INTO approval (tenant, run, stage, attempt, seq, question, options, asked_at, deadline)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (tenant, run, stage, attempt, seq) DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(writer.run.as_str())
        .bind(approval.stage.as_str())
        .bind(i64::from(approval.attempt))
        .bind(i64::from(approval.seq))
        .bind(text(&approval.question)?)
        .bind(json(&approval.options)?)
        .bind(int(approval.asked_at))
        .bind(approval.deadline.map(int))
        .execute(&mut *self.sql)
        .await?;
        if done.rows_affected() > 0 {
            self.changed();
        } else if !self.is_same_question(&writer.run, approval).await? {
            return Err(refusal::another_question(approval).into());
        }
        Ok(())
    }

    async fn is_same_question(&mut self, run: &RunId, approval: &Approval) -> Result<bool> {
        let (question, options): (String, String) = sql::query_as(
            "SELECT question, options FROM approval
             WHERE tenant = $1 AND run = $2 AND stage = $3 AND attempt = $4 AND seq = $5",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(approval.stage.as_str())
        .bind(i64::from(approval.attempt))
        .bind(i64::from(approval.seq))
        .fetch_one(&mut *self.sql)
        .await?;
        let options: serde_json::Value = from_json("a question", &options)?;
        let question = from_text("a question", question)?;
        Ok(question == approval.question && options == approval.options)
    }

    /// Of two people who answer at once, the second waits for the first and sees its answer.
    pub(crate) async fn answer(
        &mut self,
        run: &RunId,
        stage: &StageName,
        answer: &ApprovalAnswer,
    ) -> Result<()> {
        let found: Option<(i64, Option<i64>, bool)> = sql::query_as(locking!(
            "SELECT number, deadline, answer IS NOT NULL FROM approval
             WHERE tenant = $1 AND run = $2 AND stage = $3 ORDER BY number DESC LIMIT 1"
        ))
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(stage.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        let open = found.map(|(number, deadline, answered)| OpenQuestion { number, deadline, answered });
        let number = OpenQuestion::check(open, run, stage, answer)?;
        if answer.to.is_some() {
            self.question(number).await?.is_meant_by(answer)?;
        }
        sql::query("UPDATE approval SET answer = $3 WHERE tenant = $1 AND number = $2")
            .bind(self.tenant.as_str())
            .bind(number)
            .bind(json(answer)?)
            .execute(&mut *self.sql)
            .await?;
        self.changed();
        Ok(())
    }

    async fn question(&mut self, number: i64) -> Result<Approval> {
        let found: ApprovalRow = sql::query_as(
            "SELECT stage, attempt, seq, question, options, asked_at, deadline, answer FROM approval
             WHERE tenant = $1 AND number = $2",
        )
        .bind(self.tenant.as_str())
        .bind(number)
        .fetch_one(&mut *self.sql)
        .await?;
        approval(found)
    }
}

impl Read {
    pub(crate) async fn approvals(&mut self, run: &RunId) -> Result<Vec<Approval>> {
        let found: Vec<ApprovalRow> = sql::query_as(
            "SELECT stage, attempt, seq, question, options, asked_at, deadline, answer FROM approval
             WHERE tenant = $1 AND run = $2 ORDER BY number",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .fetch_all(&mut *self.sql)
        .await?;
        let found = self.checked(run, found).await?;
        found.into_iter().map(approval).collect()
    }
}

fn approval(mut row: ApprovalRow) -> Result<Approval> {
    row.3 = from_text("a question", row.3)?;
    Ok(shared::approval(row)?)
}
