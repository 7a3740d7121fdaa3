//! `stageway/notify`: tells a service what happened, in one request with a JSON body: a chat, a pager, a record of changes.

mod delivery;

use delivery::{Answer, Receiver};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use stageway_sdk::http::{Encoding, Request};
use stageway_sdk::manifest::Place;
use stageway_sdk::{Doing, Grant, Issue, Manifest, Span, Stage, Verdict, clock, log, secrets};
use std::collections::BTreeMap;

struct Notify;

/// `with`, as `configuration.json` describes it.
#[derive(Debug, Deserialize)]
struct Configuration {
    url: String,
    body: Json,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    secret: Option<String>,
    #[serde(default)]
    repeatable: bool,
}

#[derive(Debug, Serialize)]
struct Outputs {
    status: u16,
}

const OUTPUTS: &str = r#"{
  "type": "object",
  "properties": { "status": { "type": "integer", "description": "what the receiver answered, 200 to 299" } },
  "required": ["status"]
}"#;

/// What stands for the secret.
const PLACEHOLDER: &str = "{secret}";
/// How long an answer may take.
const ANSWER: Span = Span::from_secs(30);
/// The most bytes of one.
const ANSWER_BYTES: usize = 64 << 10;

impl Stage for Notify {
    type Configuration = Configuration;
    type Outputs = Outputs;

    fn describe() -> Manifest {
        Manifest::new(
            "stageway/notify",
            env!("CARGO_PKG_VERSION"),
            "Tells a service what happened, in one request",
        )
        .configuration(include_str!("configuration.json"))
        .outputs(OUTPUTS)
        .requires(Grant::http().host(Place::from("/url")))
        .optional(Grant::secrets().secret(Place::from("/secret")))
        .timeout("5m")
        .never_skip()
    }

    fn validate(configuration: &Configuration) -> Vec<Issue> {
        let is_put = configuration.url.contains(PLACEHOLDER)
            || configuration.headers.values().any(|value| value.contains(PLACEHOLDER));
        match (&configuration.secret, is_put) {
            (Some(_), false) => {
                vec![Issue::at("/secret", "is put nowhere: write `{secret}` in `url` or in a header")]
            }
            (None, true) => {
                vec![Issue::at("/url", "has `{secret}` in it or in a header, and no `secret` is named")]
            }
            _ => Vec::new(),
        }
    }

    fn run(configuration: Configuration) -> Result<Outputs, Verdict> {
        let secret = configuration.secret.as_deref().map(secrets::get).transpose().doing("the secret")?;
        let status = delivery::deliver(&Host { configuration, secret })?;
        log::info(format!("delivered: HTTP {status}"));
        Ok(Outputs { status })
    }
}

stageway_sdk::export!(Notify);

/// The receiver behind the contract.
struct Host {
    configuration: Configuration,
    secret: Option<secrets::Secret>,
}

impl Receiver for Host {
    fn send(&self) -> Result<Answer, Verdict> {
        let Configuration { url, body, headers, repeatable, .. } = &self.configuration;
        let body = body.to_string();
        let placeholder = placeholder(&body);
        let filled = |text: &str| text.replace(PLACEHOLDER, &placeholder);
        let mut request =
            Request::post_json(&filled(url), &body).timeout(ANSWER).response_bytes(ANSWER_BYTES as u32);
        for (name, value) in headers {
            request = request.header(name, &filled(value));
        }
        if let Some(secret) = &self.secret {
            request = request.secret(&placeholder, secret, Encoding::Raw);
        }
        if *repeatable {
            request = request.repeatable();
        }
        let response = request.send().doing("sending")?;
        let after = response.header("retry-after").first().and_then(|seconds| seconds.trim().parse().ok());
        let said = response.body(ANSWER_BYTES).unwrap_or_default();
        Ok(Answer { status: response.status(), after, said: String::from_utf8_lossy(&said).into_owned() })
    }

    fn pause(&self, how_long: Span) -> Result<(), Verdict> {
        clock::sleep(how_long).doing("waiting to send it again")
    }
}

/// What stands for the secret in a request. It is not in the body, which may have words of outsiders in it.
fn placeholder(body: &str) -> String {
    let mut placeholder = PLACEHOLDER.to_owned();
    while body.contains(&placeholder) {
        placeholder.push('.');
    }
    placeholder
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pointers(with: Value) -> Vec<String> {
        let configuration = serde_json::from_value(with).unwrap();
        Notify::validate(&configuration).into_iter().map(|issue| issue.pointer).collect()
    }

    #[test]
    fn a_secret_has_its_place() {
        let url = "https://hooks.example.com/{secret}";
        assert!(pointers(json!({"url": url, "secret": "CHAT", "body": {}})).is_empty());
        let header = json!({"authorization": "Bearer {secret}"});
        assert!(
            pointers(
                json!({"url": "https://a.example.com", "headers": header, "secret": "CHAT", "body": {}})
            )
            .is_empty()
        );
        assert_eq!(
            pointers(json!({"url": "https://a.example.com", "secret": "CHAT", "body": {}})),
            ["/secret"]
        );
        assert_eq!(pointers(json!({"url": url, "body": {}})), ["/url"]);
    }

    #[test]
    fn no_word_of_the_body_is_taken_for_the_secret() {
        assert_eq!(placeholder(r#"{"text":"fine"}"#), "{secret}");
        for body in [r#"{"text":"{secret}"}"#, r#"{"text":"{secret}. {secret}.. {secret}"}"#] {
            assert!(!body.contains(&placeholder(body)), "{body}");
        }
    }

    #[test]
    fn the_manifest_is_json() {
        let manifest: Value = serde_json::from_str(&Notify::describe().to_json()).unwrap();
        assert_eq!(manifest["grants"]["required"][0]["hosts"], json!([{"from": "/url"}]));
        assert_eq!(manifest["skip"], "never");
    }
}
