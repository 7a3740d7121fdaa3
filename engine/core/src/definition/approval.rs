//! `approval: true` or `approval: {when, approvers, within, question}`.

use super::services::is_map;
use super::stages::condition;
use super::types::{ApprovalDef, DAY};
use crate::document::{Node, Reader};
use crate::plan::Approval;

/// How long an approval is waited for when the file does not say.
const WITHIN: u64 = 7 * DAY;

pub(super) fn read(reader: &mut Reader, node: &Node) -> Option<ApprovalDef> {
    if !is_map(node) {
        let approval = Approval { within_ms: WITHIN, ..Approval::default() };
        return reader.boolean(node)?.then_some(ApprovalDef { when: None, approval });
    }
    let map = reader.map(node, &node.place, &["when", "approvers", "within", "question"])?;
    let when = map.get("when").and_then(|node| condition(reader, node));
    let approvers = match map.get("approvers") {
        Some(node) => reader.texts(node).into_iter().map(|(text, _)| text.to_owned()).collect(),
        None => Vec::new(),
    };
    let within_ms =
        map.get("within").and_then(|node| reader.duration(node, 1_000, 90 * DAY)).unwrap_or(WITHIN);
    let question = map.get("question").and_then(|node| reader.text(node)).map(str::to_owned);
    Some(ApprovalDef { when, approval: Approval { approvers, within_ms, question } })
}
