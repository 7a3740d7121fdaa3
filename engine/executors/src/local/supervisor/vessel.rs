//! What a task runs in: an init with its namespaces, in a control group.
//!
//! None of it depends on the task, and making it may take longer than anything else of a small one: the kernel can need 20 ms
//! to put a process into a group. So there are a few in advance.

use super::cgroup::{Controllers, Group};
use super::disk::blocking;
use super::machine::Machine;
use super::{SupervisorOptions, record};
use crate::local::protocol::Failure;
use crate::local::sandbox::{Confinement, Init, Launched, Zygote, memory_beside};
use stageway_ports::Incarnation;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::debug;

/// Of each confinement that was asked for, so many are kept.
const KEPT: usize = 2;

/// What one task runs in.
pub(super) struct Vessel {
    pub init: Init,
    pub group: Group,
    pub incarnation: Incarnation,
    /// What the root shows that stands in it already.
    pub standing: Option<Machine>,
}

impl Vessel {
    /// Ends what is left in it, and removes it.
    pub(super) async fn take_down(mut self) {
        self.init.end().await;
        self.group.remove().await;
    }
}

/// Makes them, and has a few ready.
pub(super) struct Vessels {
    zygote: Zygote,
    controllers: Controllers,
    toolbox: Vec<PathBuf>,
    /// Where the roots stand.
    standing: PathBuf,
    shelves: Mutex<Shelves>,
}

#[derive(Default)]
struct Shelves {
    sandboxed: Shelf,
    unconfined: Shelf,
}

#[derive(Default)]
struct Shelf {
    ready: Vec<Vessel>,
    /// How many are being made for it.
    coming: usize,
}

impl Shelves {
    fn of(&mut self, confinement: Confinement) -> &mut Shelf {
        match confinement {
            Confinement::Sandbox => &mut self.sandboxed,
            Confinement::None => &mut self.unconfined,
        }
    }
}

impl Vessels {
    /// Those of a state directory; removes what an earlier supervisor left of them.
    pub(super) fn new(options: &SupervisorOptions) -> io::Result<Arc<Self>> {
        let controllers = Controllers::find(&options.state);
        controllers.clear();
        let standing = options.state.join("standing");
        for place in [&standing, &memory_beside(&standing)] {
            DirBuilder::new().recursive(true).mode(0o700).create(place)?;
        }
        Ok(Arc::new(Self {
            zygote: Zygote::new(options.zygote.clone()),
            controllers,
            toolbox: options.toolbox.clone(),
            standing,
            shelves: Mutex::default(),
        }))
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One for a task; another takes its place in the background.
    ///
    /// # Errors
    /// [`Failure::Refused`] when this machine forbids the sandbox.
    pub(super) async fn take(self: &Arc<Self>, confinement: Confinement) -> Result<Vessel, Failure> {
        let ready = loop {
            let Some(mut vessel) = self.shelves().of(confinement).ready.pop() else { break None };
            if !vessel.init.is_gone() {
                break Some(vessel);
            }
            // Somebody killed it while nobody looked.
            vessel.take_down().await;
        };
        let vessel = match ready {
            Some(vessel) => vessel,
            None => self.make(confinement).await?,
        };
        self.restock(confinement);
        Ok(vessel)
    }

    /// Makes those that are missing, one after the other.
    fn restock(self: &Arc<Self>, confinement: Confinement) {
        {
            let mut shelves = self.shelves();
            let shelf = shelves.of(confinement);
            if shelf.coming > 0 || shelf.ready.len() >= KEPT {
                return;
            }
            shelf.coming += 1;
        }
        let vessels = Arc::clone(self);
        tokio::spawn(async move {
            let made = vessels.make(confinement).await;
            let again = {
                let mut shelves = vessels.shelves();
                let shelf = shelves.of(confinement);
                shelf.coming -= 1;
                match made {
                    Ok(vessel) => {
                        shelf.ready.push(vessel);
                        true
                    }
                    Err(failure) => {
                        debug!(?failure, "nothing can be made in advance for the next task");
                        false
                    }
                }
            };
            if again {
                vessels.restock(confinement);
            }
        });
    }

    async fn make(&self, confinement: Confinement) -> Result<Vessel, Failure> {
        let failed = |what: &str, error: io::Error| Failure::Unavailable(format!("{what}: {error}"));
        let init = self.zygote.fork().await;
        let init = init.map_err(|e| failed("the init of a task cannot be started", e))?;
        let incarnation =
            record::incarnation(init.pid()).map_err(|e| failed("the init has no identity", e))?;
        let (group, pid) = (self.controllers.group(), init.pid());
        // Before its first order, so that everything it starts is bounded too. The kernel takes its time.
        let (group, added) = blocking(move || {
            let added = group.add(pid);
            Ok((group, added))
        })
        .await
        .map_err(|e| failed("a task cannot be bounded", e))?;
        let begun = match added {
            Ok(()) => self.begin(init, confinement).await,
            Err(error) => Err(failed("a task cannot be bounded", error)),
        };
        match begun {
            Ok(init) => {
                let standing = self.stand(&init, confinement).await;
                Ok(Vessel { init, group, incarnation, standing })
            }
            Err(failure) => {
                group.remove().await;
                Err(failure)
            }
        }
    }

    async fn begin(&self, init: Init, confinement: Confinement) -> Result<Init, Failure> {
        match init.begin(confinement).await {
            Ok(Launched::Ready(init)) => Ok(*init),
            Ok(Launched::Refused { problem, remedy }) => {
                Err(Failure::Refused(format!("no sandbox can be made: {problem}; {remedy}")))
            }
            Err(gone) => Err(Failure::Unavailable(format!("the sandbox cannot be made: {gone}"))),
        }
    }

    /// Has the init build what a root shows whatever the task. Without it one is built when the task comes.
    async fn stand(&self, init: &Init, confinement: Confinement) -> Option<Machine> {
        if confinement == Confinement::None {
            return None;
        }
        let machine = Machine::look(&self.toolbox);
        match init.stand(machine.root(self.standing.clone())).await {
            Ok(Ok(())) => Some(machine),
            Ok(Err(problem)) => {
                debug!(%problem, "no root can be built in advance");
                None
            }
            Err(gone) => {
                debug!(%gone, "no root can be built in advance");
                None
            }
        }
    }

    /// Removes those that no task took, and what is left of others.
    pub(super) async fn clear(&self) {
        let shelves = std::mem::take(&mut *self.shelves());
        for vessel in shelves.sandboxed.ready.into_iter().chain(shelves.unconfined.ready) {
            vessel.take_down().await;
        }
        self.controllers.clear();
    }
}
