//! A question that a stage asks, with what an answer signs.

use crate::terminal::{Look, Style};
use stageway_ports::Approval;

/// The question, what the plugin says it would do, and the effects that an answer would sign.
pub(super) fn question(approval: &Approval, look: &Look) -> String {
    let asks = look.paint(Style::Notice, &format!("{} asks:", approval.stage));
    let mut text = format!("{asks} {}\n", approval.question);
    for said in approval.options["says"].as_array().into_iter().flatten() {
        text.push_str(&format!("  | {}\n", said.as_str().unwrap_or_default()));
    }
    for effect in approval.options["effects"].as_array().into_iter().flatten() {
        let function = effect["function"].as_str().unwrap_or_default();
        text.push_str(&format!("  {function} {}\n", effect["request"].as_str().unwrap_or_default()));
    }
    if approval.options["open-end"].as_bool() == Some(true) {
        text.push_str("  and what follows from answers that are not known yet, within the stage's grants\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use stageway_core::name::StageName;

    #[test]
    fn a_question_shows_what_an_answer_signs() {
        let approval = Approval {
            stage: StageName::new("promote").unwrap(),
            attempt: 1,
            seq: 0,
            question: "May `promote` go on?".into(),
            options: json!({"says": ["v1 is put"], "effects": [{"function": "images.tag", "request": "{\"tag\":\"v1\"}"}], "open-end": true}),
            asked_at: 1,
            deadline: None,
            answer: None,
        };
        let expected = "promote asks: May `promote` go on?
  | v1 is put
  images.tag {\"tag\":\"v1\"}
  and what follows from answers that are not known yet, within the stage's grants
";
        assert_eq!(question(&approval, &Look::PLAIN), expected);
    }
}
