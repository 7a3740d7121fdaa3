use stageway_core::name::TenantId;
use stageway_core::run::{RunState, RunStatus, StageStatus};
use stageway_ports::{Freeze, Freezes, Queue, RunSummary, StoreError, Turn, Turns};

/// Runs without a place that are looked at for a page, at least.
const PAGE: u32 = 1_000;

/// Why runs of a tenant have not begun, for people.
#[derive(Debug)]
pub struct Waits {
    tenant: TenantId,
    turns: Turns,
    parallel_runs: usize,
    frozen: Option<Freeze>,
}

impl Waits {
    /// Of the `max` newest runs without a place, from the number `newest` downwards. The tenant may have `parallel_runs` places.
    ///
    /// # Errors
    /// The store's.
    async fn look(
        (queue, freezes): (&dyn Queue, &dyn Freezes),
        tenant: &TenantId,
        parallel_runs: usize,
        newest: u64,
        max: u32,
    ) -> Result<Self, StoreError> {
        let turns = queue.turns(tenant, newest, max).await?;
        let frozen = match turns.runs.is_empty() {
            true => None,
            false => freezes.frozen(tenant).await?.into_iter().find(|freeze| freeze.environment.is_none()),
        };
        Ok(Self { tenant: tenant.clone(), turns, parallel_runs, frozen })
    }

    /// Says of each run of a page why it has not begun; of a page on which all have, nothing is asked.
    ///
    /// # Errors
    /// The store's.
    pub async fn explain(
        ports: (&dyn Queue, &dyn Freezes),
        tenant: &TenantId,
        parallel_runs: usize,
        runs: &mut [RunSummary],
    ) -> Result<(), StoreError> {
        let queued = |run: &&mut RunSummary| run.status == RunStatus::Queued;
        let Some(newest) = runs.iter_mut().filter(queued).map(|run| run.number).max() else { return Ok(()) };
        // Between the runs of a page may be some of other pipelines.
        let max = if runs.len() == 1 { 1 } else { u32::try_from(runs.len()).unwrap_or(u32::MAX).max(PAGE) };
        let waits = Self::look(ports, tenant, parallel_runs, newest, max).await?;
        runs.iter_mut().filter(queued).for_each(|run| run.waits = waits.why(run.number));
        Ok(())
    }

    /// Why the run of that number has not begun, beginning with a verb; none for one that has a place.
    pub fn why(&self, number: u64) -> Option<String> {
        let turn = self.turns.runs.get(&number)?;
        let Self { tenant, turns, parallel_runs, frozen } = self;
        Some(match (turn, frozen) {
            (Turn::Ending, _) => "ends before it has begun: that was asked for".to_owned(),
            (_, Some(freeze)) => format!("waits until tenant `{tenant}` is thawed, {}", freeze.in_words()),
            (Turn::Behind(oldest), None) => {
                format!("waits for run {oldest}, which is before it in its group")
            }
            (Turn::Next, None) if turns.taken as usize >= *parallel_runs => {
                format!("waits for a place: tenant `{tenant}` runs {} of {parallel_runs}", turns.taken)
            }
            (Turn::Next, None) => format!(
                "waits for a place of the server: tenant `{tenant}` runs {} of {parallel_runs}",
                turns.taken
            ),
        })
    }

    /// Why a run that has begun stands still: what the first of its stages that waits is waiting for.
    pub fn of_stages(state: &RunState) -> Option<String> {
        if state.status != RunStatus::Waiting {
            return None;
        }
        state.stages.iter().find_map(|(name, stage)| match &stage.status {
            StageStatus::Held(why) | StageStatus::Parked(why) => Some(format!("`{name}` waits {why}")),
            StageStatus::Retrying(_) => Some(format!("`{name}` waits for its next attempt")),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(taken: u32, frozen: Option<&str>) -> Waits {
        let runs = [(2, Turn::Behind(1)), (3, Turn::Ending), (4, Turn::Next)].into();
        let frozen = frozen.map(|reason| Freeze {
            environment: None,
            reason: reason.to_owned(),
            by: "ada".to_owned(),
            at: 1,
        });
        let tenant = TenantId::new("acme").unwrap();
        Waits { tenant, turns: Turns { taken, runs }, parallel_runs: 4, frozen }
    }

    #[test]
    fn every_reason_has_its_words() {
        let why = |waits: Waits, number| waits.why(number).unwrap_or_default();
        assert_eq!(why(waits(1, None), 1), "");
        assert_eq!(why(waits(1, None), 2), "waits for run 1, which is before it in its group");
        assert_eq!(why(waits(1, None), 3), "ends before it has begun: that was asked for");
        assert_eq!(why(waits(4, None), 4), "waits for a place: tenant `acme` runs 4 of 4");
        assert_eq!(why(waits(1, None), 4), "waits for a place of the server: tenant `acme` runs 1 of 4");
        let frozen = "waits until tenant `acme` is thawed, frozen by ada: the fair";
        assert_eq!(why(waits(4, Some("the fair")), 4), frozen);
        assert_eq!(why(waits(4, Some("the fair")), 2), frozen);
    }
}
