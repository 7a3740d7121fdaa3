use super::super::queue::Group;
use super::{Result, Write, locking, sql, text};
use crate::shared::{count, int, json, name};
use stageway_core::name::{ReceiptId, RepositoryId};
use stageway_ports::{Admitted, Claimant, Settlement, StoreError};
use std::collections::BTreeSet;

impl Write {
    /// Of several runs the groups are held in one order, and before anything that others of a group wait for.
    pub(crate) async fn settle_all(
        &mut self,
        settlements: &[(Claimant, Settlement)],
    ) -> Result<Vec<Vec<Admitted>>> {
        let mut repositories = Vec::with_capacity(settlements.len());
        for (claimant, _) in settlements {
            repositories.push(self.held_delivery(claimant).await?);
        }
        let mut groups = BTreeSet::new();
        for run in settlements.iter().flat_map(|(_, settlement)| &settlement.runs) {
            groups.extend(Group::of(&run.key, run.concurrency.as_ref())?.lane);
        }
        for group in groups {
            self.hold_group(&group).await?;
        }
        let mut all = Vec::with_capacity(settlements.len());
        for ((claimant, settlement), repository) in settlements.iter().zip(repositories) {
            all.push(self.settle(claimant, settlement, repository).await?);
        }
        self.changed();
        Ok(all)
    }

    /// One delivery, which is held, as are the groups of its runs.
    async fn settle(
        &mut self,
        claimant: &Claimant,
        settlement: &Settlement,
        repository: Option<RepositoryId>,
    ) -> Result<Vec<Admitted>> {
        let mut admitted = Vec::with_capacity(settlement.runs.len());
        for run in &settlement.runs {
            admitted.push(self.admit(run).await?);
        }
        let mut outcome = settlement.outcome.clone();
        outcome.runs.extend(admitted.iter().map(|admitted| admitted.run.clone()));
        sql::query(
            "UPDATE delivery SET outcome = $3, settled_at = $4, claimed_until = 0, trouble = NULL
             WHERE tenant = $1 AND id = $2",
        )
        .bind(self.tenant.as_str())
        .bind(claimant.delivery.as_str())
        .bind(json(&outcome)?)
        .bind(int(outcome.at))
        .execute(&mut *self.sql)
        .await?;
        if let Some(repository) = repository {
            let moves = match settlement.late.is_empty() {
                true => Vec::new(),
                false => self.moves(claimant.delivery.as_str()).await?,
            };
            for (moved, generation, _) in moves {
                if settlement.late.contains(&moved.reference) {
                    self.late_head(&repository, &moved.reference, generation).await?;
                }
            }
            for (reference, found) in &settlement.found {
                self.found_head(&repository, reference, found).await?;
            }
        }
        for status in &settlement.statuses {
            self.insert_fixed(status).await?;
        }
        Ok(admitted)
    }

    pub(crate) async fn postpone(&mut self, claimant: &Claimant, due: u64, trouble: &str) -> Result<()> {
        self.held_delivery(claimant).await?;
        sql::query(
            "UPDATE delivery SET due = $3, trouble = $4, claimed_until = 0 WHERE tenant = $1 AND id = $2",
        )
        .bind(self.tenant.as_str())
        .bind(claimant.delivery.as_str())
        .bind(int(due))
        .bind(text(trouble)?)
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }

    pub(crate) async fn reopen(&mut self, id: &ReceiptId) -> Result<()> {
        self.hold_lane_of(id).await?;
        let (_, settled) = self.claim_of(id).await?;
        if !settled {
            return Err(StoreError::Conflict(format!("delivery {id} is still being taken in")).into());
        }
        sql::query(
            "UPDATE delivery SET outcome = NULL, settled_at = NULL, due = 0, claimed_until = 0, attempts = 0
             WHERE tenant = $1 AND id = $2",
        )
        .bind(self.tenant.as_str())
        .bind(id.as_str())
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }

    /// The repository of a delivery that the claimant still holds. Until the end of the transaction nobody takes it from it.
    async fn held_delivery(&mut self, claimant: &Claimant) -> Result<Option<RepositoryId>> {
        let id = &claimant.delivery;
        let repository = self.hold_lane_of(id).await?;
        let (fence, settled) = self.claim_of(id).await?;
        if settled || fence != claimant.fence {
            return Err(StoreError::Conflict(format!("delivery {id} is taken in by another")).into());
        }
        Ok(repository)
    }

    /// Holds the lane of a delivery; answers its repository, which stays the same for ever.
    async fn hold_lane_of(&mut self, id: &ReceiptId) -> Result<Option<RepositoryId>> {
        let found: Option<Option<String>> =
            sql::query_scalar("SELECT repository FROM delivery WHERE tenant = $1 AND id = $2")
                .bind(self.tenant.as_str())
                .bind(id.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        let repository = found.ok_or_else(|| no_delivery(id))?;
        let repository = repository.map(|text| name("a repository", text)).transpose()?;
        self.hold_lane(repository.as_ref()).await?;
        Ok(repository)
    }

    /// The newest fence of a delivery, and whether something became of it.
    async fn claim_of(&mut self, id: &ReceiptId) -> Result<(u64, bool)> {
        let found: Option<(i64, Option<i64>)> =
            sql::query_as(locking!("SELECT fence, settled_at FROM delivery WHERE tenant = $1 AND id = $2"))
                .bind(self.tenant.as_str())
                .bind(id.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        let (fence, settled_at) = found.ok_or_else(|| no_delivery(id))?;
        Ok((count("the fence of a delivery", fence)?, settled_at.is_some()))
    }
}

pub(super) fn no_delivery(id: &ReceiptId) -> StoreError {
    StoreError::NotFound(format!("delivery {id}"))
}
