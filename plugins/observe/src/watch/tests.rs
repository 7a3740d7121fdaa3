use super::*;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};

/// A world in which a query is answered by a function of the seconds since the beginning.
struct Scripted<F> {
    now: Cell<f64>,
    kept: RefCell<Vec<f64>>,
    asked: RefCell<Vec<String>>,
    answer: F,
}

const BEGUN: f64 = 1_800_000_000_000.0;

impl<F: Fn(u32, &str) -> Reading> World for Scripted<F> {
    fn ask(&self, query: &str) -> Result<Reading, Verdict> {
        self.asked.borrow_mut().push(query.to_owned());
        Ok((self.answer)(((self.now.get() - BEGUN) / 1000.0) as u32, query))
    }
    fn now(&self) -> f64 {
        self.now.get()
    }
    fn sleep(&self, how_long: Span) -> Result<(), Verdict> {
        self.now.set(self.now.get() + f64::from(how_long.as_millis()));
        Ok(())
    }
    fn keep(&self, _: &Objective, value: f64) -> Result<(), Verdict> {
        self.kept.borrow_mut().push(value);
        Ok(())
    }
    fn say(&self, _: String) {}
}

fn scripted<F: Fn(u32, &str) -> Reading>(answer: F) -> Scripted<F> {
    Scripted { now: Cell::new(BEGUN), kept: RefCell::default(), asked: RefCell::default(), answer }
}

fn objectives(all: Value) -> Vec<Objective> {
    serde_json::from_value(all).unwrap()
}

fn minute() -> Pace {
    Pace { window: Span::from_secs(60), interval: Span::from_secs(10) }
}

fn values(values: &[f64]) -> Reading {
    Reading::Values(values.to_vec())
}

#[test]
fn what_holds_to_the_end_is_good() {
    let world = scripted(|_, _| values(&[0.01]));
    let objectives = objectives(json!([{"name": "errors", "query": "q[$window]", "at-most": 0.05}]));
    let watched = watch(&world, &objectives, minute()).unwrap();
    assert_eq!((watched.word(), watched.after), (Word::Good, Span::from_secs(60)));
    assert_eq!(world.kept.borrow().len(), 6);
    // No query looks back beyond the deployment.
    assert_eq!(world.asked.borrow()[..2], ["q[10s]", "q[20s]"]);
}

#[test]
fn what_is_clearly_bad_ends_early() {
    let world = scripted(|second, _| values(&[if second > 10 { 0.9 } else { 0.0 }]));
    let objectives = objectives(json!([
        {"name": "errors", "query": "q", "at-most": 0.05, "for": "20s"},
        {"name": "other", "query": "q", "at-least": 0}
    ]));
    let watched = watch(&world, &objectives, minute()).unwrap();
    assert_eq!((watched.word(), watched.after), (Word::Bad, Span::from_secs(40)));
    assert_eq!(watched.why(), "errors: 0.9 is not at most 0.05");
}

#[test]
fn one_series_that_misses_decides() {
    let world = scripted(|_, _| values(&[0.0, 0.9, 0.0]));
    let objectives = objectives(json!([{"name": "errors", "query": "q", "at-most": 0.05, "for": "0s"}]));
    let watched = watch(&world, &objectives, minute()).unwrap();
    assert_eq!((watched.word(), watched.after), (Word::Bad, Span::from_secs(10)));
}

#[test]
fn a_budget_must_burn_over_both_windows() {
    // Bad for the first twenty seconds: the long window remembers, the short one has seen better since.
    let ratio =
        |second: u32, query: &str| values(&[if query == "q[5s]" && second > 20 { 0.0 } else { 0.05 }]);
    let objective = |factor: f64| {
        objectives(json!([{"name": "slo", "query": "q[$window]", "target": 99.0,
            "burn-rates": [{"long": "1m", "short": "5s", "factor": factor}]}]))
    };
    let world = scripted(ratio);
    let watched = watch(&world, &objective(3.0), minute()).unwrap();
    assert_eq!((watched.word(), watched.after), (Word::Bad, Span::from_secs(10)));
    let world = scripted(ratio);
    let watched = watch(&world, &objective(6.0), minute()).unwrap();
    assert_eq!(watched.word(), Word::Good);
}

#[test]
fn no_data_and_too_little_of_it_are_not_good() {
    let nothing = scripted(|_, _| Reading::Nothing("it does not answer".into()));
    let bound = objectives(json!([{"name": "errors", "query": "q", "at-most": 1}]));
    let watched = watch(&nothing, &bound, minute()).unwrap();
    assert_eq!((watched.word(), watched.after), (Word::Unknown, Span::from_secs(60)));

    let few = objectives(
        json!([{"name": "errors", "query": "q", "at-most": 1, "enough": {"query": "n", "at-least": 100}}]),
    );
    let world = scripted(|_, query| values(&[if query == "n" { 99.0 } else { 0.0 }]));
    assert_eq!(watch(&world, &few, minute()).unwrap().word(), Word::Unknown);
    let world = scripted(|_, query| values(&[if query == "n" { 100.0 } else { 0.0 }]));
    assert_eq!(watch(&world, &few, minute()).unwrap().word(), Word::Good);

    let stopped =
        scripted(|second, _| if second > 30 { Reading::Nothing("gone".into()) } else { values(&[0.0]) });
    assert_eq!(watch(&stopped, &bound, minute()).unwrap().word(), Word::Unknown);
}

#[test]
fn a_query_that_is_none_is_failed() {
    let world = scripted(|_, _| Reading::Refused("parse error".into()));
    let bound = objectives(json!([{"name": "errors", "query": "q(", "at-most": 1}]));
    let Verdict::Failed(failure) = watch(&world, &bound, minute()).unwrap_err() else { panic!("errored") };
    assert_eq!(failure.code, "stageway/query-refused");
}
