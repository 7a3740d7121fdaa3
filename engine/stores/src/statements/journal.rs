use super::{Read, Result, sql};
use stageway_core::name::{RunId, StageName};

impl Read {
    /// The bodies of an attempt's records, in order.
    pub(crate) async fn journal(
        &mut self,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
    ) -> Result<Vec<String>> {
        let bodies = sql::query_scalar(
            "SELECT body FROM record WHERE tenant = $1 AND run = $2 AND stage = $3 AND attempt = $4
             ORDER BY seq, part",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(stage.as_str())
        .bind(i64::from(attempt))
        .fetch_all(&mut *self.sql)
        .await?;
        self.checked(run, bodies).await
    }
}
