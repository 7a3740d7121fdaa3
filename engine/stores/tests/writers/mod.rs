//! A process that appends without end, so that it can be killed, and what must be there afterwards. Each append writes one
//! event, one record and one line, and they are always as many. What is large of a record was in the blobs before.

use stageway_core::call::{Clock, Function, LogLevel, Value};
use stageway_core::journal::{Entry, Record};
use stageway_core::log::{Line, Origin};
use stageway_core::name::{PipelineName, RunId, StageName, TenantId};
use stageway_core::run::RunEvent;
use stageway_ports::{Batch, NewRun, RunFilter, Store, StoreError, Writer};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Each appends to a run of its own.
pub(crate) const APPENDERS: u32 = 3;

/// Numbers that differ from run to run; the seed is printed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(who: &str) -> Self {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
        println!("{who}: seed {seed}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn stage() -> StageName {
    StageName::new("build").unwrap()
}

/// Says `WHAT NUMBER` after each answer.
pub(crate) fn say(what: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what} {number}").unwrap();
    out.flush().unwrap();
}

/// Appends to run `number` and says each version that was acknowledged. Where the store failed, the run is read again, as
/// an engine does.
pub(crate) async fn append_without_end(store: impl Store, number: u32) {
    let (tenant, pipeline) = (TenantId::local(), PipelineName::new("shop").unwrap());
    let run = RunId::new(format!("run-{number}")).unwrap();
    let new = NewRun { id: run.clone(), pipeline, plan: serde_json::json!({}), at: 1, events: vec![] };
    store.create_run(&tenant, new).await.unwrap();
    let lease = store.lease(&tenant, &run, "child", 1, 2, true).await.unwrap().unwrap();
    let writer = Writer { tenant, run, fence: lease.fence };
    loop {
        let mut version = store.run(&writer.tenant, &writer.run).await.unwrap().unwrap().version;
        let failed = loop {
            match store.append(&writer, batch(version)).await {
                Ok(now) => version = now,
                Err(error) => break error,
            }
            say(writer.run.as_str(), version);
        };
        assert!(matches!(failed, StoreError::Storage(_)), "{failed}");
        eprintln!("{}: {failed}", writer.run);
    }
}

/// Every seventh is so large that it lies in the blobs.
fn answer(number: u32) -> Value {
    if number.is_multiple_of(7) { Value::Text(number.to_string().repeat(5_000)) } else { Value::Done }
}

fn batch(version: u64) -> Batch {
    let (number, at) = (version as u32 + 1, version);
    let call = Function::Clock(Clock::Sleep { milliseconds: number });
    let entry = Entry { seq: number, at, call, answer: Ok(answer(number)) };
    let line = Line {
        stage: Some(stage()),
        attempt: 1,
        at,
        level: LogLevel::Info,
        origin: Origin::Plugin { seq: number, ordinal: 0 },
        text: "x".repeat(number as usize % 3_000),
    };
    Batch {
        expected: version,
        events: vec![RunEvent::AttemptParked { at, stage: stage(), attempt: number, why: "crash".into() }],
        records: vec![(stage(), 1, Record::Entry(Box::new(entry)))],
        lines: vec![line],
        ..Batch::default()
    }
}

/// This program again, as a process that appends.
pub(crate) struct Appending {
    child: Child,
    /// What it said and nobody took yet.
    pub(crate) said: Receiver<(String, u64)>,
}

impl Appending {
    /// Returns when it has said something.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--append")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (say, said) = channel();
        let (begin, begun) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // Only whole lines were said.
            while out.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
                let (what, number) = line.trim().split_once(' ').unwrap();
                let _ = say.send((what.to_owned(), number.parse().unwrap()));
                let _ = begin.send(());
                line.clear();
            }
        });
        begun.recv_timeout(Duration::from_secs(60)).expect("the process says something");
        Self { child, said }
    }

    /// Waits until it has said enough, however fast the machine is; answers that.
    pub(crate) fn until(&self, enough: impl Fn(&[(String, u64)]) -> bool) -> Vec<(String, u64)> {
        let mut said = Vec::new();
        while !enough(&said) {
            said.push(self.said.recv_timeout(Duration::from_secs(60)).expect("it goes on"));
        }
        said
    }

    /// Ends it, and answers all that it said and that was not taken yet.
    pub(crate) fn kill(mut self) -> Vec<(String, u64)> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said.iter().collect()
    }
}

/// That every run has at least what was acknowledged, and nothing half. Each is leased first, as another engine would: a server
/// may still be busy with the last commit of a process that is gone.
pub(crate) async fn look_at_runs(store: &dyn Store, told: &BTreeMap<String, u64>, when: &str) {
    let tenant = TenantId::local();
    let filter = RunFilter { max: 100, ..RunFilter::default() };
    for run in store.runs(&tenant, &filter).await.unwrap() {
        store.lease(&tenant, &run.id, "witness", 1, 2, true).await.unwrap().unwrap();
        let acknowledged = told.get(run.id.as_str()).copied().unwrap_or(0);
        let record = store.run(&tenant, &run.id).await.unwrap().unwrap();
        let version = record.version;
        let context = format!("{} after {when}: {version}, acknowledged {acknowledged}", run.id);
        assert!(version >= acknowledged, "{context}");
        assert_eq!(record.events.len() as u64, version, "{context}");
        let journal = store.journal(&tenant, &run.id, &stage(), 1).await.unwrap();
        let expected: Vec<u32> = (1..=version as u32).collect();
        assert_eq!(journal.iter().map(Record::seq).collect::<Vec<_>>(), expected, "{context}");
        let whole =
            |record: &Record| matches!(record, Record::Entry(entry) if entry.answer == Ok(answer(entry.seq)));
        assert!(journal.iter().all(whole), "{context}");
        let lines = store.lines(&tenant, &run.id, None, 0, u32::MAX).await.unwrap();
        let texts: Vec<_> = lines.iter().map(|line| (line.number, line.line.text.len())).collect();
        let expected: Vec<_> = (1..=version).map(|number| (number, number as usize % 3_000)).collect();
        assert_eq!(texts, expected, "{context}");
    }
}
