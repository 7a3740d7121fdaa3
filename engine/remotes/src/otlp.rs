//! Traces for a collector, by the OpenTelemetry protocol over HTTP with binary protobuf
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).

use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use stageway_core::trace::Span;
use stageway_ports::{Egress, Http, HttpError, HttpRequest, SecretValue, Traces, TracesError};
use std::sync::Arc;

/// For one request.
const WITHIN_MS: u64 = 10_000;
/// What is read of an answer.
const ANSWER: u64 = 64 << 10;

/// How a collector is reached.
pub struct OtlpConnection {
    /// The whole address, such as `http://localhost:4318/v1/traces`.
    pub url: String,
    /// The host and port that are in it, as the egress rules write them.
    pub host: String,
    /// Headers of every request, such as one with a key.
    pub headers: Vec<(String, SecretValue)>,
    /// Which program is told as the source, and its version.
    pub service: (&'static str, &'static str),
    /// What sends.
    pub http: Arc<dyn Http>,
}

/// A collector.
pub struct OtlpTraces(OtlpConnection);

impl OtlpTraces {
    /// Nothing is sent yet.
    pub fn new(connection: OtlpConnection) -> Self {
        Self(connection)
    }

    fn request(&self, spans: &[Span]) -> HttpRequest {
        let mut headers = vec![("content-type".to_owned(), "application/x-protobuf".to_owned())];
        headers.extend(
            self.0
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value.expose()).into_owned())),
        );
        HttpRequest {
            method: "POST".to_owned(),
            url: self.0.url.clone(),
            headers,
            body: message(self.0.service, spans).encode_to_vec(),
            timeout_ms: WITHIN_MS,
            response_bytes: ANSWER,
            redirects: 0,
        }
    }
}

#[async_trait]
impl Traces for OtlpTraces {
    async fn export(&self, spans: &[Span]) -> Result<(), TracesError> {
        let egress = Egress { hosts: vec![self.0.host.clone()] };
        let answer = match self.0.http.send(self.request(spans), &egress).await {
            Ok(answer) => answer,
            Err(error @ (HttpError::Invalid(_) | HttpError::Denied(_) | HttpError::TooLarge(_))) => {
                return Err(TracesError::Refused(error.to_string()));
            }
            Err(error) => return Err(TracesError::Unavailable(error.to_string())),
        };
        match answer.status {
            200..=299 => taken(&answer.body),
            // Those that the protocol says may be tried again.
            429 | 502 | 503 | 504 => Err(TracesError::Unavailable(format!("it answers {}", answer.status))),
            status => Err(TracesError::Refused(format!("it answers {status}"))),
        }
    }
}

/// A collector may take a part only, and then says why.
fn taken(body: &[u8]) -> Result<(), TracesError> {
    // Collectors exist that answer something else; what was taken is taken.
    let Ok(answer) = ExportTraceServiceResponse::decode(body) else { return Ok(()) };
    match answer.partial_success {
        Some(partial) if partial.rejected_spans > 0 => Err(TracesError::Refused(format!(
            "{} spans are not taken: {}",
            partial.rejected_spans,
            partial.error_message.chars().take(200).collect::<String>()
        ))),
        _ => Ok(()),
    }
}

fn message((name, version): (&str, &str), spans: &[Span]) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        name: name.to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    };
    let resource = Resource {
        attributes: vec![text("service.name", name), text("service.version", version)],
        ..Resource::default()
    };
    let scope_spans = otlp::ScopeSpans {
        scope: Some(scope),
        spans: spans.iter().map(span).collect(),
        ..otlp::ScopeSpans::default()
    };
    let resource_spans = otlp::ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope_spans],
        ..Default::default()
    };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
}

fn span(span: &Span) -> otlp::Span {
    let (code, message) = match &span.problem {
        Some(problem) => (StatusCode::Error, problem.clone()),
        None => (StatusCode::Unset, String::new()),
    };
    otlp::Span {
        trace_id: span.trace.0.to_vec(),
        span_id: span.id.0.to_vec(),
        parent_span_id: span.parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
        name: span.name.clone(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: nanoseconds(span.begun),
        end_time_unix_nano: nanoseconds(span.ended),
        attributes: span.attributes.iter().map(|(name, value)| text(name, value)).collect(),
        events: span
            .moments
            .iter()
            .map(|(at, what)| Event {
                time_unix_nano: nanoseconds(*at),
                name: what.clone(),
                ..Event::default()
            })
            .collect(),
        status: Some(otlp::Status { code: code.into(), message }),
        ..otlp::Span::default()
    }
}

fn nanoseconds(milliseconds: u64) -> u64 {
    milliseconds.saturating_mul(1_000_000)
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(any_value::Value::StringValue(value.to_owned()));
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value }), ..KeyValue::default() }
}
