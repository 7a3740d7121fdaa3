//! `test/chaos`: makes as many random calls as it is told, over every interface. What it calls follows from its seed alone, so
//! that two lives of it with the same outside must leave the same outside behind, however often the engine died in between.

mod guest;
#[allow(unreachable_pub, unfulfilled_lint_expectations)]
#[path = "../../../../engine/ports/src/memory/chaos/steps.rs"]
mod steps;

use guest::Guest;
use serde::{Deserialize, Serialize};
use stageway_sdk::manifest::Access;
use stageway_sdk::{Grant, Manifest, Stage, Verdict};
use std::hash::{DefaultHasher, Hash, Hasher};

struct Chaos;

/// `with` of the pipeline file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Configuration {
    /// Decides every call.
    seed: u64,
    /// How many steps there are; most are one call.
    calls: usize,
    /// The digest of the image in `reg/source`.
    image: String,
    /// Where requests go.
    url: String,
    /// What the length of pauses is divided by.
    #[serde(default = "one")]
    pace: u32,
}

fn one() -> u32 {
    1
}

#[derive(Serialize)]
struct Outputs {
    /// Each step, with a digest of what it was told, but for what may differ between two lives.
    told: Vec<String>,
    /// Numbers of the tasks whose ending it was told, or that they are gone.
    ended: Vec<u32>,
}

const CONFIGURATION: &str = r#"{
  "type": "object",
  "properties": {
    "seed": { "type": "integer" },
    "calls": { "type": "integer" },
    "image": { "type": "string" },
    "url": { "type": "string" },
    "pace": { "type": "integer", "minimum": 1 }
  },
  "required": ["seed", "calls", "image", "url"],
  "additionalProperties": false
}"#;

const OUTPUTS: &str = r#"{
  "type": "object",
  "properties": { "told": { "type": "array", "items": { "type": "string" } }, "ended": { "type": "array", "items": { "type": "integer" } } },
  "required": ["told", "ended"]
}"#;

impl Stage for Chaos {
    type Configuration = Configuration;
    type Outputs = Outputs;

    fn describe() -> Manifest {
        let grants = [
            Grant::approvals(),
            Grant::artifacts(Access::Write),
            Grant::cluster(),
            Grant::environments(),
            Grant::http(),
            Grant::images(),
            Grant::secrets(),
            Grant::source(),
            Grant::tasks(),
            Grant::workspace(Access::Write),
        ];
        let summary = "Makes random calls over every interface";
        let plain = Manifest::new("test/chaos", env!("CARGO_PKG_VERSION"), summary)
            .configuration(CONFIGURATION)
            .outputs(OUTPUTS)
            .timeout("1h")
            .never_skip();
        grants.into_iter().fold(plain, Manifest::requires)
    }

    fn run(configuration: Configuration) -> Result<Outputs, Verdict> {
        let steps = steps::steps(configuration.seed, configuration.calls);
        let mut guest = Guest::new(configuration);
        let told = steps.iter().map(|step| {
            let mut digest = DefaultHasher::new();
            guest.step(step).hash(&mut digest);
            format!("{step:?}: {:016x}", digest.finish())
        });
        let told = told.collect();
        Ok(Outputs { told, ended: guest.ended() })
    }
}

stageway_sdk::export!(Chaos);
