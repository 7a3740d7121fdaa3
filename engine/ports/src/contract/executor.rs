//! What every executor keeps to.

use crate::{Cursor, Executor, Incarnation, SecretValues, TaskError};
use stageway_core::call::EndingReason;
use stageway_core::name::{RunId, StageName, TaskName, TenantId};
use stageway_core::task::{Owner, Process, TaskEnding, TaskSpec, TaskState};
use std::time::Duration;

/// Long enough for anything that should happen.
const SOON: Duration = Duration::from_secs(60);

/// What a task of the suite does, for an adapter to say in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Does {
    /// Writes a text and exits.
    Exit {
        /// Written first.
        output: String,
        /// The exit code.
        code: i32,
    },
    /// Runs until it is asked to end.
    Run,
}

/// An executor under test.
pub trait ExecutorFixture {
    /// The executor.
    fn executor(&self) -> &dyn Executor;
    /// A task that does it, in the toolbox of this executor.
    fn spec(&self, name: &TaskName, does: &Does) -> TaskSpec;
    /// How often a task was started, counted outside of the executor by what tasks do.
    fn starts(&self, name: &TaskName) -> u32;
}

/// A specification with nothing but a process.
pub fn spec(process: Process) -> TaskSpec {
    let owner = Owner {
        tenant: TenantId::local(),
        run: RunId::new("run").unwrap(),
        stage: StageName::new("stage").unwrap(),
        attempt: 1,
    };
    TaskSpec::plain(owner, process)
}

/// A process with nothing but arguments.
pub fn process(arguments: &[&str]) -> Process {
    Process::of_toolbox(arguments)
}

/// Waits for the end of a task.
pub async fn ending(executor: &dyn Executor, name: &TaskName) -> TaskEnding {
    match executor.state(name, None, SOON).await {
        Ok(TaskState::Ended(ending)) => *ending,
        other => panic!("`{name}` did not end: {other:?}"),
    }
}

/// Reads the whole output of a task in pieces of `max` bytes, until its end.
pub async fn output(executor: &dyn Executor, name: &TaskName, max: usize) -> String {
    let (mut bytes, mut cursor) = (Vec::new(), Cursor::default());
    loop {
        let chunk = executor.output(name, &cursor, max).await.unwrap();
        assert!(chunk.bytes.len() <= max);
        assert_eq!(chunk.offset, bytes.len() as u64, "no byte is given twice or left out");
        bytes.extend(chunk.bytes);
        cursor = chunk.next;
        if chunk.end {
            return String::from_utf8(bytes).unwrap();
        }
    }
}

fn named(text: &str) -> TaskName {
    TaskName::new(text).unwrap()
}

async fn ensure(fixture: &dyn ExecutorFixture, name: &TaskName, does: Does) -> Incarnation {
    let spec = fixture.spec(name, &does);
    fixture.executor().ensure(name, &spec, &SecretValues::default()).await.unwrap()
}

fn exit(output: &str, code: i32) -> Does {
    Does::Exit { output: output.into(), code }
}

/// Asking many times, also at once and after the end, starts it once and answers one incarnation.
pub async fn ensuring_again_is_ensuring_once(fixture: &dyn ExecutorFixture) {
    let name = named("contract.once");
    let (a, b) = tokio::join!(ensure(fixture, &name, exit("", 0)), ensure(fixture, &name, exit("", 0)));
    ending(fixture.executor(), &name).await;
    let c = ensure(fixture, &name, exit("", 0)).await;
    assert_eq!((&a, &a), (&b, &c));
    assert_eq!(fixture.starts(&name), 1);
}

/// The exit code and the output are those of the process.
pub async fn an_exit_is_told_with_code_and_output(fixture: &dyn ExecutorFixture) {
    let name = named("contract.exit");
    let known = ensure(fixture, &name, exit("one\ntwo\n", 7)).await;
    let ending = ending(fixture.executor(), &name).await;
    assert_eq!((ending.code, ending.reason), (Some(7), EndingReason::Exited));
    assert_eq!(ending.output_bytes, 8);
    let again = fixture.executor().state(&name, Some(&known), SOON).await.unwrap();
    assert_eq!(again, TaskState::Ended(Box::new(ending)));
}

/// Reading in pieces gives every byte once, also from the beginning again.
pub async fn output_is_read_on_from_a_cursor(fixture: &dyn ExecutorFixture) {
    let name = named("contract.output");
    let text = "0123456789\n".repeat(50);
    ensure(fixture, &name, exit(&text, 0)).await;
    ending(fixture.executor(), &name).await;
    assert_eq!(output(fixture.executor(), &name, 7).await, text);
    assert_eq!(output(fixture.executor(), &name, 4096).await, text);
}

/// A running task is running after the time asked for, and ends when it is cancelled, however often.
pub async fn a_task_runs_until_it_is_cancelled(fixture: &dyn ExecutorFixture) {
    let (name, executor) = (named("contract.cancel"), fixture.executor());
    ensure(fixture, &name, Does::Run).await;
    let within = Duration::from_millis(20);
    let mut state = executor.state(&name, None, within).await.unwrap();
    let deadline = std::time::Instant::now() + SOON;
    while state == TaskState::Queued && std::time::Instant::now() < deadline {
        state = executor.state(&name, None, within).await.unwrap();
    }
    assert_eq!(state, TaskState::Running);
    for _ in 0..2 {
        executor.cancel(&name, Duration::from_millis(200)).await.unwrap();
    }
    assert_eq!(ending(executor, &name).await.reason, EndingReason::Cancelled);
    executor.cancel(&name, Duration::ZERO).await.unwrap();
}

/// A wait that goes on when the task ends resolves by it.
pub async fn a_wait_resolves_when_the_task_ends(fixture: &dyn ExecutorFixture) {
    let (name, executor) = (named("contract.wait"), fixture.executor());
    ensure(fixture, &name, Does::Run).await;
    let (state, cancelled) =
        tokio::join!(executor.state(&name, None, SOON), executor.cancel(&name, Duration::ZERO));
    cancelled.unwrap();
    assert!(matches!(state.unwrap(), TaskState::Ended(_)));
}

/// A name that was never given is unknown, and forgetting it changes nothing.
pub async fn an_unknown_name_is_said_to_be_unknown(fixture: &dyn ExecutorFixture) {
    let (name, executor) = (named("contract.unknown"), fixture.executor());
    let unknown =
        |error: TaskError| assert!(matches!(&error, TaskError::Unknown(n) if *n == name), "{error}");
    unknown(executor.state(&name, None, Duration::ZERO).await.unwrap_err());
    unknown(executor.output(&name, &Cursor::default(), 10).await.unwrap_err());
    unknown(executor.cancel(&name, Duration::ZERO).await.unwrap_err());
    executor.forget(&name).await.unwrap();
}

/// One that was known and is gone, or is another one now, is lost.
pub async fn another_incarnation_is_a_lost_one(fixture: &dyn ExecutorFixture) {
    let (name, executor) = (named("contract.lost"), fixture.executor());
    let other = Incarnation("other".into());
    assert_eq!(executor.state(&name, Some(&other), Duration::ZERO).await.unwrap(), TaskState::Lost);
    ensure(fixture, &name, exit("", 0)).await;
    ending(executor, &name).await;
    assert_eq!(executor.state(&name, Some(&other), Duration::ZERO).await.unwrap(), TaskState::Lost);
}

/// Only what has ended is forgotten, and then nothing of it is left.
pub async fn forgetting_waits_for_the_end_and_leaves_nothing(fixture: &dyn ExecutorFixture) {
    let (name, executor) = (named("contract.forget"), fixture.executor());
    ensure(fixture, &name, Does::Run).await;
    assert!(matches!(executor.forget(&name).await, Err(TaskError::Refused(_))));
    assert!(executor.sweep().await.unwrap().contains(&name));
    executor.cancel(&name, Duration::ZERO).await.unwrap();
    ending(executor, &name).await;
    assert!(executor.sweep().await.unwrap().contains(&name));
    for _ in 0..2 {
        executor.forget(&name).await.unwrap();
    }
    assert!(!executor.sweep().await.unwrap().contains(&name));
    assert!(matches!(executor.state(&name, None, Duration::ZERO).await, Err(TaskError::Unknown(_))));
}

/// A cursor that another executor made is refused.
pub async fn a_foreign_cursor_is_refused(fixture: &dyn ExecutorFixture) {
    let (name, executor) = (named("contract.cursor"), fixture.executor());
    ensure(fixture, &name, exit("x", 0)).await;
    let foreign = Cursor("\u{0}not a cursor".into());
    assert!(matches!(executor.output(&name, &foreign, 10).await, Err(TaskError::Refused(_))));
}

/// The toolbox has a fingerprint, and the same one when nothing changes.
pub async fn the_toolbox_has_a_lasting_fingerprint(fixture: &dyn ExecutorFixture) {
    let first = fixture.executor().toolbox().await.unwrap();
    assert!(!first.is_empty());
    assert_eq!(first, fixture.executor().toolbox().await.unwrap());
}

/// Calls `$each!(case)` for every case of the suite.
#[macro_export]
macro_rules! executor_contract {
    ($each:ident) => {
        $each!(ensuring_again_is_ensuring_once);
        $each!(an_exit_is_told_with_code_and_output);
        $each!(output_is_read_on_from_a_cursor);
        $each!(a_task_runs_until_it_is_cancelled);
        $each!(a_wait_resolves_when_the_task_ends);
        $each!(an_unknown_name_is_said_to_be_unknown);
        $each!(another_incarnation_is_a_lost_one);
        $each!(forgetting_waits_for_the_end_and_leaves_nothing);
        $each!(a_foreign_cursor_is_refused);
        $each!(the_toolbox_has_a_lasting_fingerprint);
    };
}
