//! The contract of the port.

use crate::cluster::{Place, block_on, shell};
use libtest_mimic::Trial;
use stageway_core::name::TaskName;
use stageway_core::task::TaskSpec;
use stageway_ports::Executor;
use stageway_ports::contract::executor::{self as suite, Does, ExecutorFixture};

struct Counted(Place);

impl ExecutorFixture for Counted {
    fn executor(&self) -> &dyn Executor {
        &self.0.executor
    }

    fn spec(&self, _: &TaskName, does: &Does) -> TaskSpec {
        match does {
            Does::Exit { output, code } => shell(&format!("printf %s '{output}'; exit {code}")),
            Does::Run => shell("while :; do sleep 1; done"),
        }
    }

    fn starts(&self, name: &TaskName) -> u32 {
        let starts =
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.0.starts(name)));
        u32::try_from(starts).unwrap()
    }
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    macro_rules! case {
        ($case:ident) => {
            trials.push(Trial::test(concat!("contract::", stringify!($case)), || {
                block_on(async {
                    let fixture = Counted(Place::new().await);
                    suite::$case(&fixture).await;
                    fixture.0.end().await;
                });
                Ok(())
            }));
        };
    }
    stageway_ports::executor_contract!(case);
    trials
}
