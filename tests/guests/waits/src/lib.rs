//! `test/waits`: touches memory, waits for a time and then, if there is a question, for a person.

use serde::{Deserialize, Serialize};
use stageway_sdk::approvals::{self, Options};
use stageway_sdk::{Doing, Grant, Manifest, Span, Stage, Verdict, clock};

struct Waits;

/// `with` of the pipeline file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Configuration {
    /// How long it sleeps.
    sleep: Option<Span>,
    /// What it asks.
    question: Option<String>,
    /// Memory that it holds meanwhile.
    #[serde(default)]
    mebibytes: usize,
}

#[derive(Serialize)]
struct Outputs {
    /// Who said yes.
    by: Option<String>,
    /// What its memory adds up to: it was there before and after.
    sum: u64,
}

const CONFIGURATION: &str = r#"{
  "type": "object",
  "properties": {
    "sleep": { "type": "string" },
    "question": { "type": "string" },
    "mebibytes": { "type": "integer", "minimum": 0, "maximum": 64 }
  },
  "additionalProperties": false
}"#;

const OUTPUTS: &str = r#"{
  "type": "object",
  "properties": { "by": { "type": ["string", "null"] }, "sum": { "type": "integer" } },
  "required": ["sum"]
}"#;

impl Stage for Waits {
    type Configuration = Configuration;
    type Outputs = Outputs;

    fn describe() -> Manifest {
        Manifest::new("test/waits", env!("CARGO_PKG_VERSION"), "Waits for a time and for a person")
            .configuration(CONFIGURATION)
            .outputs(OUTPUTS)
            .requires(Grant::approvals())
            .timeout("1h")
    }

    fn run(configuration: Configuration) -> Result<Outputs, Verdict> {
        let memory = vec![1_u8; configuration.mebibytes << 20];
        if let Some(sleep) = configuration.sleep {
            clock::sleep(sleep).doing("sleeping")?;
        }
        let mut by = None;
        if let Some(question) = &configuration.question {
            let approval = approvals::ask(question, &Options::default()).doing("asking")?;
            if !approval.approved {
                return Err(Verdict::failed("test/denied", format!("{} says no", approval.by)));
            }
            by = Some(approval.by);
        }
        let sum = std::hint::black_box(&memory).iter().map(|byte| u64::from(*byte)).sum();
        Ok(Outputs { by, sum })
    }
}

stageway_sdk::export!(Waits);
