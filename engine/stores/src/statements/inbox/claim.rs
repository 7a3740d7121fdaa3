use super::deliveries::{Row, deliveries, delivery};
use super::heads::revision;
use super::{Connection, Result, Write, sql};
use crate::shared::{count, int, limit, name};
use stageway_core::delivery::Reference;
use stageway_core::name::{RepositoryId, TenantId};
use stageway_ports::{Claimed, Most, Moved, PlacedMove};

/// That a delivery `d` can be given out at $1: no older one of its repository is claimed or not due yet.
macro_rules! free {
    () => {
        "d.settled_at IS NULL AND d.due <= $1 AND d.claimed_until <= $1 AND (d.repository IS NULL OR NOT EXISTS (
           SELECT 1 FROM delivery AS e WHERE e.settled_at IS NULL AND e.tenant = d.tenant
           AND e.repository = d.repository AND e.number < d.number AND (e.due > $1 OR e.claimed_until > $1)))"
    };
}
pub(crate) use free;

/// Of a delivery that can be given out: tenant, number, repository.
type OpenRow = (String, i64, Option<String>);

/// Those that are given out of what the first of some statements finds that finds any. All bind $1, the time, $2, how many at most,
/// and $3, the tenant that has none.
pub(crate) async fn open(
    sql: &mut Connection,
    statements: [&'static str; 2],
    (now, most, except): (u64, Most, Option<&TenantId>),
) -> Result<Vec<(TenantId, i64)>> {
    let mut rows: Vec<OpenRow> = Vec::new();
    for statement in statements {
        // Whoever has some asks again for the others.
        if rows.is_empty() {
            rows = sql::query_as(statement)
                .bind(int(now))
                .bind(limit(most.all()))
                .bind(except.map_or("", TenantId::as_str))
                .fetch_all(&mut *sql)
                .await?;
        }
    }
    let read = |(tenant, number, repository): OpenRow| {
        let repository = repository.map(|text| name("a repository", text)).transpose()?;
        Ok((name("a tenant", tenant)?, number, repository))
    };
    let found = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    let chosen = most.chosen(found, |(tenant, _, repository): &(TenantId, i64, Option<RepositoryId>)| {
        (tenant.clone(), repository.clone())
    });
    Ok(chosen.into_iter().map(|(tenant, number, _)| (tenant, number)).collect())
}

impl Write {
    /// A delivery that was just given out, with its moves.
    pub(crate) async fn claimed(&mut self, number: i64, fence: i64) -> Result<Claimed> {
        let row: Row = sql::query_as(deliveries!("number = $2"))
            .bind(self.tenant.as_str())
            .bind(number)
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
        let fence = count("the fence of a delivery", fence)?;
        Ok(Claimed { tenant: self.tenant.clone(), delivery, fence, moves })
    }

    /// The moves of a delivery with the generations that they were given, and the heads known before.
    pub(crate) async fn moves(&mut self, id: &str) -> Result<Vec<(Moved, u64, Option<String>)>> {
        type MoveRow = (String, Option<String>, Option<String>, i64, Option<String>);
        let rows: Vec<MoveRow> = sql::query_as(
            "SELECT reference, before, after, generation, known FROM moved
             WHERE tenant = $1 AND id = $2 ORDER BY ordinal",
        )
        .bind(self.tenant.as_str())
        .bind(id)
        .fetch_all(&mut *self.sql)
        .await?;
        let read = |(reference, before, after, generation, known): MoveRow| {
            let reference: Reference = name("a ref", reference)?;
            let moved = Moved { reference, before: revision(before)?, after: revision(after)? };
            Ok((moved, count("the generation of a move", generation)?, known))
        };
        rows.into_iter().map(read).collect()
    }
}
