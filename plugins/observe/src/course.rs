//! The course of one objective while the window runs: what each look saw, and what follows from all of them.

use crate::objective::Objective;
use serde::Serialize;

/// What one look saw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Look {
    /// A value, and whether the objective holds with it.
    Value(f64, bool),
    /// Nothing that could be judged, and why.
    Nothing(String),
}

/// The looks at one objective so far.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    objective: &'a Objective,
    looks: u32,
    with_data: u32,
    latest: Option<Look>,
    value: Option<f64>,
    /// Since when every look with data was bad, in milliseconds since 1970.
    bad_since: Option<f64>,
}

/// What is known of one objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    Good,
    Bad,
    Unknown,
}

/// One objective as the outputs tell it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Judged {
    pub(crate) name: String,
    pub(crate) verdict: Word,
    /// The latest value that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<f64>,
    pub(crate) looks: u32,
    pub(crate) with_data: u32,
    /// In words.
    pub(crate) why: String,
}

impl<'a> Course<'a> {
    pub(crate) fn new(objective: &'a Objective) -> Self {
        Self { objective, looks: 0, with_data: 0, latest: None, value: None, bad_since: None }
    }

    pub(crate) fn objective(&self) -> &'a Objective {
        self.objective
    }

    /// Takes one look; answers whether it is clearly bad now.
    pub(crate) fn take(&mut self, at: f64, look: Look) -> bool {
        self.looks += 1;
        match &look {
            Look::Value(value, holds) => {
                self.with_data += 1;
                self.value = Some(*value);
                self.bad_since = if *holds { None } else { self.bad_since.or(Some(at)) };
            }
            // Nothing neither mends what was bad nor makes it worse.
            Look::Nothing(_) => {}
        }
        let bad_now = matches!(look, Look::Value(_, false));
        self.latest = Some(look);
        // A burn rate has looked back over its windows already.
        let patience = if self.objective.target.is_some() {
            0.0
        } else {
            f64::from(self.objective.sustained.as_millis())
        };
        bad_now && self.bad_since.is_some_and(|since| at - since >= patience)
    }

    /// What it comes to when nobody looks any more. Good is only what was seen: in the last look, and in half of all of them.
    pub(crate) fn end(&self) -> Judged {
        let (verdict, why) = match &self.latest {
            Some(Look::Value(value, false)) => (Word::Bad, self.missed(*value)),
            _ if self.bad_since.is_some() => (
                Word::Bad,
                format!("{}, and nothing better was seen since", self.missed(self.value.unwrap_or_default())),
            ),
            Some(Look::Nothing(why)) => (Word::Unknown, format!("the last look saw nothing: {why}")),
            None => (Word::Unknown, "nobody looked".to_owned()),
            Some(Look::Value(..)) if self.with_data * 2 < self.looks => (
                Word::Unknown,
                format!("{} of {} looks saw something: less than half", self.with_data, self.looks),
            ),
            Some(Look::Value(value, true)) => (Word::Good, self.kept(*value)),
        };
        let name = self.objective.name.clone();
        Judged { name, verdict, value: self.value, looks: self.looks, with_data: self.with_data, why }
    }

    fn missed(&self, value: f64) -> String {
        match self.objective.target {
            Some(target) => format!("the budget of {target} % burns {} times too fast", shown(value)),
            None => format!("{} is not {}", shown(value), self.objective.bound()),
        }
    }

    fn kept(&self, value: f64) -> String {
        match self.objective.target {
            Some(target) => format!("the budget of {target} % burns at {} times its pace", shown(value)),
            None => format!("{} is {}", shown(value), self.objective.bound()),
        }
    }
}

/// Four significant digits are enough for people.
fn shown(value: f64) -> String {
    if value == 0.0 || !(0.001..1e6).contains(&value.abs()) {
        return format!("{value:.3e}").replace("0.000e0", "0");
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 6);
    let text = format!("{value:.*}", digits.unsigned_abs() as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bound() -> Objective {
        serde_json::from_value(json!({"name": "errors", "query": "q", "at-most": 0.1, "for": "20s"})).unwrap()
    }

    fn look(value: f64) -> Look {
        Look::Value(value, value <= 0.1)
    }

    #[test]
    fn a_bound_must_be_broken_for_a_while() {
        let objective = bound();
        let mut course = Course::new(&objective);
        assert!(!course.take(0.0, look(0.5)));
        assert!(!course.take(10_000.0, look(0.5)));
        // One good look begins anew.
        assert!(!course.take(20_000.0, look(0.0)));
        assert!(!course.take(30_000.0, look(0.5)));
        // Nothing is no reason by itself, and forgives nothing.
        assert!(!course.take(50_000.0, Look::Nothing("no series".into())));
        assert!(course.take(60_000.0, look(0.2)));
        assert_eq!(course.end().verdict, Word::Bad);
    }

    #[test]
    fn a_burn_rate_is_bad_at_once() {
        let objective: Objective =
            serde_json::from_value(json!({"name": "errors", "query": "q[$window]", "target": 99.9})).unwrap();
        let mut course = Course::new(&objective);
        assert!(course.take(0.0, Look::Value(20.0, false)));
        assert_eq!(course.end().why, "the budget of 99.9 % burns 20 times too fast");
    }

    #[test]
    fn nothing_is_never_good() {
        let objective = bound();
        let nothing = || Look::Nothing("it does not answer".into());
        let verdict = |looks: Vec<Look>| {
            let mut course = Course::new(&objective);
            for (index, look) in looks.into_iter().enumerate() {
                course.take(index as f64 * 1000.0, look);
            }
            course.end().verdict
        };
        assert_eq!(verdict(vec![]), Word::Unknown);
        assert_eq!(verdict(vec![nothing(), nothing()]), Word::Unknown);
        assert_eq!(verdict(vec![look(0.0), look(0.0), nothing()]), Word::Unknown);
        assert_eq!(verdict(vec![nothing(), nothing(), look(0.0)]), Word::Unknown);
        assert_eq!(verdict(vec![nothing(), look(0.0)]), Word::Good);
        assert_eq!(verdict(vec![look(0.0), look(0.5), nothing()]), Word::Bad);
        assert_eq!(verdict(vec![look(0.0), look(0.5)]), Word::Bad);
    }

    #[test]
    fn values_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (12.3456, "12.35"),
            (1234.56, "1235"),
            (0.012345, "0.01235"),
            (2.0, "2"),
            (1e-9, "1.000e-9"),
        ] {
            assert_eq!(shown(value), text);
        }
    }
}
