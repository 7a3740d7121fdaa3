//! The parameters of an address. They are whole numbers, so nothing in them is ever percent-encoded.

use super::{
    digits,
    problem::{Problem, quote},
};

/// The parameters of one request, each known and there once.
#[derive(Debug)]
pub(super) struct Query(Vec<(&'static str, u64)>);

impl Query {
    /// Reads `a=1&b=2`, where only the `known` names may be.
    pub(super) fn parse(query: Option<&str>, known: &[&'static str]) -> Result<Self, Problem> {
        let mut found: Vec<(&'static str, u64)> = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = known.iter().find(|known| **known == name) else {
                return Err(Problem::invalid_query(unknown(name, known)));
            };
            if found.iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::invalid_query(format!("`{name}` is there twice")));
            }
            let value = digits(value).ok_or_else(|| {
                Problem::invalid_query(format!("`{name}` must be a whole number, not {}", quote(value)))
            })?;
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// The parameter, if it is there.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
    }

    /// A number of rows from 1 to `most`; `default` when it is not said.
    pub(super) fn rows(&self, name: &str, default: usize, most: usize) -> Result<usize, Problem> {
        let Some(value) = self.number(name) else { return Ok(default) };
        usize::try_from(value)
            .ok()
            .filter(|rows| (1..=most).contains(rows))
            .ok_or_else(|| Problem::invalid_query(format!("`{name}` must be from 1 to {most}, not {value}")))
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    match known {
        [] => format!("{} is unknown: nothing can be asked for here", quote(name)),
        known => format!("{} is unknown here: there is {}", quote(name), known.join(" and ")),
    }
}
