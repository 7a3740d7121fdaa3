use super::record::{End, Entry, FORMAT, Header, Intent, Record};
use crate::call::{Answer, Call, Divergence, Function};
use std::collections::BTreeMap;
use thiserror::Error;

/// Answers the calls of a guest from what its journal holds.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    header: Option<Header>,
    intents: BTreeMap<u32, Intent>,
    entries: BTreeMap<u32, Entry>,
    end: Option<End>,
}

/// What the journal knows of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Next<'a> {
    /// It was answered.
    Replayed(&'a Entry),
    /// It was about to be performed or waited for when the engine stopped.
    Doubt(&'a Intent),
    /// The journal ends before it.
    Live,
}

/// Why records are no journal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CursorError {
    /// Another engine wrote it.
    #[error("the journal has format {found}; this engine reads {FORMAT} and the one before")]
    Format {
        /// What the header says.
        found: u32,
    },
    /// Entries are missing or stand twice.
    #[error("the journal is broken at entry {seq}: {problem}")]
    Broken {
        /// The entry.
        seq: u32,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Cursor {
    /// Takes the records of one attempt in order.
    ///
    /// # Errors
    /// [`CursorError::Format`] and [`CursorError::Broken`].
    pub fn new(records: impl IntoIterator<Item = Record>) -> Result<Self, CursorError> {
        let mut cursor = Self::default();
        for record in records {
            cursor.take(record)?;
        }
        cursor.check()?;
        Ok(cursor)
    }

    fn take(&mut self, record: Record) -> Result<(), CursorError> {
        let seq = record.seq();
        let twice = match record {
            Record::Header(header) => self.header.replace(*header).is_some(),
            Record::Intent(intent) => self.intents.insert(seq, *intent).is_some(),
            Record::Entry(entry) => self.entries.insert(seq, *entry).is_some(),
            Record::End(end) => self.end.replace(*end).is_some(),
        };
        if twice { Err(CursorError::Broken { seq, problem: "it stands twice" }) } else { Ok(()) }
    }

    fn check(&self) -> Result<(), CursorError> {
        let broken = |seq, problem| Err(CursorError::Broken { seq, problem });
        let Some(header) = &self.header else {
            let any = !self.entries.is_empty() || !self.intents.is_empty() || self.end.is_some();
            return if any { broken(0, "the header is missing") } else { Ok(()) };
        };
        if header.format == 0 || header.format > FORMAT || header.format + 1 < FORMAT {
            return Err(CursorError::Format { found: header.format });
        }
        if let Some((gap, _)) = (1..).zip(self.entries.keys()).find(|(expected, seq)| *expected != **seq) {
            return broken(gap, "it is missing");
        }
        match self.intents.keys().next_back() {
            Some(seq) if *seq > self.last() + 1 => broken(*seq, "an entry before it is missing"),
            _ => Ok(()),
        }
    }

    /// The number of the last answered entry; 0 with none.
    pub fn last(&self) -> u32 {
        self.entries.keys().next_back().copied().unwrap_or(0)
    }

    /// The header, once the attempt has made one durable.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The end, if the attempt has one.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The entries in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The intent of an entry.
    pub fn intent(&self, seq: u32) -> Option<&Intent> {
        self.intents.get(&seq)
    }

    /// The intent that has no answer, if there is one.
    pub fn open_intent(&self) -> Option<&Intent> {
        self.intents.get(&(self.last() + 1))
    }

    /// What the journal knows of a journaled call.
    ///
    /// # Errors
    /// [`Divergence`] when the journal has another call there, or has its end before it.
    pub fn next(&self, call: &Call) -> Result<Next<'_>, Box<Divergence>> {
        if let Some(entry) = self.entries.get(&call.seq) {
            return same(&entry.call, call).map(|()| Next::Replayed(entry));
        }
        if let Some(intent) = self.intents.get(&call.seq) {
            return same(&intent.call, call).map(|()| Next::Doubt(intent));
        }
        if self.end.is_some() {
            return Err(Box::new(Divergence { seq: call.seq, recorded: None, made: show(&call.function) }));
        }
        Ok(Next::Live)
    }

    /// The answer of an entry.
    pub fn answer(&self, seq: u32) -> Option<&Answer> {
        self.entries.get(&seq).map(|entry| &entry.answer)
    }
}

fn same(recorded: &Function, call: &Call) -> Result<(), Box<Divergence>> {
    if *recorded == call.function {
        return Ok(());
    }
    Err(Box::new(Divergence { seq: call.seq, recorded: Some(show(recorded)), made: show(&call.function) }))
}

/// A call for people: its name and at most 400 characters of its request.
fn show(function: &Function) -> String {
    let (interface, name) = function.name();
    let request = super::canonical(&function.request());
    let cut: String = request.chars().take(400).collect();
    let dots = if cut.len() < request.len() { "…" } else { "" };
    format!("{interface}.{name} {cut}{dots}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Clock, Value};
    use crate::digest::Digest;
    use crate::limits::AttemptLimits;

    fn header(format: u32) -> Record {
        Record::Header(Box::new(Header {
            format,
            contract: "0.1.0".into(),
            component: Digest::of(b"c"),
            configuration: serde_json::Value::Null,
            tree: Digest::of(b""),
            limits: AttemptLimits::default(),
            seed: String::new(),
            at: 0,
        }))
    }

    fn sleep(ms: u32) -> Function {
        Function::Clock(Clock::Sleep { milliseconds: ms })
    }

    fn entry(seq: u32) -> Record {
        Record::Entry(Box::new(Entry { seq, at: 5, call: sleep(seq), answer: Ok(Value::Done) }))
    }

    fn intent(seq: u32) -> Record {
        Record::Intent(Box::new(Intent { seq, at: 5, call: sleep(seq), state: serde_json::Value::Null }))
    }

    #[test]
    fn answered_open_and_unknown_calls_are_told_apart() {
        let cursor = Cursor::new([header(1), intent(1), entry(1), intent(2)]).unwrap();
        assert!(matches!(cursor.next(&Call { seq: 1, function: sleep(1) }), Ok(Next::Replayed(_))));
        assert!(matches!(cursor.next(&Call { seq: 2, function: sleep(2) }), Ok(Next::Doubt(_))));
        assert!(matches!(cursor.next(&Call { seq: 3, function: sleep(3) }), Ok(Next::Live)));
        assert_eq!(cursor.open_intent().unwrap().seq, 2);
    }

    #[test]
    fn another_call_diverges_and_shows_both() {
        let cursor = Cursor::new([header(1), entry(1)]).unwrap();
        let divergence = cursor.next(&Call { seq: 1, function: sleep(9) }).unwrap_err();
        assert_eq!(divergence.recorded.as_deref(), Some(r#"clock.sleep {"milliseconds":1}"#));
        assert_eq!(divergence.made, r#"clock.sleep {"milliseconds":9}"#);
    }

    #[test]
    fn broken_journals_are_refused() {
        assert!(matches!(Cursor::new([header(9)]), Err(CursorError::Format { found: 9 })));
        for records in [
            vec![entry(1)],
            vec![header(1), entry(2)],
            vec![header(1), entry(1), entry(1)],
            vec![header(1), intent(2)],
        ] {
            assert!(matches!(Cursor::new(records), Err(CursorError::Broken { .. })));
        }
    }
}
