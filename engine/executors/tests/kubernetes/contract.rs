//! The contract of the port.

use crate::cluster::{Place, block_on, shell};
use libtest_mimic::Trial;
use stageway_core::name::TaskName;
use stageway_core::task::{TaskSpec, WorkspaceMount};
use stageway_core::workspace::Tree;
use stageway_ports::contract::executor::{self as suite, Does, ExecutorFixture};
use stageway_ports::{Blobs, Executor};

/// Plain pods, or ones with our helper because they have a workspace.
struct Counted {
    place: Place,
    workspace: Option<WorkspaceMount>,
}

impl Counted {
    async fn new(helped: bool) -> Self {
        let place = Place::new().await;
        let tree = place.blobs.put(Tree::default().encode()).await.unwrap().digest;
        let mount = WorkspaceMount { tree, path: "/workspace".into(), writable: true };
        Self { place, workspace: helped.then_some(mount) }
    }
}

impl ExecutorFixture for Counted {
    fn executor(&self) -> &dyn Executor {
        &self.place.executor
    }

    fn spec(&self, _: &TaskName, does: &Does) -> TaskSpec {
        let mut spec = match does {
            Does::Exit { output, code } => shell(&format!("printf %s '{output}'; exit {code}")),
            Does::Run => shell("while :; do sleep 1; done"),
        };
        spec.workspace = self.workspace.clone();
        spec
    }

    fn starts(&self, name: &TaskName) -> u32 {
        let starts = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(self.place.starts(name))
        });
        u32::try_from(starts).unwrap()
    }
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    macro_rules! case {
        ($case:ident) => {
            for (kind, helped) in [("plain", false), ("helped", true)] {
                trials.push(Trial::test(format!("contract::{kind}::{}", stringify!($case)), move || {
                    block_on(async {
                        let fixture = Counted::new(helped).await;
                        suite::$case(&fixture).await;
                        fixture.place.end().await;
                    });
                    Ok(())
                }));
            }
        };
    }
    stageway_ports::executor_contract!(case);
    trials
}
