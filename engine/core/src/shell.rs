//! Which elements of a command are parsed by a shell or another interpreter.

use crate::expression::Template;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Keys under which a single text is a script.
pub(crate) const SCRIPTS: [&str; 4] = ["command", "run", "script", "shell"];

/// Programs and the options after which a script follows.
const INTERPRETERS: [(&[&str], &[&str]); 6] = [
    (&["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "busybox", "su", "runuser"], &["c"]),
    (&["python", "python2", "python3", "pypy", "pypy3"], &["c"]),
    (&["node", "nodejs", "deno", "bun", "perl", "ruby", "lua", "Rscript"], &["e", "E", "p"]),
    (&["php"], &["r"]),
    (&["pwsh", "powershell"], &["c", "C"]),
    (&["cmd", "cmd.exe"], &["c", "C", "k"]),
];

/// The elements that are scripts. A program that comes from an expression may be any.
pub(crate) fn scripts(command: &[Json]) -> BTreeSet<usize> {
    let texts: Vec<&str> = command.iter().map(|item| item.as_str().unwrap_or("")).collect();
    let mut found = BTreeSet::new();
    for (at, program) in texts.iter().enumerate() {
        let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
        if name == "eval" || name == "ssh" {
            found.extend(at + 1..texts.len());
        }
        let options: Vec<&str> = match Template::is_in(program) {
            true => INTERPRETERS.iter().flat_map(|(_, options)| options.iter().copied()).collect(),
            false => {
                let known = INTERPRETERS.iter().filter(|(names, _)| names.contains(&name));
                known.flat_map(|(_, options)| options.iter().copied()).collect()
            }
        };
        found.extend(after_option(&texts, at + 1, &options));
    }
    found
}

/// The script after an option such as `-c`, `-ec`, `/c` or `--eval`, and whatever is joined to it.
fn after_option(texts: &[&str], from: usize, options: &[&str]) -> Option<usize> {
    if options.is_empty() {
        return None;
    }
    let takes = |text: &str| {
        let short = text.strip_prefix('-').or_else(|| text.strip_prefix('/')).unwrap_or("");
        let long =
            ["--command", "--eval", "--print", "-Command", "eval"].iter().any(|name| text.starts_with(name));
        long || !short.starts_with('-')
            && options.iter().any(|option| short.contains(option))
            && short.len() <= 8
    };
    let at = (from..texts.len()).find(|at| takes(texts[*at]))?;
    // `-c` may stand before other options: the script is the first element that is none.
    let script =
        (at + 1..texts.len()).find(|at| !texts[*at].starts_with('-') && !texts[*at].starts_with('+'));
    script.or(Some(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scripts_are_found_behind_wrappers_and_options() {
        let found = |command: Json| scripts(command.as_array().unwrap()).into_iter().collect::<Vec<_>>();
        assert_eq!(found(json!(["sh", "-c", "x", "y"])), [2]);
        assert_eq!(found(json!(["/bin/bash", "-e", "-o", "pipefail", "-c", "x"])), [5]);
        assert_eq!(found(json!(["bash", "-lc", "x"])), [2]);
        assert_eq!(found(json!(["env", "A=1", "timeout", "5", "sh", "-ec", "x"])), [6]);
        assert_eq!(found(json!(["python3", "-c", "x"])), [2]);
        assert_eq!(found(json!(["node", "--eval", "x"])), [2]);
        assert_eq!(found(json!(["${{ vars.shell }}", "-c", "x"])), [2]);
        assert_eq!(found(json!(["sh", "-c", "--", "x"])), [3]);
        assert_eq!(found(json!(["ssh", "host", "x"])), [1, 2]);
        assert!(found(json!(["./ci/test.sh", "-c", "x"])).is_empty());
        assert!(found(json!(["echo", "x"])).is_empty());
    }
}
