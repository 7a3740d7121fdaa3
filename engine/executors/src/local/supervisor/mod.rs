//! The supervisor: owns the tasks of one state directory.
//!
//! | in the state directory | what |
//! | -- | -- |
//! | `supervisor.lock` | held as long as a supervisor lives |
//! | `supervisor.sock` | where it is reached |
//! | `tasks/NAME/` | the claim of a task: made exclusively, before anything else |
//! | `tasks/NAME/start.json` | written before the first process of the task starts; with it, the task has been started |
//! | `tasks/NAME/end.json` | how it ended |
//! | `tasks/NAME/output` | what it wrote |
//! | `tasks/NAME/site/` | its workspace, roots and temporary files, until it has ended |
//! | `standing`, `standing.memory` | where each init, in its own mounts, has a root that no task has yet |
//! | `images/`, `caches/` | unpacked images, directories kept between runs |

mod busy;
mod cache;
mod cgroup;
mod claim;
mod collect;
mod disk;
mod end;
mod environment;
mod image;
mod life;
mod machine;
mod materialise;
mod output;
mod places;
mod proxy;
mod pump;
mod ready;
mod record;
mod registry;
mod serve;
mod services;
mod site;
mod table;
mod task;
mod vessel;

use stageway_ports::Blobs;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

pub use serve::supervise;

/// What a supervisor needs to know.
pub struct SupervisorOptions {
    /// The state directory.
    pub state: PathBuf,
    /// Where trees and images come from and what is collected goes to: the same as the engine's.
    pub blobs: Arc<dyn Blobs>,
    /// Directories of this machine that every task sees, read-only, at their own paths, such as `~/.cargo/bin` and
    /// `~/.rustup`. Those named `bin` are in its `PATH`.
    pub toolbox: Vec<PathBuf>,
    /// The user's `~/.cargo`, over whose registry the cache `cargo` is laid.
    pub cargo_home: Option<PathBuf>,
    /// Program and arguments of what the inits of tasks are forked from, which calls [`zygote`](super::zygote) at once, such
    /// as `stageway supervisor zygote`. `/proc/self/exe` as the program survives an update of the executable.
    pub zygote: Vec<OsString>,
    /// How many tasks run at the same time; others wait.
    pub parallel: usize,
    /// After how long without tasks and calls it ends.
    pub idle: Duration,
}

/// Why a supervisor could not serve.
#[derive(Debug, Error)]
pub enum SuperviseError {
    /// Another supervisor serves that state directory. Nothing is wrong.
    #[error("another supervisor serves {}", .0.display())]
    Taken(PathBuf),
    /// The state directory cannot be used.
    #[error("the state directory {} cannot be used", state.display())]
    State {
        /// Which.
        state: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
