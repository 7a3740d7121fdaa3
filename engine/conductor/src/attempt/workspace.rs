use super::{Attempt, Halt, Outcome, invalid};
use stageway_core::call::{HostError, Stop, Value, Workspace};
use stageway_core::grant;
use stageway_core::workspace::ViewError;

impl Attempt {
    pub(super) async fn workspace(&mut self, call: &Workspace) -> Outcome {
        let access = match call {
            Workspace::Find { .. } | Workspace::Read { .. } => grant::Access::Read,
            Workspace::Write { .. } | Workspace::Remove { .. } => grant::Access::Write,
        };
        self.subject.grants.allows_workspace(access)?;
        match call {
            Workspace::Find { patterns, after, max } => {
                Ok(Value::Jsons(self.view.find(patterns, after.as_deref(), *max).map_err(told)?))
            }
            Workspace::Read { path } => Ok(Value::Content(self.view.read(path).map_err(told)?)),
            Workspace::Write { path, bytes, executable } => {
                let content = self.engine.blobs.put(bytes.0.clone()).await?;
                self.view.write(path, content, *executable).map_err(told)?;
                Ok(Value::Done)
            }
            Workspace::Remove { path } => {
                self.view.remove(path).map_err(told)?;
                Ok(Value::Done)
            }
        }
    }
}

/// What the view says, in the words of the contract.
pub(super) fn told(error: ViewError) -> Halt {
    let text = error.to_string();
    match error {
        ViewError::Path(_) | ViewError::Pattern { .. } | ViewError::NotAFile(_) => invalid(text),
        ViewError::Missing(_) => Halt::Tell(HostError::NotFound(text)),
        ViewError::Quota(_) => Halt::Tell(HostError::LimitExceeded(text)),
    }
}

/// A quota that is used up by what a task collected cannot be told to anybody.
pub(super) fn over(error: ViewError) -> Halt {
    Halt::Stop(Stop::Limit(error.to_string()))
}
