//! The HTTP API of Prometheus, as far as an instant query needs it.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>.

use serde::Deserialize;
use serde_json::Value as Json;

/// What an instant query gave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reading {
    /// At least one number; of several series one each.
    Values(Vec<f64>),
    /// Nothing that could be judged, and why.
    Nothing(String),
    /// The query is not one: asking again gives the same.
    Refused(String),
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Json,
}

#[derive(Deserialize)]
struct Series {
    value: Sample,
}

/// A time in seconds and a number as text.
#[derive(Deserialize)]
struct Sample(#[allow(dead_code)] f64, String);

/// The address of a query.
pub(crate) fn address(server: &str, query: &str) -> String {
    format!("{}/api/v1/query?query={}", server.trim_end_matches('/'), encoded(query))
}

/// Percent-encoded as RFC 3986 has it: all but the unreserved characters.
fn encoded(text: &str) -> String {
    let mut all = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => all.push(char::from(byte)),
            _ => all.push_str(&format!("%{byte:02X}")),
        }
    }
    all
}

/// What an answer means.
pub(crate) fn read(status: u16, body: &[u8]) -> Reading {
    let answer: Result<Answer, _> = serde_json::from_slice(body);
    match (status, answer) {
        // Bad parameters, and an expression that cannot be executed.
        (400 | 422, Ok(answer)) if answer.status == "error" => Reading::Refused(short(&answer.error)),
        (200..=299, Ok(Answer { status, data: Some(data), .. })) if status == "success" => values(data),
        (200..=299, _) => Reading::Nothing("the answer is not one of Prometheus".to_owned()),
        (401 | 403, _) => Reading::Nothing(format!("HTTP status {status}: check `token`")),
        (status, _) => Reading::Nothing(format!("HTTP status {status}")),
    }
}

fn values(data: Data) -> Reading {
    let samples: Result<Vec<Sample>, _> = match data.result_type.as_str() {
        "vector" => serde_json::from_value(data.result)
            .map(|series: Vec<Series>| series.into_iter().map(|series| series.value).collect()),
        "scalar" => serde_json::from_value(data.result).map(|sample| vec![sample]),
        other => {
            return Reading::Refused(format!(
                "it gives a {}: it must give numbers of one moment",
                short(other)
            ));
        }
    };
    let Ok(samples) = samples else {
        return Reading::Nothing("the answer is not one of Prometheus".to_owned());
    };
    let count = samples.len();
    // Nothing divided by nothing is not a number: there was no traffic.
    let numbers: Vec<f64> = samples.iter().filter_map(number).filter(|number| number.is_finite()).collect();
    match (count, numbers.is_empty()) {
        (0, _) => Reading::Nothing("no series".to_owned()),
        (_, true) => Reading::Nothing("no finite value".to_owned()),
        _ => Reading::Values(numbers),
    }
}

fn number(sample: &Sample) -> Option<f64> {
    sample.1.parse().ok()
}

fn short(text: &str) -> String {
    text.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_an_address() {
        assert_eq!(
            address("http://prometheus:9090/", r#"sum(rate(a{code="500"}[1m]))"#),
            "http://prometheus:9090/api/v1/query?query=sum%28rate%28a%7Bcode%3D%22500%22%7D%5B1m%5D%29%29"
        );
    }

    #[test]
    fn answers_are_read() {
        let vector = |values: &str| {
            format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{values}]}}}}"#)
        };
        let series = |value: &str| format!(r#"{{"metric":{{"pod":"a"}},"value":[1700000000.5,"{value}"]}}"#);
        let two = vector(&[series("0.5"), series("NaN"), series("2")].join(","));
        assert_eq!(read(200, two.as_bytes()), Reading::Values(vec![0.5, 2.0]));
        assert_eq!(read(200, vector("").as_bytes()), Reading::Nothing("no series".into()));
        assert_eq!(read(200, vector(&series("NaN")).as_bytes()), Reading::Nothing("no finite value".into()));
        let scalar =
            br#"{"status":"success","data":{"resultType":"scalar","result":[1.0,"3"]},"warnings":["x"]}"#;
        assert_eq!(read(200, scalar), Reading::Values(vec![3.0]));
    }

    #[test]
    fn what_is_not_data_is_never_a_value() {
        let refused = br#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        assert_eq!(read(400, refused), Reading::Refused("parse error".into()));
        let matrix = br#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
        assert!(matches!(read(200, matrix), Reading::Refused(_)));
        for (status, body) in
            [(200, &b"<html>"[..]), (200, b"{}"), (502, b""), (503, refused), (403, b""), (400, b"no")]
        {
            assert!(matches!(read(status, body), Reading::Nothing(_)), "{status}");
        }
    }
}
