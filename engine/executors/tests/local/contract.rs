//! The contract of the port.

use crate::fixture::{Local, block_on, counted};
use libtest_mimic::Trial;
use stageway_core::name::TaskName;
use stageway_core::task::TaskSpec;
use stageway_ports::Executor;
use stageway_ports::contract::executor::{self as suite, Does, ExecutorFixture};

struct Counted(Local);

impl ExecutorFixture for Counted {
    fn executor(&self) -> &dyn Executor {
        &self.0.executor
    }

    fn spec(&self, name: &TaskName, does: &Does) -> TaskSpec {
        let script = match does {
            Does::Exit { output, code } => format!("printf %s '{output}'; exit {code}"),
            Does::Run => "while :; do sleep 1; done".to_owned(),
        };
        counted(name.as_str(), &script)
    }

    fn starts(&self, name: &TaskName) -> u32 {
        u32::try_from(self.0.starts(name.as_str())).unwrap()
    }
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    macro_rules! case {
        ($case:ident) => {
            trials.push(Trial::test(concat!("contract::", stringify!($case)), || {
                let fixture = Counted(Local::new());
                block_on(suite::$case(&fixture));
                Ok(())
            }));
        };
    }
    stageway_ports::executor_contract!(case);
    trials
}
