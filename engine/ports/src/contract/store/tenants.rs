use super::StoreFixture;
use super::fixture::{
    entry, environment, events, leased_by, new_run, pipeline, plugin_line, run_id, stage, started, tenant,
};
use super::people::{question, yes};
use crate::{Batch, Claim, ClaimAnswer, NewProof, Release, RunFilter, Store, StoreError, Writer};
use stageway_core::digest::Digest;
use stageway_core::log::{Report, ReportKind};
use stageway_core::name::TenantId;

/// Everything a run can have, so that there is something to see; the tenant's name is in all of it.
async fn furnish(store: &dyn Store, tenant: &TenantId, id: &str) -> Writer {
    let writer = leased_by(store, tenant, id).await;
    let claim = claim_of(&writer);
    assert_eq!(store.claim(&writer, &claim).await.unwrap(), ClaimAnswer::Held(1));
    store.release(&writer, &claim.environment, release_of(&writer)).await.unwrap();
    store.ask(&writer, question(1, 0)).await.unwrap();
    store.request_cancel(tenant, &writer.run, tenant.as_str(), "", 5).await.unwrap();
    let report = Report {
        stage: stage("build"),
        attempt: 1,
        seq: 0,
        ordinal: 0,
        at: 1,
        kind: ReportKind::Annotation,
        body: serde_json::json!(tenant.as_str()),
    };
    let proof = NewProof {
        key: Digest::of(b"key"),
        stage: stage("build"),
        attempt: 1,
        trust: 2,
        compared: serde_json::json!(tenant.as_str()),
    };
    let batch = Batch {
        records: vec![entry(1, tenant.as_str().len() as u32)],
        lines: vec![plugin_line(0, 0, tenant.as_str())],
        reports: vec![report],
        proofs: vec![proof],
        ..events(1, vec![started("build")])
    };
    store.append(&writer, batch).await.unwrap();
    writer
}

fn claim_of(writer: &Writer) -> Claim {
    Claim {
        environment: environment("production"),
        run: writer.run.clone(),
        stage: stage("deploy"),
        group: "shop main".into(),
        order: 1,
    }
}

fn release_of(writer: &Writer) -> Release {
    Release {
        id: "release-1".into(),
        run: writer.run.clone(),
        at: 1,
        what: serde_json::json!(writer.tenant.as_str()),
        verdict: "unknown".into(),
        reason: String::new(),
    }
}

/// The same run id, environment, release and key twice, side by side.
pub async fn tenants_have_the_same_ids_and_see_their_own(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let tenants = [tenant("one"), tenant("two-and-more")];
    for tenant in &tenants {
        furnish(&*store, tenant, "r1").await;
    }
    for tenant in &tenants {
        let (run, name) = (run_id("r1"), tenant.as_str());
        assert_eq!(store.run(tenant, &run).await.unwrap().unwrap().number, 1);
        assert_eq!(store.runs(tenant, &all()).await.unwrap().len(), 1);
        let journal = store.journal(tenant, &run, &stage("build"), 1).await.unwrap();
        assert_eq!(journal, [entry(1, name.len() as u32).2]);
        let lines = store.lines(tenant, &run, None, 0, 9).await.unwrap();
        assert_eq!(lines.iter().map(|line| line.line.text.as_str()).collect::<Vec<_>>(), [name]);
        assert_eq!(store.reports(tenant, &run).await.unwrap()[0].body, name);
        let found = store.candidates(tenant, &Digest::of(b"key"), 0, 9).await.unwrap();
        assert_eq!(found.iter().map(|found| &found.compared).collect::<Vec<_>>(), [name]);
        let newest = store.newest_proof(tenant, &pipeline("shop"), &stage("build")).await.unwrap();
        assert_eq!(newest.unwrap().compared, name);
        let releases = store.releases(tenant, &environment("production"), 9).await.unwrap();
        assert_eq!(releases.iter().map(|release| &release.what).collect::<Vec<_>>(), [name]);
        assert_eq!(store.approvals(tenant, &run).await.unwrap().len(), 1);
        assert_eq!(store.cancel_request(tenant, &run).await.unwrap().unwrap().0, name);
    }
}

fn all() -> RunFilter {
    RunFilter { max: 9, ..RunFilter::default() }
}

/// Every method that reads, both ways.
pub async fn a_tenant_reads_nothing_of_another(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    furnish(&*store, &tenant("one"), "of-one").await;
    furnish(&*store, &tenant("two"), "of-two").await;
    for (tenant, run) in [(tenant("one"), run_id("of-two")), (tenant("two"), run_id("of-one"))] {
        assert!(store.run(&tenant, &run).await.unwrap().is_none());
        assert!(store.runs(&tenant, &all()).await.unwrap().iter().all(|found| found.id != run));
        let missing = |found: Option<StoreError>| assert!(matches!(found, Some(StoreError::NotFound(_))));
        missing(store.journal(&tenant, &run, &stage("build"), 1).await.err());
        missing(store.lines(&tenant, &run, None, 0, 9).await.err());
        missing(store.reports(&tenant, &run).await.err());
        missing(store.approvals(&tenant, &run).await.err());
        missing(store.cancel_request(&tenant, &run).await.err());
        let found = store.candidates(&tenant, &Digest::of(b"key"), 0, 9).await.unwrap();
        assert!(found.len() == 1 && found[0].run != run);
        let newest = store.newest_proof(&tenant, &pipeline("shop"), &stage("build")).await.unwrap();
        assert_ne!(newest.unwrap().run, run);
        let releases = store.releases(&tenant, &environment("production"), 9).await.unwrap();
        assert!(releases.len() == 1 && releases[0].run != run);
    }
}

/// Every method that writes, both ways, with a fence that the other tenant was given.
pub async fn a_tenant_writes_nothing_of_another(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let one = furnish(&*store, &tenant("one"), "of-one").await;
    let two = furnish(&*store, &tenant("two"), "of-two").await;
    for (mine, theirs) in [(&one, &two), (&two, &one)] {
        let before = store.run(&theirs.tenant, &theirs.run).await.unwrap().unwrap();
        let forged = Writer { tenant: mine.tenant.clone(), ..theirs.clone() };
        let missing = |found: Option<StoreError>| assert!(matches!(found, Some(StoreError::NotFound(_))));
        let production = environment("production");
        missing(store.lease(&forged.tenant, &forged.run, "x", 1, 2, true).await.err());
        missing(store.renew(&forged, 9).await.err());
        missing(store.append(&forged, events(2, vec![started("x")])).await.err());
        missing(store.claim(&forged, &claim_of(&forged)).await.err());
        missing(store.release(&forged, &production, release_of(&forged)).await.err());
        missing(store.judge(&forged, &production, "release-1", "bad", "").await.err());
        missing(store.ask(&forged, question(9, 9)).await.err());
        missing(store.answer(&forged.tenant, &forged.run, &stage("gate"), yes(1)).await.err());
        missing(store.request_cancel(&forged.tenant, &forged.run, "x", "", 1).await.err());
        let after = store.run(&theirs.tenant, &theirs.run).await.unwrap().unwrap();
        assert_eq!((after.version, after.fence), (before.version, before.fence));
        let releases = store.releases(&theirs.tenant, &production, 9).await.unwrap();
        assert_eq!(releases[0].verdict, "unknown");
        let approvals = store.approvals(&theirs.tenant, &theirs.run).await.unwrap();
        assert!(approvals.len() == 1 && approvals[0].answer.is_none());
    }
}

/// One tenant's lock, order or proof says nothing to another.
pub async fn environments_and_proofs_are_of_one_tenant(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (one, two) = (tenant("one"), tenant("two"));
    furnish(&*store, &one, "r1").await;
    store.create_run(&two, new_run("r1")).await.unwrap();
    assert_eq!(store.candidates(&two, &Digest::of(b"key"), 0, 9).await.unwrap(), []);
    assert_eq!(store.newest_proof(&two, &pipeline("shop"), &stage("build")).await.unwrap(), None);
    assert_eq!(store.releases(&two, &environment("production"), 9).await.unwrap(), []);
    let writer = leased_by(&*store, &two, "r1").await;
    let older = Claim { order: 0, ..claim_of(&writer) };
    assert_eq!(store.claim(&writer, &older).await.unwrap(), ClaimAnswer::Held(1));
}
