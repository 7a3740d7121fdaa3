//! A stage that looks at everything that could differ from one run to the next, and answers what it saw.

use serde::{Deserialize, Serialize};
use stageway_sdk::{Grant, HostError, Issue, Manifest, Span, Stage, Verdict};
use stageway_sdk::{clock, images, invocation, log, source};
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::hint::black_box;

struct Plugin;

/// `with` of the pipeline file.
#[derive(Deserialize)]
#[serde(default)]
struct Configuration {
    rounds: u32,
    mebibytes: usize,
    milliseconds: u32,
    repository: String,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { rounds: 2, mebibytes: 16, milliseconds: 5, repository: "images/app".to_owned() }
    }
}

const CONFIGURATION: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "rounds": { "type": "integer", "minimum": 1, "maximum": 100 },
    "mebibytes": { "type": "integer", "minimum": 0, "maximum": 256 },
    "milliseconds": { "type": "integer", "minimum": 0, "maximum": 60000 },
    "repository": { "type": "string" }
  }
}"#;

/// What was seen, each also a line of the log.
#[derive(Default, Serialize)]
struct Seen {
    seen: Vec<String>,
}

impl Seen {
    fn see(&mut self, what: &str, value: impl Display) {
        let line = format!("{what} {value}");
        log::info(&line);
        self.seen.push(line);
    }
}

impl Stage for Plugin {
    type Configuration = Configuration;
    type Outputs = Seen;

    fn describe() -> Manifest {
        Manifest::new(
            "guests/rust",
            env!("CARGO_PKG_VERSION"),
            "Looks at time, randomness, order, NaNs and memory, and answers what it saw",
        )
        .configuration(CONFIGURATION)
        .outputs(r#"{"type":"object","properties":{"seen":{"type":"array"}}}"#)
        .requires(Grant::source())
        .optional(Grant::images().repository("/repository", &["read"]))
        .never_skip()
    }

    fn validate(configuration: &Configuration) -> Vec<Issue> {
        let unlucky = configuration.mebibytes == 13;
        unlucky.then(|| Issue::at("/mebibytes", "13 is unlucky")).into_iter().collect()
    }

    fn run(configuration: Configuration) -> Result<Seen, Verdict> {
        let mut seen = Seen::default();
        for number in 0..configuration.rounds {
            seen.see("now", clock::now_ms());
            seen.see("stream", hex(&invocation::random(24)));
            order(&mut seen);
            nans(&mut seen);
            calls(&mut seen, &configuration.repository, number)?;
            clock::sleep(Span::from_millis(configuration.milliseconds))?;
        }
        memory(&mut seen, configuration.mebibytes);
        seen.see("now", clock::now_ms());
        Ok(seen)
    }
}

/// Maps whose hashers are seeded by the runtime, and places in memory.
fn order(seen: &mut Seen) {
    let words: HashSet<String> = (0..300).map(|number| format!("word-{}", number * 7919 % 1000)).collect();
    seen.see("words", digest(words.iter().map(String::as_str)));
    let places: HashMap<usize, usize> =
        (0..300).map(|number| (Box::leak(Box::new(number)) as *mut _ as usize, number)).collect();
    let places: Vec<String> = places.values().map(usize::to_string).collect();
    seen.see("places", digest(places.iter().map(String::as_str)));
    let local = black_box(0_u8);
    seen.see("stack", &raw const local as usize);
}

/// The bits of NaNs that machines make differently: the sign on this one, the payload on another.
fn nans(seen: &mut Seen) {
    let (zero, infinity) = (black_box(0.0_f64), black_box(f64::INFINITY));
    let payload = black_box(f64::from_bits(0x7ff8_dead_beef_0001));
    let made = [zero / zero, infinity - infinity, -(zero / zero), zero * infinity, (-infinity).sqrt()];
    let passed = [payload + 1.0, payload * 2.0, 1.0 - payload, payload.max(zero), payload.floor()];
    let doubles: Vec<u8> = made.iter().chain(&passed).flat_map(|number| number.to_bits().to_le_bytes()).collect();
    seen.see("doubles", hex(&doubles));
    let floats: Vec<u8> =
        made.iter().chain(&passed).flat_map(|number| (*number as f32).to_bits().to_le_bytes()).collect();
    seen.see("floats", hex(&floats));
}

fn calls(seen: &mut Seen, repository: &str, number: u32) -> Result<(), HostError> {
    seen.see("cancelled", invocation::is_cancelled());
    let commits = source::commits(None, 3)?;
    seen.see("commits", digest(commits.iter().map(|commit| commit.revision.as_str())));
    seen.see("changed", digest(source::changed_files(None, 100)?.iter().map(String::as_str)));
    match images::find(repository, &format!("v{number}")) {
        Ok(found) => seen.see("image", found.map_or_else(|| "none".to_owned(), |image| image.digest)),
        Err(refused) => seen.see("image", refused),
    }
    clock::sleep(Span::from_millis(3))
}

fn memory(seen: &mut Seen, mebibytes: usize) {
    let mut pages = vec![0_u8; mebibytes << 20];
    for (number, page) in pages.chunks_mut(4096).enumerate() {
        page[0] = number as u8;
    }
    let sum = pages.chunks(4096).fold(0_u32, |sum, page| sum.wrapping_mul(31).wrapping_add(page[0].into()));
    seen.see("memory", format!("{} {sum}", pages.len()));
    for name in ["memory-bytes", "wall-ms", "nothing"] {
        let limit = invocation::limit(name).map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        seen.see(name, limit);
    }
}

/// FNV-1a of 64 bits.
fn digest<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let bytes = parts.flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

stageway_sdk::export!(Plugin);
