use super::{Attempt, Outcome, invalid, junit, workspace};
use serde_json::json;
use stageway_core::call::{Reports, Value};
use stageway_core::grant::Access;
use stageway_core::log::{Report, ReportKind};

/// Of a JUnit file.
const REPORT_BYTES: u64 = 32 << 20;

impl Attempt {
    pub(super) async fn report(&mut self, seq: u32, call: &Reports) -> Outcome {
        match call {
            Reports::Tests { path } => self.tests_report(seq, path).await,
            Reports::Measure { name, value, unit } => {
                if name.is_empty() || name.len() > 200 || unit.len() > 64 || !value.is_finite() {
                    return Err(invalid(
                        "a measure has a name of 1 to 200 bytes, a finite value and a unit of at most 64 bytes",
                    ));
                }
                self.keep(seq, ReportKind::Measure, json!({"name": name, "value": value, "unit": unit}));
                Ok(Value::Done)
            }
            Reports::Annotation { level, path, line, message } => {
                if !matches!(level.as_str(), "notice" | "warning" | "error") {
                    return Err(invalid(format!(
                        "`{level}` is no level: notice, warning or error is expected"
                    )));
                }
                if message.is_empty() || message.len() > 16_384 || path.len() > 4096 {
                    return Err(invalid(
                        "an annotation has a message of 1 to 16384 bytes and a path of at most 4096",
                    ));
                }
                let body = json!({"level": level, "path": path, "line": line, "message": message});
                self.keep(seq, ReportKind::Annotation, body);
                Ok(Value::Done)
            }
        }
    }

    async fn tests_report(&mut self, seq: u32, path: &str) -> Outcome {
        self.subject.grants.allows_workspace(Access::Read)?;
        let content = self.view.read(path).map_err(workspace::told)?;
        if content.size > REPORT_BYTES {
            return Err(invalid(format!("`{path}` has more than {REPORT_BYTES} bytes")));
        }
        let bytes = self.engine.blobs.get(&content.digest, REPORT_BYTES).await?;
        let report = junit::read(&bytes)
            .map_err(|problem| invalid(format!("`{path}` is not a JUnit report: {problem}")))?;
        self.keep(seq, ReportKind::Tests, report.whole());
        Ok(Value::Json(report.summary()))
    }

    fn keep(&mut self, seq: u32, kind: ReportKind, body: serde_json::Value) {
        let ordinal = self.next_ordinal(seq);
        if self.stands(seq) {
            return;
        }
        self.ledger.reports.push(Report {
            stage: self.subject.stage.clone(),
            attempt: self.subject.attempt,
            seq,
            ordinal,
            at: self.at,
            kind,
            body: self.mask.json(&body),
        });
    }
}
