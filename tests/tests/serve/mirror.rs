//! What is fetched, and what is not.

use crate::world::{CONTEXT, World};
use std::fs;
use std::time::Duration;

/// Its repository cannot be reached, and a new branch of a commit that is here has its run; one that is not here waits.
#[test]
fn what_is_here_needs_no_remote() {
    let world = World::new();
    let server = world.start();
    let first = world.commit("src/a", "1");
    world.push(&first, "main");
    world.deliver(&server, "d1", &world.pushed("main", "", &first));
    world.forge.ended(&first, CONTEXT);
    let second = world.commit("src/a", "2");
    world.push(&second, "main");
    world.deliver(&server, "d2", &world.pushed("main", &first, &second));
    world.forge.ended(&second, CONTEXT);
    let third = world.commit("src/a", "3");
    world.push(&third, "later");

    let (home, away) = (world.folder().join("demo.git"), world.folder().join("away.git"));
    fs::rename(&home, &away).expect("a folder");
    world.deliver(&server, "d3", &world.pushed("here", "", &second));
    let ended = || world.runs().iter().filter(|run| run["status"] == "succeeded").count();
    world.until("a run of a commit that is here", || ended() == 3);
    world.deliver(&server, "d4", &world.pushed("later", "", &third));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(world.runs().len(), 3);
    fs::rename(&away, &home).expect("a folder");
    assert_eq!(world.forge.ended(&third, CONTEXT).last().map(String::as_str), Some("success"));
}

/// A fetch for one push may see those after it, which are still on the way.
#[test]
fn what_a_fetch_sees_first_has_its_run_when_it_is_told() {
    let world = World::new();
    let mut heads = vec![world.commit("src/a", "0")];
    world.push(&heads[0], "main");
    let server = world.start();
    world.deliver(&server, "d0", &world.pushed("main", "", &heads[0]));
    world.forge.ended(&heads[0], CONTEXT);
    for number in 1..=3 {
        heads.push(world.commit("src/a", &number.to_string()));
        world.push(&heads[number], "main");
    }
    for number in 1..=3 {
        let told = world.pushed("main", &heads[number - 1], &heads[number]);
        world.deliver(&server, &format!("d{number}"), &told);
        assert_eq!(world.forge.ended(&heads[number], CONTEXT).last().map(String::as_str), Some("success"));
    }
    assert_eq!(world.runs().len(), heads.len());
}

/// Told at once: each of them has its run, in their order, whether it has to be fetched or not.
#[test]
fn many_deliveries_of_one_repository_keep_their_order() {
    let world = World::new();
    let first = world.commit("src/a", "0");
    world.push(&first, "main");
    let mut before = String::new();
    let mut heads = vec![(first.clone(), "main".to_owned())];
    let mut main = first;
    for number in 1..=12 {
        let head = world.commit("src/a", &number.to_string());
        let branch = if number % 3 == 0 { format!("b{number}") } else { "main".to_owned() };
        world.push(&head, &branch);
        match branch.as_str() {
            "main" => main.clone_from(&head),
            _ => world.go_back(&main),
        }
        heads.push((head, branch));
    }
    let server = world.start();
    for (number, (head, branch)) in heads.iter().enumerate() {
        let from = if branch == "main" { before.as_str() } else { "" };
        world.deliver(&server, &format!("d{number}"), &world.pushed(branch, from, head));
        if branch == "main" {
            before.clone_from(head);
        }
    }
    for (head, _) in &heads {
        assert_eq!(world.forge.ended(head, CONTEXT).last().map(String::as_str), Some("success"));
    }
    assert_eq!(world.runs().len(), heads.len(), "{:#?}", world.forge.told());
    for (number, (head, branch)) in heads.iter().enumerate() {
        let shown = world.show(number + 1);
        assert!(shown.contains(&head[..12]), "run {} is of {branch} at {head}: {shown}", number + 1);
    }
}
