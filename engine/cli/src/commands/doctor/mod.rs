//! `stageway doctor`

mod clock;
mod clusters;
mod finding;
mod machine;
mod memory;
mod registries;
mod task;
mod values;

use super::Context;
use crate::exit::Exit;
use anyhow::Result;
use finding::{Finding, State};
use stageway_core::operator::PodTasks;

/// `stageway doctor`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the engine may do with a repository; can be given again
    #[arg(long, value_name = "CONNECTION/REPOSITORY")]
    repository: Vec<String>,
    /// As JSON, one finding a line
    #[arg(long)]
    json: bool,
}

/// Looks at everything that the configuration names, and says of each part whether it works and what to change. A part that is
/// wrong hides no other.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let settings = context.settings()?;
    let mut report = Report { context, json: args.json, states: Vec::new() };
    report.tell(machine::all(&settings))?;
    let (home, findings) = memory::all(&settings).await;
    report.tell(findings)?;
    let here = settings.executor.as_ref().is_none_or(|pods| pods.tasks != PodTasks::All);
    if let Some(home) = home.filter(|_| here) {
        report.tell(vec![task::here(&settings, &home).await])?;
    }
    report.tell(values::all(&settings).await)?;
    report.tell(registries::all(&settings, &args.repository).await)?;
    report.tell(clusters::all(&settings).await)?;
    report.end()
}

/// Says each finding as soon as it is known.
struct Report<'a> {
    context: &'a Context,
    json: bool,
    states: Vec<State>,
}

impl Report<'_> {
    fn tell(&mut self, findings: Vec<Finding>) -> Result<()> {
        for finding in findings {
            self.states.push(finding.state);
            let text = match self.json {
                true => serde_json::to_string(&finding)? + "\n",
                false => finding.text(&self.context.out),
            };
            self.context.print(&text)?;
        }
        Ok(())
    }

    fn end(self) -> Result<Exit> {
        let wrong = self.states.iter().filter(|state| **state == State::Wrong).count();
        if !self.json {
            let all = self.states.len();
            let text = match wrong {
                0 => format!("\nnothing is wrong in {all} findings\n"),
                wrong => format!("\n{wrong} of {all} findings are wrong\n"),
            };
            self.context.print(&text)?;
        }
        Ok(if wrong > 0 { Exit::Errored } else { Exit::Ok })
    }
}
