//! `stageway/observe`: watches what was deployed by its objectives, and says whether it is good.
//!
//! No data is never good: what could not be seen is `errored`, and what misses an objective is `failed`, as soon as that is clear.

mod course;
mod objective;
mod prometheus;
mod release;
mod watch;

use course::{Judged, Word};
use objective::Objective;
use prometheus::Reading;
use serde::{Deserialize, Serialize};
use stageway_deployment::KINDS;
use stageway_sdk::http::{Encoding, Request};
use stageway_sdk::manifest::Place;
use stageway_sdk::{
    Doing, Grant, HostError, Issue, Manifest, Span, Stage, Verdict, clock, log, reports, secrets,
};
use std::collections::BTreeSet;
use watch::{Pace, Watched, World};

struct Observe;

/// `with`, as `configuration.json` describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Configuration {
    prometheus: String,
    token: Option<String>,
    #[serde(default = "ten_minutes")]
    window: Span,
    #[serde(default = "ten_seconds")]
    interval: Span,
    objectives: Vec<Objective>,
    #[serde(default)]
    on_bad: OnBad,
    cluster: Option<String>,
}

/// What follows from a bad verdict, beside the failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnBad {
    #[default]
    Fail,
    Rollback,
}

/// How long an answer of Prometheus may take.
const ANSWER: Span = Span::from_secs(10);
/// The most bytes of one.
const ANSWER_BYTES: usize = 1 << 20;
/// The most queries of one attempt: each is an entry of its journal.
const QUERIES: usize = 10_000;

fn ten_minutes() -> Span {
    Span::from_secs(600)
}

fn ten_seconds() -> Span {
    Span::from_secs(10)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Outputs {
    verdict: Word,
    watched_ms: u32,
    objectives: Vec<Judged>,
}

const OUTPUTS: &str = r#"{
  "type": "object",
  "properties": {
    "verdict": { "enum": ["good"], "description": "the stage succeeds with nothing else" },
    "watched-ms": { "type": "integer", "description": "for how long it was watched" },
    "objectives": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {
          "name": { "type": "string" },
          "verdict": { "enum": ["good", "bad", "unknown"] },
          "value": { "type": "number", "description": "the latest that was seen" },
          "looks": { "type": "integer" },
          "with-data": { "type": "integer", "description": "looks that saw something" },
          "why": { "type": "string" }
        },
        "required": ["name", "verdict", "looks", "with-data", "why"]
      }
    }
  },
  "required": ["verdict", "watched-ms", "objectives"]
}"#;

impl Stage for Observe {
    type Configuration = Configuration;
    type Outputs = Outputs;

    fn describe() -> Manifest {
        Manifest::new(
            "stageway/observe",
            env!("CARGO_PKG_VERSION"),
            "Watches what was deployed by its objectives, and says whether it is good",
        )
        .configuration(include_str!("configuration.json"))
        .outputs(OUTPUTS)
        .requires(Grant::http().host(Place::from("/prometheus")))
        .requires(Grant::environments())
        .optional(Grant::secrets().secret(Place::from("/token")))
        .optional(Grant::cluster().objects(
            "/cluster",
            &[Place::from("/namespace")],
            &KINDS,
            &["read", "apply", "delete"],
        ))
        .timeout("2h")
        .never_skip()
        .idempotent()
    }

    fn validate(configuration: &Configuration) -> Vec<Issue> {
        let Configuration { window, interval, objectives, .. } = configuration;
        let mut issues = Vec::new();
        if configuration.on_bad == OnBad::Rollback && configuration.cluster.is_none() {
            issues.push(Issue::at("/cluster", "is needed by `on-bad: rollback`"));
        }
        if *interval < Span::from_secs(1) {
            issues.push(Issue::at("/interval", "is shorter than 1s"));
        } else if interval > window {
            issues.push(Issue::at("/interval", "is longer than `window`: nobody would look"));
        } else {
            let looks = window.as_millis().div_ceil(interval.as_millis()) as usize;
            let queries = looks * objectives.iter().map(|one| one.queries(*window)).sum::<usize>();
            if queries > QUERIES {
                let message =
                    format!("makes {queries} queries, and at most {QUERIES} are asked: look less often");
                issues.push(Issue::at("/interval", message));
            }
        }
        let mut names = BTreeSet::new();
        for (index, objective) in objectives.iter().enumerate() {
            let pointer = format!("/objectives/{index}");
            issues.extend(objective.issues(&pointer, *window));
            if !names.insert(&objective.name) {
                issues.push(Issue::at(
                    &format!("{pointer}/name"),
                    format!("`{}` is there twice", objective.name),
                ));
            }
        }
        issues
    }

    fn run(configuration: Configuration) -> Result<Outputs, Verdict> {
        let Configuration { prometheus, token, window, interval, objectives, on_bad, cluster, .. } =
            configuration;
        let token = token.map(|name| secrets::get(&name)).transpose().doing("the token of Prometheus")?;
        let world = Host { prometheus, token };
        let deployed = stageway_deployment::Host { cluster: cluster.as_deref().unwrap_or_default() };
        let release = release::current(&deployed)?;
        if let Some(past) = &release {
            log::info(format!("watching release {}: {}", past.id, past.record.image));
        }
        let watched = watch::watch(&world, &objectives, Pace { window, interval })?;
        let back = release::conclude(&deployed, release.as_ref(), &watched, on_bad == OnBad::Rollback)?;
        conclude(watched, back.as_deref())
    }
}

fn conclude(watched: Watched, back: Option<&str>) -> Result<Outputs, Verdict> {
    let word = watched.word();
    let back = back.map(|back| format!("\n{back}")).unwrap_or_default();
    let told = |what: &str| format!("{what} after {}: {}{back}", watched.after, watched.why());
    let verdict = match word {
        Word::Good => None,
        Word::Bad => Some(Verdict::failed("stageway/objective-missed", told("an objective is missed"))),
        Word::Unknown => {
            Some(Verdict::errored("stageway/no-data", told("whether it is good could not be seen")))
        }
    };
    let outputs =
        Outputs { verdict: word, watched_ms: watched.after.as_millis(), objectives: watched.objectives };
    match verdict {
        None => Ok(outputs),
        Some(verdict) => Err(verdict.with_details(&outputs)),
    }
}

stageway_sdk::export!(Observe);

/// The world behind the contract.
struct Host {
    prometheus: String,
    token: Option<secrets::Secret>,
}

impl World for Host {
    fn ask(&self, query: &str) -> Result<Reading, Verdict> {
        let mut request = Request::get(&prometheus::address(&self.prometheus, query))
            .header("accept", "application/json")
            .timeout(ANSWER)
            .response_bytes(ANSWER_BYTES as u32);
        if let Some(token) = &self.token {
            request =
                request.header("authorization", "Bearer {token}").secret("{token}", token, Encoding::Raw);
        }
        let answer =
            request.send().and_then(|response| Ok((response.status(), response.body(ANSWER_BYTES)?)));
        match answer {
            Ok((status, body)) => Ok(prometheus::read(status, &body)),
            Err(HostError::Unavailable(why)) => Ok(Reading::Nothing(why)),
            Err(HostError::TimedOut) => Ok(Reading::Nothing(format!("no answer within {ANSWER}"))),
            Err(other) => Err(other).doing("asking Prometheus"),
        }
    }

    fn now(&self) -> f64 {
        clock::now_ms()
    }

    fn sleep(&self, how_long: Span) -> Result<(), Verdict> {
        clock::sleep(how_long).doing("waiting for the next look")
    }

    fn keep(&self, objective: &Objective, value: f64) -> Result<(), Verdict> {
        reports::measure(&objective.name, value, &objective.unit).doing("keeping a value")
    }

    fn say(&self, line: String) {
        log::info(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pointers(with: Value) -> Vec<String> {
        let configuration = serde_json::from_value(with).unwrap();
        Observe::validate(&configuration).into_iter().map(|issue| issue.pointer).collect()
    }

    #[test]
    fn every_issue_is_found_at_once() {
        let objective = json!({"name": "errors", "query": "q", "at-most": 1});
        let with = |window: &str, interval: &str, objectives: Value| json!({"prometheus": "http://p:9090", "window": window, "interval": interval, "objectives": objectives});
        assert!(pointers(with("10m", "10s", json!([objective]))).is_empty());
        assert_eq!(
            pointers(with("40s", "1m", json!([objective, objective]))),
            ["/interval", "/objectives/1/name"]
        );
        assert_eq!(pointers(with("1m", "500ms", json!([objective]))), ["/interval"]);
        assert_eq!(pointers(with("10h", "1s", json!([objective]))), ["/interval"]);
    }

    #[test]
    fn the_manifest_is_json() {
        let manifest: Value = serde_json::from_str(&Observe::describe().to_json()).unwrap();
        assert_eq!(manifest["grants"]["required"][0]["hosts"], json!([{"from": "/prometheus"}]));
        assert_eq!(manifest["skip"], "never");
    }

    #[test]
    fn only_good_succeeds() {
        let judged = |verdict| Watched {
            objectives: vec![Judged {
                name: "errors".into(),
                verdict,
                value: None,
                looks: 1,
                with_data: 1,
                why: "so it is".into(),
            }],
            after: Span::from_secs(60),
        };
        assert!(conclude(judged(Word::Good), None).is_ok());
        let Err(Verdict::Failed(failure)) = conclude(judged(Word::Bad), Some("rolled back")) else {
            panic!("not failed")
        };
        assert_eq!(failure.message, "an objective is missed after 1m: errors: so it is\nrolled back");
        let Err(Verdict::Errored(failure)) = conclude(judged(Word::Unknown), None) else {
            panic!("not errored")
        };
        assert_eq!(failure.code, "stageway/no-data");
    }
}
