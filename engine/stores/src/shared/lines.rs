use super::codec::{Unreadable, from_word, name};
use super::rows::{count, small};
use stageway_core::log::{Line, Origin};
use stageway_ports::StoredLine;

/// Number, stage, attempt, time, level, origin, whether it is struck out, text.
pub(crate) type LineRow = (i64, String, i64, i64, String, String, bool, String);

/// # Errors
/// [`Unreadable`].
pub(crate) fn stored_line(row: LineRow) -> Result<StoredLine, Unreadable> {
    let (number, stage, attempt, at, level, origin, struck, text) = row;
    let line = Line {
        stage: if stage.is_empty() { None } else { Some(name("the stage of a line", stage)?) },
        attempt: small("the attempt of a line", attempt)?,
        at: count("the time of a line", at)?,
        level: from_word("the level of a line", level)?,
        origin: read_origin(&origin)?,
        text,
    };
    Ok(StoredLine { number: count("the number of a line", number)?, line, struck })
}

/// Empty for a line about the run.
pub(crate) fn stage_text(line: &Line) -> &str {
    line.stage.as_ref().map_or("", |stage| stage.as_str())
}

/// What a strike compares: only what the plugin itself wrote can be struck out.
pub(crate) fn plugin_seq(line: &Line) -> Option<u32> {
    match &line.origin {
        Origin::Plugin { seq, .. } => Some(*seq),
        Origin::Task { .. } | Origin::Engine { .. } => None,
    }
}

pub(crate) fn origin_text(origin: &Origin) -> String {
    match origin {
        Origin::Plugin { seq, ordinal } => format!("p:{seq}:{ordinal}"),
        Origin::Task { task, cursor } => format!("t:{task}:{cursor}"),
        Origin::Engine { key } => format!("e:{key}"),
    }
}

fn read_origin(text: &str) -> Result<Origin, Unreadable> {
    let wrong = || Unreadable::new("the origin of a line", &text);
    let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
    if kind == "e" {
        return Ok(Origin::Engine { key: rest.to_owned() });
    }
    let (first, second) = rest.split_once(':').ok_or_else(wrong)?;
    match kind {
        "p" => Ok(Origin::Plugin {
            seq: first.parse().map_err(|_| wrong())?,
            ordinal: second.parse().map_err(|_| wrong())?,
        }),
        "t" => Ok(Origin::Task {
            task: name("the task of a line", first.to_owned())?,
            cursor: second.parse().map_err(|_| wrong())?,
        }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::name::TaskName;

    #[test]
    fn an_origin_comes_back_as_it_went() {
        let task = TaskName::new("run.build.1.2").unwrap();
        for there in [
            Origin::Plugin { seq: 0, ordinal: u32::MAX },
            Origin::Task { task, cursor: u64::MAX },
            Origin::Engine { key: "a:b: c".into() },
            Origin::Engine { key: String::new() },
        ] {
            assert_eq!(read_origin(&origin_text(&there)).unwrap(), there);
        }
        for wrong in ["", "p", "p:1", "p:1:x", "t::1", "x:1:2"] {
            assert!(read_origin(wrong).is_err(), "{wrong}");
        }
    }
}
