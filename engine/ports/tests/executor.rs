//! The scripted executor keeps the contract of its port.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used)]

use stageway_core::name::TaskName;
use stageway_core::task::{TaskSpec, TaskState};
use stageway_ports::contract::executor::{self as suite, Does, ExecutorFixture, ending, process, spec};
use stageway_ports::memory::{ExecutorFault, MemoryExecutor, TaskScript};
use stageway_ports::{Executor, SecretValues};
use std::time::Duration;

struct Scripted(MemoryExecutor);

fn play(_: &TaskName, spec: &TaskSpec) -> TaskScript {
    match &spec.process.arguments[..] {
        [output, code] => TaskScript::exits(code.parse().unwrap()).writing(output.as_str()),
        _ => TaskScript::runs(),
    }
}

impl ExecutorFixture for Scripted {
    fn executor(&self) -> &dyn Executor {
        &self.0
    }

    fn spec(&self, _: &TaskName, does: &Does) -> TaskSpec {
        match does {
            Does::Exit { output, code } => spec(process(&[output, &code.to_string()])),
            Does::Run => spec(process(&[])),
        }
    }

    fn starts(&self, name: &TaskName) -> u32 {
        self.0.starts().get(name).copied().unwrap_or_default()
    }
}

macro_rules! case {
    ($case:ident) => {
        #[tokio::test]
        async fn $case() {
            suite::$case(&Scripted(MemoryExecutor::new(play))).await;
        }
    };
}

stageway_ports::executor_contract!(case);

#[tokio::test]
async fn an_answer_that_is_lost_does_not_start_it_again() {
    let (tasks, name) = (MemoryExecutor::new(play), TaskName::new("task").unwrap());
    let (spec, secrets) = (spec(process(&["", "0"])), SecretValues::default());
    tasks.fail_next_ensure(&name, ExecutorFault::AfterStart);
    assert!(tasks.ensure(&name, &spec, &secrets).await.is_err());
    tasks.clone().ensure(&name, &spec, &secrets).await.unwrap();
    assert_eq!(tasks.starts()[&name], 1);
    assert_eq!(ending(&tasks, &name).await.code, Some(0));
}

#[tokio::test]
async fn a_test_decides_how_a_running_task_goes_on() {
    let (tasks, name) = (MemoryExecutor::new(play), TaskName::new("task").unwrap());
    tasks.ensure(&name, &spec(process(&[])), &SecretValues::default()).await.unwrap();
    assert_eq!(tasks.running(), std::slice::from_ref(&name));
    tasks.write(&name, b"half");
    assert_eq!(tasks.output(&name, &Default::default(), 10).await.unwrap().bytes, b"half");
    tasks.lose(&name);
    assert_eq!(tasks.state(&name, None, Duration::ZERO).await.unwrap(), TaskState::Lost);
}
