//! `stageway show`

use super::Context;
use super::question::question;
use crate::exit::Exit;
use crate::terminal::{Look, Style, ago, end_json};
use crate::wiring::{RunRef, SystemClock, find, summary};
use anyhow::Result;
use stageway_conductor::driver::load;
use stageway_core::plan::Plan;
use stageway_ports::{Approval, Clock};

/// `stageway show`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its number, the beginning of its id, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    run: RunRef,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Shows a run: what started it, its stages, outputs and images, and what it waits for.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let view = context.view().await?;
    let mut found = find(&*view.store, &view.tenant, &args.run).await?;
    view.explain(std::slice::from_mut(&mut found)).await?;
    let mut summary = summary(&*view.store, &view.tenant, &found.id).await?;
    summary.elsewhere = view.home().is_none() || found.waits.is_some();
    summary.waits = found.waits;
    if args.json {
        context.print(&format!("{}\n", end_json(&summary)))?;
        return Ok(Exit::Ok);
    }
    // A server takes up by itself what was interrupted.
    if let Some(home) = view.home() {
        context.remind(home).await?;
    }
    let loaded = load(&*view.store, &view.tenant, &found.id).await?;
    let mut text = summary.render(&context.out);
    text.push_str(&cause(&loaded.plan, found.created_at, &context.out));
    text.push_str(&summary.tasks(&context.out));
    let asked = view.store.approvals(&view.tenant, &found.id).await?;
    for question in
        asked.iter().filter(|approval| approval.answer.is_none() && summary.state.ended_at.is_none())
    {
        text.push_str(&waiting(question, found.number, &context.out));
    }
    context.print(&text)?;
    Ok(Exit::Ok)
}

/// What started the run.
fn cause(plan: &Plan, created_at: u64, look: &Look) -> String {
    let event = &plan.event;
    let by = event.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
    let dirty = if event.dirty { " with changes" } else { "" };
    let line = format!(
        "{} of {} at {}{dirty}{by}, trust {}, {}",
        event.kind,
        event.head(),
        event.revision,
        plan.trust(),
        ago(created_at, SystemClock.now_ms())
    );
    format!("{}\n", look.paint(Style::Faint, &line))
}

/// A question that nobody has answered, with the effects that an answer would sign.
fn waiting(approval: &Approval, number: u64, look: &Look) -> String {
    let (stage, asked) = (&approval.stage, question(approval, look));
    let digest = look.paint(Style::Faint, &format!("to answer just this: --digest {}", approval.digest()));
    format!(
        "\n{asked}  yes: `stageway approve {number} {stage}`, no: `stageway approve {number} {stage} --deny`\n  {digest}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use stageway_core::name::StageName;

    #[test]
    fn a_question_shows_how_it_is_answered() {
        let approval = Approval {
            stage: StageName::new("promote").unwrap(),
            attempt: 1,
            seq: 0,
            question: "May `promote` go on?".into(),
            options: json!({}),
            asked_at: 1,
            deadline: None,
            answer: None,
        };
        let expected = "
promote asks: May `promote` go on?
  yes: `stageway approve 12 promote`, no: `stageway approve 12 promote --deny`
";
        let shown = waiting(&approval, 12, &Look::PLAIN);
        assert_eq!(shown, format!("{expected}  to answer just this: --digest {}\n", approval.digest()));
    }
}
