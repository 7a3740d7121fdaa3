//! `stageway releases`

use super::Context;
use crate::exit::Exit;
use crate::terminal::{Look, Style, ago};
use crate::wiring::{Home, SystemClock};
use anyhow::Result;
use stageway_core::name::EnvironmentName;
use stageway_ports::{Clock, Release};

/// Characters of what was released that a table shows.
const MOST_SHOWN: usize = 300;

/// `stageway releases`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The environment
    #[arg(value_name = "ENVIRONMENT")]
    environment: EnvironmentName,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max: u32,
    /// As JSON, one release a line
    #[arg(long)]
    json: bool,
}

/// Lists what was released to an environment and how it was judged, newest first.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let home = Home::open(&context.settings()?).await?;
    let releases = home.store.releases(&home.tenant, &args.environment, args.max).await?;
    if args.json {
        let lines: Result<Vec<String>, _> = releases.iter().map(serde_json::to_string).collect();
        context.print(&lines?.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        return Ok(Exit::Ok);
    }
    context.remind(&home).await?;
    if releases.is_empty() {
        context.say(Style::Faint, &format!("nothing was released to `{}`", args.environment));
    }
    context.print(&table(&releases, SystemClock.now_ms(), &context.out))?;
    Ok(Exit::Ok)
}

fn table(releases: &[Release], now: u64, look: &Look) -> String {
    let line = |release: &Release| {
        let style = match release.verdict.as_str() {
            "good" => Style::Good,
            "bad" => Style::Bad,
            _ => Style::Notice,
        };
        let verdict = look.paint(style, &format!("{:<7}", shown(&release.verdict)));
        let what = cut(shown(&release.what.to_string()));
        let reason =
            if release.reason.is_empty() { String::new() } else { format!("  {}", shown(&release.reason)) };
        let run = look.paint(Style::Faint, release.run.as_str());
        format!("{verdict}  {:>8}  {run}  {what}{reason}\n", ago(release.at, now))
    };
    releases.iter().map(line).collect()
}

/// The beginning of what was released: the whole of it is for `--json`.
fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(MOST_SHOWN) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// What a plugin said, in one line that moves no terminal.
fn shown(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    text.chars().for_each(|c| stageway_core::log::push_shown(&mut line, c));
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use stageway_core::name::RunId;

    #[test]
    fn a_table_of_releases() {
        let release = |run: &str, verdict: &str, reason: &str| Release {
            id: format!("r-{run}"),
            run: RunId::new(run).unwrap(),
            at: 1_000,
            what: json!({ "image": "shop@sha256:12" }),
            verdict: verdict.to_owned(),
            reason: reason.to_owned(),
        };
        let releases =
            [release("01R2", "unknown", ""), release("01R1", "bad", "5 % of\n requests fail\u{1b}[2J")];
        let expected = "\
unknown    1m ago  01R2  {\"image\":\"shop@sha256:12\"}
bad        1m ago  01R1  {\"image\":\"shop@sha256:12\"}  5 % of\\n requests fail\\u{1b}[2J
";
        assert_eq!(table(&releases, 61_000, &Look::PLAIN), expected);
    }
}
