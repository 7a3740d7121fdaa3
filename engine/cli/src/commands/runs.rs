//! `stageway runs`

use super::Context;
use crate::exit::Exit;
use crate::terminal::{Look, Style, ago, duration};
use crate::wiring::SystemClock;
use anyhow::Result;
use stageway_core::name::PipelineName;
use stageway_core::run::RunStatus;
use stageway_ports::{Clock, RunFilter, RunSummary};

/// `stageway runs`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only runs of this pipeline
    #[arg(long, value_name = "PIPELINE")]
    pipeline: Option<PipelineName>,
    /// Only runs that have not ended
    #[arg(long)]
    unfinished: bool,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max: u32,
    /// As JSON, one run a line
    #[arg(long)]
    json: bool,
}

/// Lists runs, newest first.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let view = context.view().await?;
    let filter =
        RunFilter { pipeline: args.pipeline, unfinished: args.unfinished, before: None, max: args.max };
    let mut runs = view.store.runs(&view.tenant, &filter).await?;
    view.explain(&mut runs).await?;
    if args.json {
        let lines: Result<Vec<String>, _> = runs.iter().map(serde_json::to_string).collect();
        context.print(&lines?.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        return Ok(Exit::Ok);
    }
    // A server takes up by itself what was interrupted.
    if let Some(home) = view.home() {
        context.remind(home).await?;
    }
    if runs.is_empty() {
        context.say(Style::Faint, "there are no runs; start one with `stageway run`");
    }
    let driven = |run: &RunSummary| view.is_driven(run);
    context.print(&table(&runs, &driven, SystemClock.now_ms(), &context.out))?;
    Ok(Exit::Ok)
}

fn table(runs: &[RunSummary], driven: &dyn Fn(&RunSummary) -> bool, now: u64, look: &Look) -> String {
    let number = runs.iter().map(|run| run.number.to_string().len()).max().unwrap_or(0);
    let pipeline = runs.iter().map(|run| run.pipeline.as_str().len()).max().unwrap_or(0);
    runs.iter()
        .map(|run| {
            let (style, word) = match run.status {
                status if !status.is_final() && !driven(run) && run.waits.is_none() => {
                    (Style::Notice, "interrupted")
                }
                status => (style(status), status.as_str()),
            };
            let took =
                run.ended_at.map(|end| duration(end.saturating_sub(run.created_at))).unwrap_or_default();
            let word = look.paint(style, &format!("{word:<11}"));
            let line = format!(
                "{:>number$}  {:pipeline$}  {word}  {:>8}  {took:>7}",
                run.number,
                run.pipeline.as_str(),
                ago(run.created_at, now)
            );
            let why = run.waits.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
            format!("{}  {}{why}\n", line.trim_end(), look.paint(Style::Faint, run.id.as_str()))
        })
        .collect()
}

fn style(status: RunStatus) -> Style {
    match status {
        RunStatus::Succeeded => Style::Good,
        RunStatus::Failed | RunStatus::Errored => Style::Bad,
        RunStatus::Cancelled | RunStatus::Waiting => Style::Notice,
        RunStatus::Running => Style::Active,
        RunStatus::Queued | RunStatus::Skipped => Style::Faint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::name::RunId;

    #[test]
    fn a_table_of_runs() {
        let run = |number, status, ended_at| RunSummary {
            id: RunId::new(format!("01R{number}")).unwrap(),
            number,
            pipeline: PipelineName::new("orderbook").unwrap(),
            status,
            created_at: 1_000,
            ended_at,
            waits: None,
            held_until: None,
        };
        let place = "waits for a place: tenant `acme` runs 4 of 4";
        let runs = [
            RunSummary { waits: Some(place.into()), ..run(13, RunStatus::Queued, None) },
            run(12, RunStatus::Running, None),
            run(11, RunStatus::Waiting, None),
            run(9, RunStatus::Failed, Some(13_100)),
        ];
        let text = table(&runs, &|run| run.number == 12, 61_000, &Look::PLAIN);
        let expected = "\
13  orderbook  queued         1m ago  01R13  waits for a place: tenant `acme` runs 4 of 4
12  orderbook  running        1m ago  01R12
11  orderbook  interrupted    1m ago  01R11
 9  orderbook  failed         1m ago    12.1s  01R9
";
        assert_eq!(text, expected);
    }
}
