use super::{Read, Result, sql};
use crate::shared::from_json;
use stageway_core::log::Report;
use stageway_core::name::RunId;

impl Read {
    pub(crate) async fn reports(&mut self, run: &RunId) -> Result<Vec<Report>> {
        let bodies: Vec<String> = sql::query_scalar(
            "SELECT body FROM report WHERE tenant = $1 AND run = $2 AND NOT struck ORDER BY number",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .fetch_all(&mut *self.sql)
        .await?;
        let bodies = self.checked(run, bodies).await?;
        bodies.iter().map(|body| Ok(from_json("a report", body)?)).collect()
    }
}
