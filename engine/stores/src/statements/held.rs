use super::{Read, Result, Write, locking, sql};
use crate::shared::{HeldRow, HeldRun, refusal};
use stageway_core::name::RunId;
use stageway_ports::Writer;

impl Write {
    /// The writer's run, if the writer holds it. Until the end of the transaction nobody leases it or appends to it.
    pub(crate) async fn fenced(&mut self, writer: &Writer) -> Result<HeldRun> {
        let found: Option<HeldRow> = sql::query_as(locking!(
            "SELECT fence, pipeline, version, standing, lines, reports FROM run WHERE tenant = $1 AND id = $2"
        ))
        .bind(self.tenant.as_str())
        .bind(writer.run.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        HeldRun::of(writer, found)
    }
}

impl Read {
    /// What a list is when it is empty: of a run of the tenant's, or a refusal. Runs are never taken away, so it may be asked
    /// after the list.
    pub(crate) async fn checked<T>(&mut self, run: &RunId, found: Vec<T>) -> Result<Vec<T>> {
        if found.is_empty() {
            self.check_run(run).await?;
        }
        Ok(found)
    }

    async fn check_run(&mut self, run: &RunId) -> Result<()> {
        let found: Option<i32> = sql::query_scalar("SELECT 1 FROM run WHERE tenant = $1 AND id = $2")
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .fetch_optional(&mut *self.sql)
            .await?;
        found.map(|_| ()).ok_or_else(|| refusal::no_run(run).into())
    }
}
