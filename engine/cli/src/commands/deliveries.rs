//! `stageway deliveries`

use super::Context;
use crate::client::said_no;
use crate::exit::Exit;
use crate::terminal::{Look, Style, ago};
use crate::wiring::SystemClock;
use anyhow::Result;
use stageway_ports::Clock;
use stageway_remotes::server::RemoteDelivery;

/// `stageway deliveries`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those of this webhook
    #[arg(long, value_name = "WEBHOOK")]
    webhook: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    max: u32,
    /// As JSON, one delivery a line
    #[arg(long)]
    json: bool,
}

/// Lists deliveries, newest first, with what became of them.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let remote = context.remote().await?;
    let found = remote.server.deliveries(&remote.token.tenant, args.webhook.as_deref(), args.max).await;
    let deliveries = found.map_err(said_no)?;
    if args.json {
        let lines: Result<Vec<String>, _> = deliveries.iter().map(serde_json::to_string).collect();
        context.print(&lines?.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        return Ok(Exit::Ok);
    }
    let now = SystemClock.now_ms();
    context.print(&deliveries.iter().map(|one| line(one, now, &context.out)).collect::<String>())?;
    Ok(Exit::Ok)
}

fn line(delivery: &RemoteDelivery, now: u64, look: &Look) -> String {
    let (style, became) = match (&delivery.outcome, &delivery.trouble) {
        (Some(outcome), _) => (Style::Strong, outcome.summary.clone()),
        (None, Some(trouble)) => (Style::Bad, format!("is tried again: {trouble}")),
        (None, None) => (Style::Active, "is taken in".to_owned()),
    };
    let id = look.paint(Style::Faint, &delivery.id);
    let of = delivery.repository.as_ref().unwrap_or(&delivery.webhook);
    let (event, when) = (&delivery.event, ago(delivery.at, now));
    format!("{id}  {when:>8}  {of}  {event}  {}\n", look.paint(style, &became))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_remotes::server::RemoteOutcome;

    #[test]
    fn a_delivery_says_what_became_of_it() {
        let mut delivery = RemoteDelivery {
            id: "01D".into(),
            number: 1,
            webhook: "hook".into(),
            key: "k".into(),
            at: 1_000,
            event: "push".into(),
            repository: Some("demo".into()),
            trouble: None,
            outcome: None,
        };
        assert_eq!(line(&delivery, 61_000, &Look::PLAIN), "01D    1m ago  demo  push  is taken in\n");
        delivery.trouble = Some("no route".into());
        assert!(line(&delivery, 61_000, &Look::PLAIN).ends_with("is tried again: no route\n"));
        delivery.outcome =
            Some(RemoteOutcome { summary: "started 1 run".into(), runs: vec![], problems: vec![] });
        assert!(line(&delivery, 61_000, &Look::PLAIN).ends_with("push  started 1 run\n"));
    }
}
