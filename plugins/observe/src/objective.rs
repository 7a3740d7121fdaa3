//! What must hold: objectives as the pipeline file writes them.

use serde::Deserialize;
use stageway_sdk::{Issue, Span};

/// One objective of `with`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Objective {
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) at_most: Option<f64>,
    pub(crate) at_least: Option<f64>,
    #[serde(rename = "for", default = "half_a_minute")]
    pub(crate) sustained: Span,
    pub(crate) target: Option<f64>,
    pub(crate) burn_rates: Option<Vec<BurnRate>>,
    pub(crate) enough: Option<Enough>,
    #[serde(default)]
    pub(crate) unit: String,
}

/// A pair of windows of the table "Alerting on SLOs" of the SRE workbook: the long one says that it matters, the short one that it
/// still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct BurnRate {
    pub(crate) long: Span,
    pub(crate) short: Span,
    pub(crate) factor: f64,
}

/// How much must have been seen before anything is judged.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Enough {
    pub(crate) query: String,
    pub(crate) at_least: f64,
}

/// The factor at which two percent of the budget of thirty days are burnt in an hour.
const FACTOR: f64 = 14.4;

fn half_a_minute() -> Span {
    Span::from_secs(30)
}

impl Objective {
    /// The burn rates that are bad, none where the objective is a bound.
    pub(crate) fn burn_rates(&self, window: Span) -> Vec<BurnRate> {
        let usual = || {
            let short = Span::from_millis((window.as_millis() / 12).max(1000));
            vec![BurnRate { long: window, short, factor: FACTOR }]
        };
        match self.target {
            Some(_) => self.burn_rates.clone().unwrap_or_else(usual),
            None => Vec::new(),
        }
    }

    /// The ratio of bad events that the target allows.
    pub(crate) fn budget(&self) -> Option<f64> {
        self.target.map(|target| 1.0 - target / 100.0)
    }

    /// How many queries one look at it takes.
    pub(crate) fn queries(&self, window: Span) -> usize {
        (2 * self.burn_rates(window).len()).max(1) + usize::from(self.enough.is_some())
    }

    /// What the bound is, in words.
    pub(crate) fn bound(&self) -> String {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => format!("from {least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => "any value".to_owned(),
        }
    }

    /// Whether a value keeps within the bound.
    pub(crate) fn keeps(&self, value: f64) -> bool {
        self.at_least.is_none_or(|least| value >= least) && self.at_most.is_none_or(|most| value <= most)
    }

    /// What is wrong with it, beyond its schema.
    pub(crate) fn issues(&self, pointer: &str, window: Span) -> Vec<Issue> {
        let bound = self.at_most.is_some() || self.at_least.is_some();
        let mut issues = Vec::new();
        let mut issue =
            |member: &str, message: &str| issues.push(Issue::at(&format!("{pointer}{member}"), message));
        match (bound, self.target.is_some()) {
            (true, true) => issue("", "has a bound and a `target`: an objective is one or the other"),
            (false, false) => {
                issue("", "says of no value that it is good: give it `at-most`, `at-least` or `target`")
            }
            _ => {}
        }
        if let (Some(least), Some(most)) = (self.at_least, self.at_most)
            && least > most
        {
            issue("/at-least", "is more than `at-most`: no value is good");
        }
        if self.burn_rates.is_some() && self.target.is_none() {
            issue("/burn-rates", "needs `target`: the budget follows from it");
        }
        if self.target.is_some() && !self.query.contains(WINDOW) {
            issue("/query", "must contain `$window`: it is asked over a long and a short one");
        }
        if self.sustained > window {
            issue("/for", "is longer than `window`");
        }
        for (index, rate) in self.burn_rates.iter().flatten().enumerate() {
            if rate.short >= rate.long {
                issue(&format!("/burn-rates/{index}/short"), "must be shorter than `long`");
            }
        }
        issues
    }
}

/// What stands in a query for the length of time it is to look back.
const WINDOW: &str = "$window";

/// A query over a length of time, in whole seconds and at least one.
pub(crate) fn over(query: &str, span: Span) -> String {
    query.replace(WINDOW, &format!("{}s", span.as_millis().div_ceil(1000).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn objective(more: Value) -> Objective {
        let mut whole = json!({"name": "errors", "query": "ratio[$window]"});
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn pointers(objective: &Objective) -> Vec<String> {
        objective.issues("", Span::from_secs(60)).into_iter().map(|issue| issue.pointer).collect()
    }

    #[test]
    fn an_objective_is_a_bound_or_a_target() {
        assert!(pointers(&objective(json!({"at-most": 0.1}))).is_empty());
        assert!(pointers(&objective(json!({"target": 99.9}))).is_empty());
        assert_eq!(pointers(&objective(json!({}))), [""]);
        assert_eq!(pointers(&objective(json!({"at-most": 1, "target": 99}))), [""]);
        let wrong = json!({"at-most": 1, "at-least": 2, "burn-rates": [{"long": "1m", "short": "1m", "factor": 1}], "for": "2m"});
        assert_eq!(pointers(&objective(wrong)), ["/at-least", "/burn-rates", "/for", "/burn-rates/0/short"]);
        assert_eq!(pointers(&objective(json!({"target": 99, "query": "ratio"}))), ["/query"]);
    }

    #[test]
    fn the_usual_burn_rate_is_that_of_the_workbook() {
        let window = Span::from_secs(3600);
        let rates = objective(json!({"target": 99.9})).burn_rates(window);
        assert_eq!(rates, [BurnRate { long: window, short: Span::from_secs(300), factor: 14.4 }]);
        assert!(objective(json!({"at-most": 1})).burn_rates(window).is_empty());
    }

    #[test]
    fn a_window_is_whole_seconds() {
        assert_eq!(
            over("rate(a[$window]) / rate(b[$window])", Span::from_millis(1500)),
            "rate(a[2s]) / rate(b[2s])"
        );
        assert_eq!(over("a[$window]", Span::from_millis(0)), "a[1s]");
    }
}
