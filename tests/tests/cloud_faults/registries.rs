//! Registries that say 429 and 500: in between, and for ever.

use crate::place::{Place, Ways, cluster};
use serde_json::Value as Json;
use stageway_tests::passage::{Moody, Says};
use stageway_tests::{Installation, Told, assert_says};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const PIPELINE: &str = r#"
pipeline: shop
on: { push: { branches: [main] } }
stages:
  image:
    uses: stageway/image-kaniko@1
    inputs: [Dockerfile, service]
    with: { repository: build/NAME, kaniko: tools/tools/kaniko:1, options: { single-snapshot: true } }
  promote:
    uses: stageway/promote@1
    needs: [image]
    environment: production
    with: { image: "${{ stages.image.outputs.reference }}", to: production/NAME, tags: [v1], moving-tag: production }
"#;

/// The registries of a place behind somebody who does not always let through: for the engine, for Kaniko, for the engine again.
struct Behind {
    build: [Moody; 2],
    production: Moody,
    ways: Ways,
}

impl Behind {
    fn new(build: [Arc<Says>; 2], production: Arc<Says>) -> Self {
        let cluster = cluster();
        let network = cluster.network();
        let straight = Ways::straight(&cluster);
        let ([engine, nodes], [outer, pulled]) = (straight.build.clone(), straight.production.clone());
        let [for_engine, for_pods] = build;
        let build =
            [Moody::before(&engine, None, for_engine), Moody::before(&nodes, Some(&network), for_pods)];
        let production = Moody::before(&outer, None, production);
        let ways = Ways {
            build: build.each_ref().map(Moody::address),
            production: [production.address(), pulled],
            ..straight
        };
        Self { build, production, ways }
    }

    fn place(&self) -> Place {
        let files = [
            ("stageway.yaml", PIPELINE),
            ("Dockerfile", "FROM scratch\nCOPY service /service\nENTRYPOINT [\"/service\"]\n"),
            ("service", "never run\n"),
        ];
        Place::new(Installation::new(), &self.ways, &files).committed()
    }
}

fn never() -> Arc<Says> {
    Arc::new(|_, _| None)
}

/// Every fifth request is refused, each time otherwise.
fn now_and_then() -> Arc<Says> {
    Arc::new(|number, _| match number % 10 {
        4 => Some(429),
        9 => Some(500),
        _ => None,
    })
}

fn run(place: &Place) -> Told {
    place.installation.run(place.tree.path(), &[])
}

fn assert_errored(told: &Told, stage: &str, words: &[&str]) {
    let (status, why) = (&told.stage(stage)["status"], told.stage(stage)["failure"].to_string());
    assert_eq!((told.exit, status.as_str()), (11, Some("errored")), "{why}");
    assert_says(&why, words);
}

pub fn what_is_refused_now_and_then_is_asked_again() {
    let behind = Behind::new([now_and_then(), now_and_then()], now_and_then());
    let place = behind.place();
    let told = run(&place);
    assert_eq!(told.exit, 0, "{:#?}", told.events.last());
    for moody in behind.build.iter().chain([&behind.production]) {
        let refused = moody.refused().join("\n");
        assert_says(&refused, &["429 ", "500 "]);
    }
    assert_eq!(place.task_pods().len(), 1, "Kaniko asks again by itself");
    let tags = &told.stage("promote")["outputs"]["tags"];
    let created = |tag: &Json| tag["outcome"] == "created";
    assert!(tags.as_array().is_some_and(|tags| tags.len() == 2 && tags.iter().all(created)), "{tags}");
    place.assert_nothing_is_left();
    place.leave();
}

pub fn a_promotion_that_is_refused_for_ever_is_errored_with_the_reason() {
    let always: Arc<Says> = Arc::new(|_, _| Some(500));
    let behind = Behind::new([never(), never()], always);
    let place = behind.place();
    assert_errored(&run(&place), "promote", &["production/", "500"]);
    place.assert_nothing_is_left();
    place.leave();
}

pub fn a_build_whose_push_is_refused_for_ever_is_errored_with_the_reason() {
    // From the moment at which Kaniko comes.
    let down = Arc::new(AtomicBool::new(false));
    let seen = down.clone();
    let for_pods: Arc<Says> = Arc::new(move |_, _| {
        seen.store(true, Ordering::Relaxed);
        Some(429)
    });
    let for_engine: Arc<Says> = Arc::new(move |_, _| down.load(Ordering::Relaxed).then_some(429));
    let behind = Behind::new([for_engine, for_pods], never());
    let place = behind.place();
    assert_errored(&run(&place), "image", &["Kaniko ended with exit code 1", "build/", "429"]);
    assert_eq!(place.task_pods().len(), 1);
    place.assert_nothing_is_left();
    place.leave();
}
