//! What starts runs where no forge told of anything: a person, a schedule, another pipeline, our own look.

use super::event::asked;
use super::heads::Heads;
use super::lanes::Lane;
use super::pipelines::{About, Asked, Known};
use super::{Intake, Trouble, start};
use crate::service::Place;
use serde_json::{Map, Value as Json, json};
use stageway_core::delivery::{Occasion, Reference, Revision};
use stageway_core::event::{EventKind, MAX_TEXT, Trust, Upstream};
use stageway_core::journal::canonical;
use stageway_core::name::{RunId, StageName, TenantId};
use stageway_core::plan::Plan;
use stageway_core::run::RunState;
use stageway_ports::{Claimed, CommitFacts, Mirror, RunOrigin, Settlement};
use std::collections::BTreeMap;

/// One run, or several, that was asked for at a commit.
struct Wanted {
    kind: EventKind,
    reference: Reference,
    /// None is the head of the ref.
    revision: Option<Revision>,
    by: String,
    /// The run that it follows, with its trust: what follows has no more.
    upstream: Option<(Upstream, Trust)>,
    asked: Asked,
}

impl Intake {
    /// Takes in a delivery to ourselves.
    pub(super) async fn occasion(
        &self,
        claimed: &Claimed,
        place: &Place,
        body: &[u8],
        lane: &Lane<'_>,
    ) -> Result<Settlement, Trouble> {
        let occasion: Occasion = match serde_json::from_slice(body) {
            Ok(occasion) => occasion,
            Err(error) => return Ok(self.settled(format!("it cannot be read: {error}"))),
        };
        let once = claimed.delivery.key.as_str();
        let wanted = match occasion {
            Occasion::Sweep => return self.starts(claimed, place, start::found(&claimed.moves), lane).await,
            Occasion::PullRequest { delivery } => return self.found(claimed, place, &delivery, lane).await,
            Occasion::Preflight(wanted) => return self.preflight(claimed, place, *wanted).await,
            Occasion::Again { run, from, by } => return self.again(claimed, &run, from.as_ref(), &by).await,
            Occasion::Manual { pipeline, reference, revision, parameters, by } => {
                let unique = canonical(&json!({ "parameters": &parameters, "asked": once }));
                let asked = Asked { parameters, unique, only: Some(pipeline), ..Asked::default() };
                Wanted { kind: EventKind::Manual, reference, revision, by, upstream: None, asked }
            }
            Occasion::Schedule { pipeline, reference, cron, at } => {
                let unique = canonical(&json!({ "cron": &cron, "at": at }));
                let asked = Asked { unique, only: Some(pipeline), ..Asked::default() };
                let by = format!("schedule {cron}");
                Wanted { kind: EventKind::Schedule, reference, revision: None, by, upstream: None, asked }
            }
            Occasion::Pipeline { run } => match self.upstream(&claimed.tenant, &run).await? {
                Some((origin, upstream, trust)) => after(&origin, upstream, trust),
                None => return Ok(self.settled(format!("run {run} is gone"))),
            },
        };
        self.wanted(claimed, place, wanted).await
    }

    async fn wanted(&self, claimed: &Claimed, place: &Place, wanted: Wanted) -> Result<Settlement, Trouble> {
        let (Some(repository), Some(rules)) =
            (claimed.delivery.repository.clone(), self.site.tenants.get(&claimed.tenant))
        else {
            return Ok(self.settled("the tenant is not registered any more".into()));
        };
        let mirror = &*self.mirrors.open(&claimed.tenant, &repository).await?;
        let Wanted { kind, reference, revision, by, upstream, asked: added } = wanted;
        // What was run already is run on, wherever the ref is now; mostly it is here.
        let told = revision.as_ref().filter(|_| upstream.is_some());
        let here = match told {
            Some(revision) => mirror.commit(revision).await?,
            None => None,
        };
        let mut heads = Heads::default();
        if here.is_none() {
            let fetched: Vec<Revision> = revision.iter().cloned().collect();
            heads = Heads::fetched(mirror.fetch(std::slice::from_ref(&reference), &fetched).await?);
        }
        let found = match (here, told) {
            (Some(here), _) => Ok(here),
            (None, Some(revision)) => mirror.commit(revision).await?.ok_or_else(|| gone(revision)),
            (None, None) => commit(mirror, &heads, &reference, revision.as_ref()).await?,
        };
        let commit = match found {
            Ok(commit) => commit,
            Err(problem) => return Ok(self.settled(problem)),
        };
        let start = start::asked(reference, commit.revision.clone(), by);
        let mut event = asked(kind, place, &start, &commit);
        if let Some((upstream, trust)) = upstream {
            event.trust = event.trust.min(trust);
            event.upstream = Some(upstream);
        }
        let only = added.only.clone();
        let about = About {
            claimed,
            repository: &repository,
            place,
            policy: &rules.policy,
            mirror,
            heads: &heads,
            start: &start,
            asked: &added,
        };
        let source = mirror.at(&commit.revision, None);
        let mut settlement = self.settled(String::new());
        let mut known = Known::new(&about, event, commit.revision.clone(), source);
        let summary = self.pipelines(&mut known, &mut settlement).await?;
        let nothing = settlement.runs.is_empty() && settlement.outcome.problems.is_empty();
        settlement.outcome.summary = match only.filter(|_| nothing) {
            Some(pipeline) => format!("commit {} has no pipeline `{pipeline}`", commit.revision),
            None => summary,
        };
        settlement.outcome.at = self.clock.now_ms();
        Ok(settlement)
    }

    /// A run that succeeded, as the pipelines after it see it.
    async fn upstream(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<(RunOrigin, Upstream, Trust)>, Trouble> {
        let (Some(origin), Some(record)) =
            (self.inbox.origin(tenant, run).await?, self.store.run(tenant, run).await?)
        else {
            return Ok(None);
        };
        let Ok(plan) = serde_json::from_value::<Plan>(record.plan) else { return Ok(None) };
        let state = RunState::fold(plan.stages.keys(), &record.events);
        let (pipeline, run, number) = (record.pipeline, run.clone(), record.number);
        Ok(Some((origin, Upstream { pipeline, run, number, outputs: outputs(&plan, &state) }, plan.trust())))
    }
}

/// The pipelines that wait for the success of a run are those of its own commit.
fn after(origin: &RunOrigin, upstream: Upstream, trust: Trust) -> Wanted {
    let unique = canonical(&json!({ "after": &upstream.run }));
    let asked = Asked { unique, after: Some(upstream.run.clone()), ..Asked::default() };
    Wanted {
        kind: EventKind::Pipeline,
        reference: origin.key.reference.clone(),
        revision: Some(origin.revision.clone()),
        by: format!("pipeline {}", upstream.pipeline),
        upstream: Some((upstream, trust)),
        asked,
    }
}

/// Outputs by stage, but for those that are too large to be carried along.
fn outputs(plan: &Plan, state: &RunState) -> BTreeMap<StageName, Map<String, Json>> {
    let mut outputs = plan.outputs(state);
    outputs.retain(|_, outputs| !outputs.is_empty() && canonical(outputs).len() <= MAX_TEXT);
    outputs
}

fn gone(revision: &Revision) -> String {
    format!("commit {revision} is not to be had")
}

/// The commit that is meant, or why there is none, in words.
async fn commit(
    mirror: &dyn Mirror,
    heads: &Heads,
    reference: &Reference,
    revision: Option<&Revision>,
) -> Result<Result<CommitFacts, String>, Trouble> {
    let Some(head) = heads.found(reference) else { return Ok(Err(format!("there is no {reference}"))) };
    let Some(revision) = revision else {
        return Ok(mirror.commit(head).await?.ok_or_else(|| gone(head)));
    };
    let Some(commit) = mirror.commit(revision).await? else { return Ok(Err(gone(revision))) };
    // Whoever may run a branch may run what is in it, and nothing else.
    match mirror.contains(head, &commit.revision).await? {
        true => Ok(Ok(commit)),
        false => Ok(Err(format!("commit {revision} is not in {reference}"))),
    }
}
