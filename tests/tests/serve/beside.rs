//! A repository with plugins of its own.

use crate::world::{CONTEXT, World};
use stageway_tests::binary;
use std::fs;

const PIPELINE: &str = "pipeline: demo
on: push
stages:
  check:
    uses: ./own/unit-test.wasm
    with: { command: [./ci/check.sh] }
    grants: { workspace: read, tasks: {} }
";

/// On a protected branch its own components run, and its lock decides which; elsewhere they do not.
#[test]
fn a_component_and_a_lock_come_out_of_the_commit() {
    let world = World::new();
    let component = binary().with_file_name("plugins").join("unit-test.wasm");
    world.write("stageway.yaml", PIPELINE);
    world.copy("own/unit-test.wasm", &component);
    let first = world.commit("src/a", "1");
    world.push(&first, "main");
    world.push(&first, "open");
    let server = world.start();
    let last = |revision: &str| world.forge.ended(revision, CONTEXT).pop();
    world.deliver(&server, "d1", &world.pushed("main", "", &first));
    assert_eq!(last(&first).as_deref(), Some("success"), "{:#?}", world.forge.told());

    let second = world.commit("src/a", "2");
    world.push(&second, "open");
    world.deliver(&server, "d2", &world.pushed("open", &first, &second));
    assert_eq!(last(&second).as_deref(), Some("error"));
    let told = world.forge.told();
    let described = &told.iter().rfind(|told| told.revision == second).expect("it was told").description;
    assert!(described.contains("comes out of the repository"), "{described}");

    let other = stageway_core::digest::Digest::of(b"another");
    let third = world.commit("stageway.lock", &format!("./own/unit-test.wasm {other}\n"));
    world.push(&third, "main");
    world.deliver(&server, "d3", &world.pushed("main", &first, &third));
    assert_eq!(last(&third).as_deref(), Some("error"));
    let pinned = stageway_core::digest::Digest::of(&fs::read(&component).expect("the component"));
    let fourth = world.commit("stageway.lock", &format!("./own/unit-test.wasm {pinned}\n"));
    world.push(&fourth, "main");
    world.deliver(&server, "d4", &world.pushed("main", &third, &fourth));
    assert_eq!(last(&fourth).as_deref(), Some("success"));
    assert_eq!(world.runs().len(), 2);
}
