//! The chaos guest: 200 calls that follow from a seed, an engine that dies at every append and every call, and an outside that
//! must end as if it had not.
//!
//! Single deaths are sampled so that the seeds together cover every place; at every 25th seed one life is killed at all of its
//! appends. `CHAOS_POINTS=50 cargo test -p stageway-conductor chaos` looks closer.

use crate::life::{self, Life, Player, again_and_again, disturbed};
use stageway_core::call::Function;
use stageway_core::journal::Record;
use stageway_ports::memory::Fault;

fn seeds(numbers: std::ops::Range<u64>) {
    let died = life::seeds(&Player::Script, numbers.clone());
    println!("seeds {numbers:?}: {died} deaths");
}

macro_rules! hundred_seeds {
    ($($name:ident $range:expr),*) => { $(#[test] fn $name() { seeds($range); })* };
}

hundred_seeds!(seeds_0 0..25, seeds_1 25..50, seeds_2 50..75, seeds_3 75..100);

#[tokio::test(start_paused = true)]
async fn the_journal_of_a_killed_life_is_that_of_the_whole_one() {
    let mut whole = Life::new(&Player::Script, 7).await;
    assert!(whole.engine(None).await.is_some());
    let (killed, died) = disturbed(&Player::Script, 7, again_and_again(3, Fault::CrashAfter)).await;
    assert!(died > 50, "{died} deaths");
    let calls = |records: Vec<Record>| -> Vec<Function> {
        records
            .into_iter()
            .filter_map(|r| if let Record::Entry(e) = r { Some(e.call) } else { None })
            .collect()
    };
    let journals = (
        whole.world.journal(&whole.run, "chaos", 1).await,
        killed.world.journal(&killed.run, "chaos", 1).await,
    );
    assert_eq!(calls(journals.0), calls(journals.1));
}
