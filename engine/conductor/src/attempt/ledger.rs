use stageway_core::call::{Answer, Call, Command, Function, Tasks};
use stageway_core::journal::{Cursor, Entry, Fact, Header, Intent, Record, Size, WHOLE_BYTES};
use stageway_core::limits::AttemptLimits;
use stageway_core::log::{Line, Report};
use stageway_core::name::StageName;
use stageway_ports::Batch;
use std::collections::BTreeMap;

/// The journal of a running attempt: what is durable, and what waits for the next durable entry.
pub(crate) struct Ledger {
    pub(crate) cursor: Cursor,
    pending: Vec<Record>,
    pub(crate) lines: Vec<Line>,
    pub(crate) reports: Vec<Report>,
    facts: Vec<Fact>,
    entries: u32,
    last: u32,
    size: Size,
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
            size: Size::default(),
            started: BTreeMap::new(),
        };
        ledger.last = ledger.cursor.last();
        ledger.cursor.entries().for_each(|entry| ledger.size += Size::of(entry));
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
        } else if self.size.inline > limits.journal_bytes || self.size.whole > WHOLE_BYTES {
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
        self.size += Size::of(&entry);
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

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::digest::Digest;
    use stageway_core::journal::FORMAT;

    fn ledger() -> Ledger {
        let header = Header {
            format: FORMAT,
            contract: "0.1.0".into(),
            component: Digest::of(b"c"),
            configuration: serde_json::Value::Null,
            tree: Digest::of(b""),
            limits: AttemptLimits::default(),
            seed: String::new(),
            at: 0,
        };
        Ledger::new(Cursor::default(), &header)
    }

    #[test]
    fn what_lies_in_the_blobs_is_bounded_on_its_own() {
        let limits = AttemptLimits::default();
        for (inline, whole, over) in [
            (limits.journal_bytes, WHOLE_BYTES, None),
            (limits.journal_bytes + 1, WHOLE_BYTES, Some("journal-bytes")),
            (0, WHOLE_BYTES + 1, Some("journal-bytes")),
        ] {
            let mut ledger = ledger();
            ledger.size += Size { inline, whole };
            assert_eq!(ledger.over(&limits), over);
        }
    }
}
