//! The chaos guest as a component on the real host, between adapters in memory.
//!
//! The life of the guest, what is counted and how an engine dies are those of the conductor's own scenarios; here the calls
//! are made by WebAssembly. `CHAOS_POINTS=50` looks closer, `CHAOS_SEEDS=100` wider.

use crate::host;
use crate::life::{self, Player};

/// Seeds that run at the same time.
const TOGETHER: u64 = 2;

#[test]
fn a_component_leaves_the_same_outside_behind_however_often_its_engine_dies() {
    let seeds = std::env::var("CHAOS_SEEDS").map_or(12, |text| text.parse().expect("a number"));
    let (host, component) = host("chaos");
    let player = Player::Component(host, component);
    let died: Vec<u32> = std::thread::scope(|scope| {
        let share = |first| {
            let player = &player;
            move || life::seeds(player, (first..seeds).step_by(TOGETHER as usize))
        };
        let threads: Vec<_> = (0..TOGETHER).map(|first| scope.spawn(share(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    println!("{seeds} seeds: {died:?} deaths");
}
