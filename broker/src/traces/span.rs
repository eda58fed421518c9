//! What spans say. Attributes are those of OpenTelemetry's conventions where there is one, and our own with the prefix
//! `vouchsafe`. None can hold a secret, a token, evidence, a path or an address: no function here takes one.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use opentelemetry_semantic_conventions::{SCHEMA_URL, attribute};
use vouchsafe_attestation::EvidenceKind;
use vouchsafe_protocol::{DecisionId, ReasonCode};

use crate::metrics::LISTENERS;
use crate::problem::Audience;

/// A step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its bytes arrive and are parsed.
    Receive,
    /// It waits for a verifier.
    Wait,
    /// Its evidence is verified.
    Verify,
    /// Evidence of this kind is verified.
    VerifyKind(EvidenceKind),
    /// The policies decide.
    Decide,
    /// The secrets are unsealed.
    Unseal,
    /// They are wrapped to the guest's key, and the answer is signed.
    Wrap,
    /// The decision is committed to the log, and the nonce spent.
    Record,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Wait => "wait",
            Self::Verify => "verify",
            Self::VerifyKind(EvidenceKind::Vtpm) => "verify vtpm",
            Self::VerifyKind(EvidenceKind::SevSnp) => "verify sev-snp",
            Self::VerifyKind(EvidenceKind::Tdx) => "verify tdx",
            Self::VerifyKind(EvidenceKind::GoogleToken) => "verify google-token",
            Self::Decide => "decide",
            Self::Unseal => "unseal",
            Self::Wrap => "wrap",
            Self::Record => "record",
        }
    }

    pub(super) fn span(self) -> Span {
        let kind = match self {
            Self::VerifyKind(kind) => vec![text("vouchsafe.evidence.kind", kind.name())],
            _ => Vec::new(),
        };
        Span {
            name: self.name().to_owned(),
            kind: SpanKind::Internal.into(),
            attributes: kind,
            ..Span::default()
        }
    }
}

/// The span of a request.
pub(super) struct Request {
    pub(super) audience: Audience,
    pub(super) method: &'static str,
    pub(super) decision: Option<DecisionId>,
    pub(super) namespaces: Vec<String>,
    pub(super) route: Option<String>,
    /// `None` if the client went away before the answer.
    pub(super) status: Option<u16>,
    pub(super) refusal: Option<ReasonCode>,
}

impl Request {
    pub(super) fn span(&self) -> Span {
        let [guests, operators] = LISTENERS;
        let listener = match self.audience {
            Audience::Guests => guests,
            Audience::Operators => operators,
        };
        let mut attributes = vec![
            text(attribute::HTTP_REQUEST_METHOD, self.method),
            text(attribute::URL_SCHEME, "https"),
            text("vouchsafe.listener", listener),
        ];
        let method = if self.method == OTHER_METHOD { "HTTP" } else { self.method };
        let mut name = method.to_owned();
        if let Some(route) = &self.route {
            name = format!("{method} {route}");
            attributes.push(text(attribute::HTTP_ROUTE, route));
        }
        if let Some(status) = self.status {
            attributes.push(attribute(attribute::HTTP_RESPONSE_STATUS_CODE, Value::IntValue(status.into())));
        }
        if let Some(decision) = self.decision {
            attributes.push(text("vouchsafe.decision.id", &decision.to_string()));
        }
        if !self.namespaces.is_empty() {
            attributes.push(texts("vouchsafe.namespaces", &self.namespaces));
        }
        attributes.extend(self.refusal.map(reason));
        let status = self.failure().map(|error| {
            attributes.push(text(attribute::ERROR_TYPE, error));
            Status { message: String::new(), code: StatusCode::Error.into() }
        });
        Span { name, kind: SpanKind::Server.into(), attributes, status, ..Span::default() }
    }

    /// What went wrong on the broker's side: a client's mistake is not an error of a server's span.
    fn failure(&self) -> Option<&'static str> {
        match (self.status, self.refusal) {
            (Some(500..), Some(code)) => Some(code.as_str()),
            (Some(500..), None) => Some("5xx"),
            (None, _) => Some("client-gone"),
            _ => None,
        }
    }
}

/// The methods of the broker's routes.
pub(super) fn known_method(method: &str) -> &'static str {
    ["GET", "POST", "PUT", "DELETE", "HEAD"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or(OTHER_METHOD)
}

/// The code of a refusal.
pub(super) fn reason(code: ReasonCode) -> KeyValue {
    text("vouchsafe.reason", code.as_str())
}

/// This process: `instance` is random, and another one after each start.
pub(super) fn resource(instance: [u8; 16]) -> Resource {
    let attributes = vec![
        text(attribute::SERVICE_NAME, "vouchsafe"),
        text(attribute::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        text(attribute::SERVICE_INSTANCE_ID, &uuid(instance)),
        text(attribute::TELEMETRY_SDK_NAME, SCOPE),
        text(attribute::TELEMETRY_SDK_LANGUAGE, "rust"),
        text(attribute::TELEMETRY_SDK_VERSION, env!("CARGO_PKG_VERSION")),
    ];
    Resource { attributes, ..Resource::default() }
}

/// Spans of this resource, as they are sent.
pub(super) fn of_resource(resource: Resource, spans: Vec<Span>) -> ResourceSpans {
    let (name, version) = (SCOPE.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let scope = InstrumentationScope { name, version, ..InstrumentationScope::default() };
    let schema_url = SCHEMA_URL.to_owned();
    let scopes = ScopeSpans { scope: Some(scope), spans, schema_url: schema_url.clone() };
    ResourceSpans { resource: Some(resource), scope_spans: vec![scopes], schema_url }
}

/// A random UUID (RFC 9562 §5.4).
fn uuid(bytes: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let hex = format!("{bits:032x}");
    let mut parts = Vec::new();
    let mut rest = hex.as_str();
    for length in [8, 4, 4, 4, 12] {
        let (part, others) = rest.split_at(length);
        parts.push(part);
        rest = others;
    }
    parts.join("-")
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn texts(key: &str, values: &[String]) -> KeyValue {
    let values = values.iter().map(|value| AnyValue { value: Some(Value::StringValue(value.clone())) });
    attribute(key, Value::ArrayValue(ArrayValue { values: values.collect() }))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// In OpenTelemetry's conventions, a method that the server does not know.
const OTHER_METHOD: &str = "_OTHER";
const SCOPE: &str = "vouchsafe_broker";
