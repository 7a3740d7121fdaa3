//! The history of every ref's head. Whoever writes it holds the lane of the repository.

use super::{Connection, Read, Result, Write, same, sql};
use crate::shared::{count, int, name};
use stageway_core::delivery::{Reference, Revision};
use stageway_core::head::{HeadMove, Placing, is_news, place};
use stageway_core::name::{RepositoryId, TenantId};
use stageway_ports::Moved;
use std::collections::BTreeMap;

/// The newest move from and to the same heads before a generation.
pub(crate) const ALIKE: &str = concat!(
    "SELECT max(generation) FROM head WHERE tenant = $1 AND repository = $2 AND reference = $3 AND ",
    same!("before", "$4"),
    " AND ",
    same!("after", "$5"),
    " AND generation < $6",
);

/// So often a move may be the same as one before it.
const MOST_REPEATS: u32 = 1_000;

impl Write {
    /// Gives a told move its generation; answers it with the head that was told of last.
    pub(crate) async fn place(
        &mut self,
        repository: &RepositoryId,
        moved: &Moved,
    ) -> Result<(u64, Option<Revision>)> {
        let newest = self.newest_head(repository, &moved.reference).await?;
        let known = match &newest {
            Some(found) if !found.told => self.told_head(repository, &moved.reference).await?,
            told => told.as_ref().and_then(|told| told.after.clone()),
        };
        let last = self.last_generation(repository, &moved.reference).await?;
        let (before, after) = (moved.before.as_ref(), moved.after.as_ref());
        let placing = place(newest.as_ref(), last, None, before, after);
        match &placing {
            Placing::Next { generation, .. } => {
                let next = HeadMove {
                    generation: *generation,
                    before: before.cloned(),
                    after: after.cloned(),
                    told: true,
                };
                self.insert_head(repository, &moved.reference, &next).await?;
            }
            Placing::Same { generation, learns: true } => {
                sql::query(
                    "UPDATE head SET before = coalesce($5, before), told = 1
                     WHERE tenant = $1 AND repository = $2 AND reference = $3 AND generation = $4",
                )
                .bind(self.tenant.as_str())
                .bind(repository.as_str())
                .bind(moved.reference.as_str())
                .bind(int(*generation))
                .bind(before.map(Revision::as_str))
                .execute(&mut *self.sql)
                .await?;
            }
            Placing::Same { .. } => {}
        }
        Ok((placing.generation(), known))
    }

    /// The head that was told of last, where a fetch found another since.
    async fn told_head(
        &mut self,
        repository: &RepositoryId,
        reference: &Reference,
    ) -> Result<Option<Revision>> {
        let found: Option<Option<String>> = sql::query_scalar(
            "SELECT after FROM head
             WHERE tenant = $1 AND repository = $2 AND reference = $3 AND late = 0 AND told = 1
             ORDER BY generation DESC LIMIT 1",
        )
        .bind(self.tenant.as_str())
        .bind(repository.as_str())
        .bind(reference.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        revision(found.flatten())
    }

    /// The newest move that has not turned out to be late.
    async fn newest_head(
        &mut self,
        repository: &RepositoryId,
        reference: &Reference,
    ) -> Result<Option<HeadMove>> {
        newest_head(&mut self.sql, &self.tenant, repository, reference).await
    }

    async fn last_generation(&mut self, repository: &RepositoryId, reference: &Reference) -> Result<u64> {
        let last: Option<i64> = sql::query_scalar(
            "SELECT max(generation) FROM head WHERE tenant = $1 AND repository = $2 AND reference = $3",
        )
        .bind(self.tenant.as_str())
        .bind(repository.as_str())
        .bind(reference.as_str())
        .fetch_one(&mut *self.sql)
        .await?;
        generation_of(last.unwrap_or(0))
    }

    async fn insert_head(
        &mut self,
        repository: &RepositoryId,
        reference: &Reference,
        next: &HeadMove,
    ) -> Result<()> {
        sql::query(
            "INSERT INTO head (tenant, repository, reference, generation, before, after, told)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(self.tenant.as_str())
        .bind(repository.as_str())
        .bind(reference.as_str())
        .bind(int(next.generation))
        .bind(next.before.as_ref().map(Revision::as_str))
        .bind(next.after.as_ref().map(Revision::as_str))
        .bind(i64::from(next.told))
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    /// A move that was told again after late ones has the generation of the first; says also whether it was told before.
    pub(crate) async fn resolve(
        &mut self,
        repository: &RepositoryId,
        moved: &Moved,
        generation: u64,
    ) -> Result<(u64, bool)> {
        let (mut resolved, mut repeated) = (generation, false);
        for _ in 0..MOST_REPEATS {
            let Some(earlier) = self.alike(repository, moved, resolved).await? else { break };
            repeated = true;
            if self.moved_between(repository, &moved.reference, earlier, resolved).await? {
                break;
            }
            resolved = earlier;
        }
        Ok((resolved, repeated))
    }

    async fn alike(
        &mut self,
        repository: &RepositoryId,
        moved: &Moved,
        generation: u64,
    ) -> Result<Option<u64>> {
        let found: Option<i64> = sql::query_scalar(ALIKE)
            .bind(self.tenant.as_str())
            .bind(repository.as_str())
            .bind(moved.reference.as_str())
            .bind(moved.before.as_ref().map(Revision::as_str))
            .bind(moved.after.as_ref().map(Revision::as_str))
            .bind(int(generation))
            .fetch_one(&mut *self.sql)
            .await?;
        found.map(generation_of).transpose()
    }

    async fn moved_between(
        &mut self,
        repository: &RepositoryId,
        reference: &Reference,
        after: u64,
        before: u64,
    ) -> Result<bool> {
        let moved = sql::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM head WHERE tenant = $1 AND repository = $2 AND reference = $3
             AND generation > $4 AND generation < $5 AND late = 0)",
        )
        .bind(self.tenant.as_str())
        .bind(repository.as_str())
        .bind(reference.as_str())
        .bind(int(after))
        .bind(int(before))
        .fetch_one(&mut *self.sql)
        .await?;
        Ok(moved)
    }

    /// A head that a fetch found; one that nobody told of advances the ref.
    pub(crate) async fn found_head(
        &mut self,
        repository: &RepositoryId,
        reference: &Reference,
        found: &Revision,
    ) -> Result<()> {
        let newest = self.newest_head(repository, reference).await?;
        if is_news(newest.as_ref(), found) {
            let generation = self.last_generation(repository, reference).await? + 1;
            let next = HeadMove { generation, before: None, after: Some(found.clone()), told: false };
            self.insert_head(repository, reference, &next).await?;
        }
        Ok(())
    }

    pub(crate) async fn late_head(
        &mut self,
        repository: &RepositoryId,
        reference: &Reference,
        generation: u64,
    ) -> Result<()> {
        sql::query(
            "UPDATE head SET late = 1
             WHERE tenant = $1 AND repository = $2 AND reference = $3 AND generation = $4",
        )
        .bind(self.tenant.as_str())
        .bind(repository.as_str())
        .bind(reference.as_str())
        .bind(int(generation))
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }
}

async fn newest_head(
    sql: &mut Connection,
    tenant: &TenantId,
    repository: &RepositoryId,
    reference: &Reference,
) -> Result<Option<HeadMove>> {
    let found: Option<(i64, Option<String>, Option<String>, i64)> = sql::query_as(
        "SELECT generation, before, after, told FROM head
         WHERE tenant = $1 AND repository = $2 AND reference = $3 AND late = 0
         ORDER BY generation DESC LIMIT 1",
    )
    .bind(tenant.as_str())
    .bind(repository.as_str())
    .bind(reference.as_str())
    .fetch_optional(sql)
    .await?;
    let Some((generation, before, after, told)) = found else { return Ok(None) };
    let generation = generation_of(generation)?;
    Ok(Some(HeadMove { generation, before: revision(before)?, after: revision(after)?, told: told != 0 }))
}

impl Read {
    pub(crate) async fn head(
        &mut self,
        repository: &RepositoryId,
        reference: &Reference,
    ) -> Result<Option<Revision>> {
        let newest = newest_head(&mut self.sql, &self.tenant, repository, reference).await?;
        Ok(newest.and_then(|newest| newest.after))
    }

    pub(crate) async fn heads(&mut self, repository: &RepositoryId) -> Result<BTreeMap<Reference, Revision>> {
        let rows: Vec<(String, Option<String>)> = sql::query_as(
            "SELECT head.reference, head.after FROM
               (SELECT reference, max(generation) AS generation FROM head
                WHERE tenant = $1 AND repository = $2 AND late = 0 AND told = 1 GROUP BY reference) AS newest
             JOIN head ON head.tenant = $1 AND head.repository = $2 AND head.reference = newest.reference
               AND head.generation = newest.generation",
        )
        .bind(self.tenant.as_str())
        .bind(repository.as_str())
        .fetch_all(&mut *self.sql)
        .await?;
        let mut heads = BTreeMap::new();
        for (reference, after) in rows {
            if let Some(after) = revision(after)? {
                heads.insert(name("a ref", reference)?, after);
            }
        }
        Ok(heads)
    }
}

fn generation_of(value: i64) -> Result<u64> {
    Ok(count("the generation of a head", value)?)
}

pub(super) fn revision(text: Option<String>) -> Result<Option<Revision>> {
    Ok(text.map(|text| name("a head", text)).transpose()?)
}
