//! `stageway logs`

use super::Context;
use crate::client::View;
use crate::exit::{Exit, Refused};
use crate::terminal::{Look, Style};
use crate::wiring::{RunRef, find};
use anyhow::Result;
use stageway_conductor::driver::load;
use stageway_core::call::LogLevel;
use stageway_core::name::{RunId, StageName};
use stageway_ports::StoredLine;
use std::time::Duration;

/// Lines that are read at once.
const PAGE: u32 = 1_000;
/// How long a change is waited for before it is looked again.
const PATIENCE: Duration = Duration::from_secs(5);

/// `stageway logs`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its number, the beginning of its id, or `latest`
    #[arg(value_name = "RUN")]
    run: RunRef,
    /// Only this stage
    #[arg(value_name = "STAGE")]
    stage: Option<StageName>,
    /// Go on until the run has ended
    #[arg(short, long)]
    follow: bool,
    /// Also what a restart of the engine struck out
    #[arg(long)]
    all: bool,
    /// As JSON, one line a line
    #[arg(long)]
    json: bool,
}

/// Prints lines in order of arrival.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let view = context.view().await?;
    let found = find(&*view.store, &view.tenant, &args.run).await?;
    let loaded = load(&*view.store, &view.tenant, &found.id).await?;
    if let Some(stage) = args.stage.as_ref().filter(|stage| !loaded.plan.stages.contains_key(*stage)) {
        let names: Vec<&str> = loaded.plan.stages.keys().map(StageName::as_str).collect();
        let remedy = format!("its stages are {}", names.join(", "));
        return Err(Refused::usage(format!("run {} has no stage `{stage}`", found.number), remedy).into());
    }
    let mut reader = Reader { context, view: &view, run: &found.id, args: &args, after: 0, struck: 0 };
    let mut changes = 0;
    loop {
        // The count first and the state after it: nothing is missed.
        changes = view.store.changed(&view.tenant, changes, Duration::ZERO).await.max(changes);
        let ended = load(&*view.store, &view.tenant, &found.id).await?.state.ended_at.is_some();
        reader.print_new().await?;
        if ended || !args.follow {
            break;
        }
        view.store.changed(&view.tenant, changes, PATIENCE).await;
    }
    if reader.struck > 0 && !args.all {
        let text = format!(
            "{} lines of a time that did not happen were struck out; --all shows them",
            reader.struck
        );
        context.say(Style::Faint, &text);
    }
    Ok(Exit::Ok)
}

struct Reader<'a> {
    context: &'a Context,
    view: &'a View,
    run: &'a RunId,
    args: &'a Args,
    after: u64,
    struck: u64,
}

impl Reader<'_> {
    async fn print_new(&mut self) -> Result<()> {
        loop {
            let View { store, tenant, .. } = self.view;
            let lines = store.lines(tenant, self.run, self.args.stage.as_ref(), self.after, PAGE).await?;
            let Some(last) = lines.last() else { return Ok(()) };
            self.after = last.number;
            self.struck += lines.iter().filter(|line| line.struck).count() as u64;
            let shown = lines.iter().filter(|line| self.args.all || !line.struck);
            let text: Result<String> = shown.map(|line| self.line(line)).collect();
            self.context.print(&text?)?;
        }
    }

    fn line(&self, line: &StoredLine) -> Result<String> {
        if self.args.json {
            return Ok(format!("{}\n", serde_json::to_string(line)?));
        }
        Ok(in_words(line, self.args.stage.is_none(), &self.context.out))
    }
}

fn in_words(stored: &StoredLine, named: bool, look: &Look) -> String {
    let line = &stored.line;
    let style = match line.level {
        LogLevel::Error => Some(Style::Bad),
        LogLevel::Warn => Some(Style::Notice),
        LogLevel::Trace | LogLevel::Debug => Some(Style::Faint),
        LogLevel::Info => None,
    };
    let text = style.map_or_else(|| line.text.clone(), |style| look.paint(style, &line.text));
    let struck = if stored.struck { "(struck out) " } else { "" };
    match (&line.stage, named) {
        (Some(stage), true) => format!("{stage} | {struck}{text}\n"),
        _ => format!("{struck}{text}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::log::{Line, Origin};

    #[test]
    fn a_line_carries_its_stage_unless_one_was_asked_for() {
        let line = Line {
            stage: Some(StageName::new("smoke").unwrap()),
            attempt: 1,
            at: 1,
            level: LogLevel::Error,
            origin: Origin::Plugin { seq: 0, ordinal: 0 },
            text: "no".into(),
        };
        let stored = StoredLine { number: 1, line, struck: false };
        assert_eq!(in_words(&stored, true, &Look::PLAIN), "smoke | no\n");
        assert_eq!(in_words(&stored, false, &Look { colour: true, ..Look::PLAIN }), "\x1b[31mno\x1b[0m\n");
        assert_eq!(
            in_words(&StoredLine { struck: true, ..stored }, true, &Look::PLAIN),
            "smoke | (struck out) no\n"
        );
    }
}
