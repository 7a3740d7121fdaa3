use super::Refusal;
use super::command::CommandDraft;
use crate::bindings::stageway::host::tasks;
use crate::guest::{Broken, Guest, Handle};
use stageway_core::call::{Ending, Function, Tasks};
use stageway_core::journal::canonical;
use wasmtime::component::Resource;

/// A task that was started, by the entry that started it.
pub struct Task {
    seq: u32,
}

impl Handle for Task {
    const KIND: &'static str = "task";
    const CAP: usize = 320;
}

impl tasks::Host for Guest {
    async fn start(&mut self, name: String, what: Resource<CommandDraft>) -> Result<Resource<Task>, Refusal> {
        let command = Box::new(self.handles.take(what)?.finish());
        self.handles.room::<Task>()?;
        self.ask::<()>(Function::Tasks(Tasks::Start { name, command })).await?;
        let seq = self.seq();
        Ok(self.handles.push(Task { seq })?)
    }

    async fn wait_any(&mut self, tasks: Vec<Resource<Task>>) -> Result<u32, Refusal> {
        let tasks: Vec<u32> =
            tasks.iter().map(|task| Ok(self.handles.get(task)?.seq)).collect::<wasmtime::Result<_>>()?;
        let count = tasks.len();
        let index: u32 = self.ask(Function::Tasks(Tasks::WaitAny { tasks })).await?;
        if index as usize >= count {
            return Err(Broken::fault(format!("task {index} of {count} was answered")).into());
        }
        Ok(index)
    }
}

impl tasks::HostTask for Guest {
    async fn wait(&mut self, task: Resource<Task>) -> Result<tasks::Ending, Refusal> {
        let task = self.handles.get(&task)?.seq;
        let ending: Ending = self.ask(Function::Tasks(Tasks::Wait { task })).await?;
        Ok(ending.into())
    }

    async fn cancel(&mut self, task: Resource<Task>) -> Result<(), Refusal> {
        let task = self.handles.get(&task)?.seq;
        self.ask(Function::Tasks(Tasks::Cancel { task })).await
    }

    async fn collected(&mut self, task: Resource<Task>, name: String) -> Result<Option<String>, Refusal> {
        let task = self.handles.get(&task)?.seq;
        self.ask(Function::Tasks(Tasks::Collected { task, name })).await
    }

    async fn drop(&mut self, task: Resource<Task>) -> wasmtime::Result<()> {
        self.handles.take(task).map(drop)
    }
}

impl From<Ending> for tasks::Ending {
    fn from(ending: Ending) -> Self {
        Self {
            code: ending.code,
            reason: ending.reason.as_str().to_owned(),
            message: ending.message,
            duration_ms: ending.duration_ms,
            details: canonical(&ending.details),
        }
    }
}
