use super::{Run, Tenant, key_of};
use crate::{Batch, NewProof, StoreError, StoredLine, Writer};
use stageway_core::journal::Record;
use stageway_core::log::{Line, Origin, Report};
use stageway_core::name::{RunId, StageName};
use std::collections::BTreeMap;

type RecordKey = (StageName, u32, u32, u8);

impl Tenant {
    pub(super) fn append(&mut self, writer: &Writer, batch: Batch) -> Result<u64, StoreError> {
        let proofs = self.new_proofs(&writer.run, batch.proofs)?;
        let run = self.fenced(writer)?;
        let found = run.events.len() as u64;
        if !batch.events.is_empty() && batch.expected != found {
            return Err(StoreError::Version { run: writer.run.clone(), expected: batch.expected, found });
        }
        let records = run.new_records(batch.records)?;
        // Nothing can be refused from here on.
        for ((stage, attempt, seq, part), record) in records {
            run.records.entry((stage, attempt)).or_default().insert((seq, part), record);
        }
        batch.events.iter().for_each(|event| run.standing.apply(event));
        run.events.extend(batch.events);
        batch.strike.iter().for_each(|(stage, attempt, seq)| run.strike(stage, *attempt, *seq));
        batch.lines.into_iter().for_each(|line| run.write_line(line));
        batch.reports.into_iter().for_each(|report| run.write_report(report));
        let version = run.events.len() as u64;
        let ended = run.standing.status().is_final();
        self.proofs.extend(proofs.into_iter().map(|proof| (writer.run.clone(), proof)));
        for (environment, stage) in &batch.release_claims {
            self.give_back(environment, &writer.run, stage);
        }
        if ended {
            self.drop_claims(&writer.run);
        }
        self.changes += 1;
        Ok(version)
    }

    /// Those that do not stand yet.
    fn new_proofs(&self, run: &RunId, proofs: Vec<NewProof>) -> Result<Vec<NewProof>, StoreError> {
        let mut new: Vec<NewProof> = Vec::new();
        for proof in proofs {
            let same = |other: &NewProof| (&other.stage, other.attempt) == (&proof.stage, proof.attempt);
            let stored = self.proofs.iter().filter(|(of, _)| of == run).map(|(_, stored)| stored);
            match stored.chain(&new).find(|stored| same(stored)) {
                None => new.push(proof),
                Some(stored) if *stored == proof => {}
                Some(_) => {
                    let text = format!("attempt {} of {} has another proof", proof.attempt, proof.stage);
                    return Err(StoreError::Conflict(text));
                }
            }
        }
        Ok(new)
    }
}

impl Run {
    /// Those that do not stand yet.
    fn new_records(
        &self,
        records: Vec<(StageName, u32, Record)>,
    ) -> Result<BTreeMap<RecordKey, Record>, StoreError> {
        let mut new = BTreeMap::new();
        for (stage, attempt, record) in records {
            let (seq, part) = (record.seq(), record.part());
            let key = (stage.clone(), attempt, seq, part);
            let stored = self.records.get(&(stage.clone(), attempt)).and_then(|of| of.get(&(seq, part)));
            match stored.or_else(|| new.get(&key)) {
                None => {
                    new.insert(key, record);
                }
                Some(stored) if *stored == record => {}
                Some(_) => {
                    let text =
                        format!("record {seq} of {stage}, attempt {attempt}, stands with other contents");
                    return Err(StoreError::Conflict(text));
                }
            }
        }
        Ok(new)
    }

    fn strike(&mut self, stage: &StageName, attempt: u32, beyond: u32) {
        for stored in &mut self.lines {
            let ours = stored.line.stage.as_ref() == Some(stage) && stored.line.attempt == attempt;
            let plugin = matches!(stored.line.origin, Origin::Plugin { seq, .. } if seq > beyond);
            if ours && plugin && !stored.struck {
                stored.struck = true;
                self.origins.remove(&key_of(&stored.line));
            }
        }
        for (report, struck) in &mut self.reports {
            *struck |= report.stage == *stage && report.attempt == attempt && report.seq > beyond;
        }
    }

    fn write_line(&mut self, line: Line) {
        if self.origins.insert(key_of(&line)) {
            let number = self.lines.len() as u64 + 1;
            self.lines.push(StoredLine { number, line, struck: false });
        }
    }

    fn write_report(&mut self, report: Report) {
        let key = |report: &Report| (report.stage.clone(), report.attempt, report.seq, report.ordinal);
        if !self.reports.iter().any(|(other, struck)| !struck && key(other) == key(&report)) {
            self.reports.push((report, false));
        }
    }
}
