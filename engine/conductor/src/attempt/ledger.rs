use stageway_core::call::{Answer, Call, Command, Function, Tasks};
use stageway_core::journal::{Cursor, Entry, Fact, Header, Intent, Record};
use stageway_core::limits::AttemptLimits;
use stageway_core::log::{Line, Report};
use stageway_core::name::StageName;
use stageway_ports::Batch;
use std::collections::BTreeMap;
use std::io;

/// The journal of a running attempt: what is durable, and what waits for the next durable entry.
pub(crate) struct Ledger {
    pub(crate) cursor: Cursor,
    pending: Vec<Record>,
    pub(crate) lines: Vec<Line>,
    pub(crate) reports: Vec<Report>,
    facts: Vec<Fact>,
    entries: u32,
    last: u32,
    bytes: u64,
    started: BTreeMap<u32, Command>,
}

impl Ledger {
    /// A journal that goes on after what the cursor holds; a new one begins with the header.
    pub(crate) fn new(cursor: Cursor, header: &Header) -> Self {
        let entries = cursor.last() + 2;
        let mut ledger = Self {
            cursor,
            pending: Vec::new(),
            lines: Vec::new(),
            reports: Vec::new(),
            facts: Vec::new(),
            entries,
            last: 0,
            bytes: 0,
            started: BTreeMap::new(),
        };
        ledger.last = ledger.cursor.last();
        ledger.bytes = ledger.cursor.entries().map(size_of).fold(0, u64::saturating_add);
        let answered = ledger.cursor.entries().filter(|entry| entry.answer.is_ok()).map(|e| (e.seq, &e.call));
        let open = ledger.cursor.open_intent().map(|intent| (intent.seq, &intent.call));
        ledger.started =
            answered.chain(open).filter_map(|(seq, call)| Some((seq, command_of(call)?.clone()))).collect();
        if ledger.cursor.header().is_none() {
            ledger.pending.push(Record::Header(Box::new(header.clone())));
        }
        ledger
    }

    /// The limit that one more entry would break.
    pub(crate) fn over(&self, limits: &AttemptLimits) -> Option<&'static str> {
        if self.entries >= limits.journal_entries {
            Some("journal-entries")
        } else if self.bytes > limits.journal_bytes {
            Some("journal-bytes")
        } else {
            None
        }
    }

    pub(crate) fn intend(&mut self, intent: Intent) {
        if let Some(command) = command_of(&intent.call) {
            self.started.insert(intent.seq, command.clone());
        }
        self.pending.push(Record::Intent(Box::new(intent)));
    }

    pub(crate) fn enter(&mut self, call: &Call, answer: Answer, at: u64) {
        let entry = Entry { seq: call.seq, at, call: call.function.clone(), answer };
        self.entries += 1;
        self.last = call.seq;
        self.bytes = self.bytes.saturating_add(size_of(&entry));
        if entry.answer.is_err() {
            self.started.remove(&entry.seq);
        }
        self.pending.push(Record::Entry(Box::new(entry)));
    }

    /// The tasks that were started, or may have been, by entry.
    pub(crate) fn started(&self) -> impl Iterator<Item = (u32, &Command)> {
        self.started.iter().map(|(seq, command)| (*seq, command))
    }

    /// The number of the last entry, durable or not.
    pub(crate) fn last(&self) -> u32 {
        self.last
    }

    pub(crate) fn end(&mut self, record: Record) {
        self.pending.push(record);
    }

    /// Notes a fact that was asked; each counts once.
    pub(crate) fn asked(&mut self, call: &Function, answer: &Answer) {
        if self.facts.len() < 4096 && !self.facts.iter().any(|fact| fact.call == *call) {
            self.facts.push(Fact { call: call.clone(), answer: answer.clone() });
        }
    }

    pub(crate) fn facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// Whether anything waits to become durable.
    pub(crate) fn is_clean(&self) -> bool {
        self.pending.is_empty() && self.lines.is_empty() && self.reports.is_empty()
    }

    /// Everything that waits, as a batch; the ledger is clean afterwards.
    pub(crate) fn take(&mut self, stage: &StageName, attempt: u32) -> Batch {
        let records = std::mem::take(&mut self.pending);
        Batch {
            records: records.into_iter().map(|record| (stage.clone(), attempt, record)).collect(),
            lines: std::mem::take(&mut self.lines),
            reports: std::mem::take(&mut self.reports),
            ..Batch::default()
        }
    }
}

fn command_of(call: &Function) -> Option<&Command> {
    match call {
        Function::Tasks(Tasks::Start { command, .. }) => Some(command),
        _ => None,
    }
}

/// Bytes of an entry as JSON, counted without writing them anywhere.
fn size_of(entry: &Entry) -> u64 {
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, entry) {
        Ok(()) => count.0,
        Err(_) => u64::MAX,
    }
}

struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
