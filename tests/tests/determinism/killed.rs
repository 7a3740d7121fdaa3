//! The engine dies, and another goes on.

use crate::world::{Past, World};
use crate::{GUESTS, guest};
use stageway_core::run::RunStatus;
use std::time::Duration;

/// Time that passes until another engine takes the run.
const AWAY: Duration = Duration::from_secs(600);

/// The run without a kill. One round: every entry of it costs three runs of the guest.
async fn undisturbed(name: &str) -> Past {
    let (guests, component) = guest(name);
    let world = World::new(guests, component, "killed", 1).await;
    assert_eq!(world.drive().await, RunStatus::Succeeded, "{name}");
    world.past().await
}

/// A world whose first engine died when the entry was answered.
async fn killed_after(name: &str, entry: u32) -> World {
    let (guests, component) = guest(name);
    let world = World::new(guests, component, "killed", 1).await;
    world.guests.halt_after(entry);
    tokio::select! {
        ended = world.drive() => panic!("{name}: the run ended before entry {entry}: {ended:?}"),
        () = world.guests.halted() => {}
    }
    world.guests.halt_after(0);
    world
}

/// What was durable when the engine died is still there, and the whole journal replays.
async fn check(world: &World, durable: &Past, what: &str) -> Past {
    let past = world.past().await;
    let is_kept = durable.journal.iter().all(|record| past.journal.contains(record));
    assert!(is_kept, "{what}: {:#?} became {:#?}", durable.journal, past.journal);
    let replayed = world.replay().await;
    assert_eq!(replayed.same_end, Some(true), "{what}: {:?}", replayed.end);
    let lines: Vec<&str> = replayed.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(lines, past.lines, "{what}");
    past
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_entry_it_goes_on_as_if_nothing_had_happened() {
    for name in GUESTS {
        let whole = undisturbed(name).await;
        for entry in 1..=u32::try_from(whole.entries()).expect("a number") {
            let what = format!("{name} killed after entry {entry}");
            let world = killed_after(name, entry).await;
            let durable = world.past().await;
            assert_eq!(world.drive().await, RunStatus::Succeeded, "{what}: {:#?}", world.past().await);
            // No time has passed, so nothing at all may differ from the run that nobody killed.
            assert_eq!(check(&world, &durable, &what).await, whole, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_entry_and_resumed_later_it_goes_on_from_its_journal() {
    for name in GUESTS {
        let whole = undisturbed(name).await;
        for entry in 1..=u32::try_from(whole.entries()).expect("a number") {
            let what = format!("{name} killed after entry {entry} and resumed later");
            let world = killed_after(name, entry).await;
            let durable = world.past().await;
            tokio::time::advance(AWAY).await;
            assert_eq!(world.drive().await, RunStatus::Succeeded, "{what}: {:#?}", world.past().await);
            let past = check(&world, &durable, &what).await;
            // The time is another, and everything that does not follow from it is the same. Go reads the clock between arming a
            // timer and waiting for it: what is due by then is not waited for.
            let fewer = whole.entries().checked_sub(past.entries());
            assert!(fewer.is_some_and(|fewer| fewer <= u64::from(name == "go")), "{what}: {fewer:?}");
        }
    }
}
