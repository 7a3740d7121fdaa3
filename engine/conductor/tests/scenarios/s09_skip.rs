//! Skip with a proof: what is the same is not run again, and it is said what was compared.

use crate::world::{World, name};
use serde_json::json;
use stageway_core::call::{Command, Function, Images, Invocation, Mount, Tasks, Value, Workspace};
use stageway_core::manifest::Skip;
use stageway_core::name::{RunId, StageName};
use stageway_core::plan::PlannedStage;
use stageway_core::run::{Ended, Proof, RunStatus, SkipReason};
use stageway_ports::memory::{ScriptedHost, ScriptedLife, TaskScript};

fn builds(mut host: ScriptedHost<'_>) -> ScriptedLife<'_> {
    Box::pin(async move {
        host.value(Function::Workspace(Workspace::Find {
            patterns: vec!["**".into()],
            after: None,
            max: 10,
        }))
        .await?;
        host.value(Function::Invocation(Invocation::Parameter { name: "colour".into() })).await?;
        let workspace = Some(Mount { path: "/workspace".into(), writable: false });
        let command = Box::new(Command { arguments: vec!["make".into()], workspace, ..Command::default() });
        host.value(Function::Tasks(Tasks::Start { name: "make".into(), command })).await?;
        host.value(Function::Tasks(Tasks::Wait { task: 1 })).await?;
        Ok(json!({"built": true}))
    })
}

async fn world() -> World {
    let mut world = World::with_tasks(|_| TaskScript::exits(0));
    world.rules.skip = true;
    world.file("src/main.rs", "fn main() {}").await;
    world.file("docs/readme.md", "words").await;
    world
}

fn stage(world: &World) -> (StageName, PlannedStage) {
    let mut stage = world.stage("build", builds);
    stage.1.inputs = Some(vec!["src/**".into()]);
    stage
}

async fn run(world: &World, id: &str, stage: (StageName, PlannedStage)) -> RunId {
    let run = world.create(id, [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    run
}

async fn proof(world: &World, run: &RunId) -> Option<Proof> {
    match world.ended(run, "build").await {
        Ended::Skipped(SkipReason::Unchanged(proof)) => Some(*proof),
        Ended::Succeeded { .. } => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_unrelated_file_skips_and_names_the_run_and_what_was_compared() {
    let mut world = world().await;
    let first = run(&world, "first", stage(&world)).await;
    assert_eq!(proof(&world, &first).await, None);
    world.file("docs/readme.md", "other words").await;
    let second = run(&world, "second", stage(&world)).await;
    let proof = proof(&world, &second).await.expect("nothing that counts has changed");
    assert_eq!((proof.run, proof.attempt), (first, 1));
    assert_eq!(proof.outputs["built"], json!(true));
    for compared in ["plugin", "workspace", "configuration", "grants", "limits", "tool memory"] {
        assert!(proof.compared.contains_key(compared), "{compared} in {:?}", proof.compared);
    }
    assert_eq!(proof.asked_again, 1, "the parameter");
    assert_eq!(world.guests.instances(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_skipped_stage_gives_its_outputs_to_those_that_need_it() {
    let world = world().await;
    let stages = |world: &World| {
        let mut after = world.stage("after", |mut host| {
            Box::pin(async move {
                let (stage, name) = ("build".into(), "built".into());
                let built =
                    host.value(Function::Invocation(Invocation::UpstreamOutput { stage, name })).await?;
                assert_eq!(built, Value::MaybeJson(Some(json!(true))));
                Ok(json!({}))
            })
        });
        after.1.needs = [name("build")].into();
        after.1.skip = Skip::Never;
        [stage(world), after]
    };
    for id in ["first", "second"] {
        let run = world.create(id, stages(&world)).await;
        assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
        assert_eq!(world.outcome(&run, "after").await, "succeeded");
    }
    assert_eq!(world.guests.instances(), 3);
}

#[tokio::test(start_paused = true)]
async fn whatever_counts_runs_again() {
    type Change = fn(&mut World, &mut (StageName, PlannedStage));
    let changes: [(&str, Change); 8] = [
        ("configuration", |_, stage| stage.1.with = json!({"fast": true})),
        ("plugin", |world, stage| stage.1.plugin.digest = world.guests.add("build-2", builds)),
        ("variables", |_, stage| stage.1.env = [("A".into(), "b".into())].into()),
        ("limits", |_, stage| stage.1.limits.tasks = 7),
        ("grants", |_, stage| stage.1.grants.approvals = false),
        ("sandbox", |world, _| world.rules.unconfined = true),
        ("trust", |_, stage| stage.1.skip = Skip::Never),
        ("environment", |_, stage| stage.1.environment = Some("production".parse().unwrap())),
    ];
    for (what, change) in changes {
        let mut world = world().await;
        run(&world, "first", stage(&world)).await;
        let mut changed = stage(&world);
        change(&mut world, &mut changed);
        let second = run(&world, "second", changed).await;
        assert_eq!(proof(&world, &second).await, None, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_input_that_changed_runs_and_changed_back_skips() {
    let mut world = world().await;
    let first = run(&world, "first", stage(&world)).await;
    world.file("src/main.rs", "fn main() { loop {} }").await;
    let second = run(&world, "second", stage(&world)).await;
    assert_eq!(proof(&world, &second).await, None);
    world.file("src/main.rs", "fn main() {}").await;
    let third = run(&world, "third", stage(&world)).await;
    assert_eq!(proof(&world, &third).await.unwrap().run, first);
}

fn looks(mut host: ScriptedHost<'_>) -> ScriptedLife<'_> {
    Box::pin(async move {
        host.value(Function::Invocation(Invocation::Parameter { name: "colour".into() })).await?;
        let find = Images::Find { repository: "reg/app".into(), reference: "v1".into() };
        host.value(Function::Images(find)).await?;
        Ok(json!({}))
    })
}

#[tokio::test(start_paused = true)]
async fn a_fact_or_a_read_that_is_answered_otherwise_runs() {
    let world = world().await;
    run(&world, "first", world.stage("build", looks)).await;
    let again = run(&world, "again", world.stage("build", looks)).await;
    assert_eq!(proof(&world, &again).await.unwrap().asked_again, 2);
    let mut plan = world.plan([world.stage("build", looks)]);
    plan.parameters = [("colour".into(), json!("red"))].into();
    let red = world.create_plan("red", plan).await;
    assert_eq!(world.drive(&red).await, RunStatus::Succeeded);
    assert_eq!(proof(&world, &red).await, None, "the parameter is another");
    let image = stageway_ports::contract::registry::sample(&world.blobs, "a").await;
    stageway_ports::contract::registry::push(&*world.registry, "app", &world.blobs, &image).await;
    stageway_ports::Registry::tag(&*world.registry, "app", &image.digest, "v1", None).await.unwrap();
    let tagged = run(&world, "tagged", world.stage("build", looks)).await;
    assert_eq!(proof(&world, &tagged).await, None, "the tag is there now");
}

#[tokio::test(start_paused = true)]
async fn what_a_fork_built_proves_nothing_to_a_protected_run() {
    use stageway_core::event::Trust;
    let mut world = world().await;
    world.trust = Trust::Fork;
    run(&world, "fork", stage(&world)).await;
    world.trust = Trust::Protected;
    let protected = run(&world, "protected", stage(&world)).await;
    assert_eq!(proof(&world, &protected).await, None);
    world.trust = Trust::Fork;
    let fork = run(&world, "fork-2", stage(&world)).await;
    assert_eq!(
        proof(&world, &fork).await.unwrap().run,
        protected,
        "the newest of the same or a higher trust"
    );
}
