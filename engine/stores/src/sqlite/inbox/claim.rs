use super::super::transaction::{Transaction, Write};
use super::super::{Result, SqliteStore};
use super::deliveries::{COLUMNS, Row, delivery};
use super::heads::revision;
use crate::shared::{int, limit, name};
use stageway_core::delivery::Reference;
use stageway_core::name::TenantId;
use stageway_ports::{Claimed, Moved, PlacedMove};

const OPEN: &str = "SELECT tenant, number FROM delivery AS d
    WHERE settled_at IS NULL AND due <= ?1 AND claimed_until <= ?1 AND (repository IS NULL OR NOT EXISTS (
        SELECT 1 FROM delivery AS e WHERE e.settled_at IS NULL AND e.tenant = d.tenant
        AND e.repository = d.repository AND e.number < d.number AND (e.due > ?1 OR e.claimed_until > ?1)))
    ORDER BY number LIMIT ?2";

impl SqliteStore {
    pub(super) async fn claim_open(&self, now: u64, until: u64, max: u32) -> Result<Vec<Claimed>> {
        let mut sql = Transaction::immediate(&self.inner.writer).await?;
        let open: Vec<(String, u64)> =
            sqlx::query_as(OPEN).bind(int(now)).bind(limit(max)).fetch_all(&mut *sql).await?;
        let mut claimed = Vec::with_capacity(open.len());
        for (tenant, number) in open {
            let tenant: TenantId = name("a tenant", tenant)?;
            let mut write = Write::within(sql, &tenant);
            claimed.push(write.claim_delivery(number, until).await?);
            sql = write.sql;
        }
        sql.end("COMMIT").await?;
        Ok(claimed)
    }

    pub(super) async fn end_claims(&self) -> Result<()> {
        let mut sql = Transaction::immediate(&self.inner.writer).await?;
        sql.run("UPDATE delivery SET claimed_until = 0 WHERE settled_at IS NULL").await?;
        sql.end("COMMIT").await
    }
}

impl Write {
    async fn claim_delivery(&mut self, number: u64, until: u64) -> Result<Claimed> {
        let fence: u64 = sqlx::query_scalar(
            "UPDATE delivery SET fence = fence + 1, attempts = attempts + 1, claimed_until = ?2
             WHERE number = ?1 RETURNING fence",
        )
        .bind(int(number))
        .bind(int(until))
        .fetch_one(&mut *self.sql)
        .await?;
        let statement = format!("SELECT {COLUMNS} FROM delivery WHERE number = ?1");
        let row: Row = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(int(number))
            .fetch_one(&mut *self.sql)
            .await?;
        let delivery = delivery(row)?;
        let mut moves = Vec::new();
        if let Some(repository) = delivery.repository.clone() {
            for (moved, generation, known) in self.moves(delivery.id.as_str()).await? {
                let (generation, repeated) = self.resolve(&repository, &moved, generation).await?;
                moves.push(PlacedMove { moved, generation, repeated, known: revision(known)? });
            }
        }
        Ok(Claimed { tenant: self.tenant.clone(), delivery, fence, moves })
    }

    /// The moves of a delivery with the generations that they were given, and the heads known before.
    pub(super) async fn moves(&mut self, id: &str) -> Result<Vec<(Moved, u64, Option<String>)>> {
        type MoveRow = (String, Option<String>, Option<String>, u64, Option<String>);
        let rows: Vec<MoveRow> = sqlx::query_as(
            "SELECT reference, before, after, generation, known FROM moved
             WHERE tenant = ?1 AND id = ?2 ORDER BY ordinal",
        )
        .bind(self.tenant.as_str())
        .bind(id)
        .fetch_all(&mut *self.sql)
        .await?;
        let read = |(reference, before, after, generation, known): MoveRow| {
            let reference: Reference = name("a ref", reference)?;
            let moved = Moved { reference, before: revision(before)?, after: revision(after)? };
            Ok((moved, generation, known))
        };
        rows.into_iter().map(read).collect()
    }
}
