use super::Result;
use super::codec::{from_json, int, json, name};
use super::transaction::{Read, Write};
use stageway_core::name::{RunId, StageName};
use stageway_ports::{Approval, ApprovalAnswer, StoreError, Writer};

type Row = (String, u32, u32, String, String, u64, Option<u64>, Option<String>);

impl Write {
    pub(super) async fn ask(&mut self, writer: &Writer, approval: &Approval) -> Result<()> {
        self.fenced(writer).await?;
        let done = sqlx::query(
            "INSERT INTO approval (tenant, run, stage, attempt, seq, question, options, asked_at, deadline)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (tenant, run, stage, attempt, seq) DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(writer.run.as_str())
        .bind(approval.stage.as_str())
        .bind(approval.attempt)
        .bind(approval.seq)
        .bind(approval.question.as_str())
        .bind(json(&approval.options)?)
        .bind(int(approval.asked_at))
        .bind(approval.deadline.map(int))
        .execute(&mut *self.sql)
        .await?;
        if done.rows_affected() > 0 {
            self.changed();
        } else if !self.is_same_question(&writer.run, approval).await? {
            let (stage, seq) = (&approval.stage, approval.seq);
            return Err(StoreError::Conflict(format!("{stage} asked another question at {seq}")).into());
        }
        Ok(())
    }

    async fn is_same_question(&mut self, run: &RunId, approval: &Approval) -> Result<bool> {
        let (question, options): (String, String) = sqlx::query_as(
            "SELECT question, options FROM approval
             WHERE tenant = ?1 AND run = ?2 AND stage = ?3 AND attempt = ?4 AND seq = ?5",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(approval.stage.as_str())
        .bind(approval.attempt)
        .bind(approval.seq)
        .fetch_one(&mut *self.sql)
        .await?;
        let options: serde_json::Value = from_json("a question", &options)?;
        Ok(question == approval.question && options == approval.options)
    }

    pub(super) async fn answer(
        &mut self,
        run: &RunId,
        stage: &StageName,
        answer: &ApprovalAnswer,
    ) -> Result<()> {
        let found: Option<(i64, Option<u64>, Option<String>)> = sqlx::query_as(
            "SELECT number, deadline, answer FROM approval WHERE tenant = ?1 AND run = ?2 AND stage = ?3
             ORDER BY number DESC LIMIT 1",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(stage.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        let missing = || StoreError::NotFound(format!("question of {stage} in run {run}"));
        let (number, deadline, answered) = found.ok_or_else(missing)?;
        if answered.is_some() {
            return Err(StoreError::Conflict(format!("{stage} was answered already")).into());
        }
        if deadline.is_some_and(|deadline| answer.at > deadline) {
            let text = format!("open question of {stage}: its time is over");
            return Err(StoreError::NotFound(text).into());
        }
        sqlx::query("UPDATE approval SET answer = ?3 WHERE tenant = ?1 AND number = ?2")
            .bind(self.tenant.as_str())
            .bind(number)
            .bind(json(answer)?)
            .execute(&mut *self.sql)
            .await?;
        self.changed();
        Ok(())
    }
}

impl Read {
    pub(super) async fn approvals(&mut self, run: &RunId) -> Result<Vec<Approval>> {
        self.check_run(run).await?;
        let found: Vec<Row> = sqlx::query_as(
            "SELECT stage, attempt, seq, question, options, asked_at, deadline, answer FROM approval
             WHERE tenant = ?1 AND run = ?2 ORDER BY number",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .fetch_all(&mut *self.sql)
        .await?;
        found.into_iter().map(approval).collect()
    }
}

fn approval((stage, attempt, seq, question, options, asked_at, deadline, answer): Row) -> Result<Approval> {
    Ok(Approval {
        stage: name("the stage of a question", stage)?,
        attempt,
        seq,
        question,
        options: from_json("a question", &options)?,
        asked_at,
        deadline,
        answer: answer.map(|answer| from_json("the answer to a question", &answer)).transpose()?,
    })
}
