//! What a task runs in: an init with its namespaces, in a control group.
//!
//! None of it depends on the task, and making it may take longer than anything else of a small one: the kernel can need 20 ms
//! to put a process into a group. So there are a few in advance.

use super::cgroup::{Controllers, Group};
use super::record;
use crate::local::protocol::Failure;
use crate::local::sandbox::{Confinement, Init, Launched, Zygote};
use stageway_ports::Incarnation;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::debug;

/// Of each confinement that was asked for, so many are kept.
const KEPT: usize = 2;

/// What one task runs in.
pub(super) struct Vessel {
    pub init: Init,
    pub group: Group,
    pub incarnation: Incarnation,
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
    pub(super) fn new(program: Vec<OsString>, state: &Path) -> Arc<Self> {
        let controllers = Controllers::find(state);
        controllers.clear();
        Arc::new(Self { zygote: Zygote::new(program), controllers, shelves: Mutex::default() })
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
        let group = self.controllers.group();
        match self.launch(&group, confinement).await {
            Ok((init, incarnation)) => Ok(Vessel { init, group, incarnation }),
            Err(failure) => {
                group.remove().await;
                Err(failure)
            }
        }
    }

    async fn launch(&self, group: &Group, confinement: Confinement) -> Result<(Init, Incarnation), Failure> {
        let failed = |what: &str, error: String| Failure::Unavailable(format!("{what}: {error}"));
        let init = self.zygote.fork().await;
        let init = init.map_err(|e| failed("the init of a task cannot be started", e.to_string()))?;
        let incarnation =
            record::incarnation(init.pid()).map_err(|e| failed("the init has no identity", e.to_string()))?;
        // Before its first order, so that everything it starts is bounded too.
        group.add(init.pid()).map_err(|e| failed("a task cannot be bounded", e.to_string()))?;
        match init.begin(confinement).await {
            Ok(Launched::Ready(init)) => Ok((*init, incarnation)),
            Ok(Launched::Refused { problem, remedy }) => {
                Err(Failure::Refused(format!("no sandbox can be made: {problem}; {remedy}")))
            }
            Err(gone) => Err(failed("the sandbox cannot be made", gone.to_string())),
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
