//! OTLP over HTTP (OTLP 1.x, "Binary Protobuf Encoding"): one request, bounded in time.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts};
use vouchsafe_system::http;

use super::error::TracesError;
use crate::config::TracesConfig;
use crate::service_cas;

/// Sends to one collector.
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
}

/// What the collector made of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It took all spans but these.
    Taken { rejected: u64 },
    /// It may take them later.
    Later { reason: String, after: Option<Duration> },
    /// It does not want them.
    Refused { reason: String },
}

impl Client {
    pub(super) fn new(config: &TracesConfig) -> Result<Self, TracesError> {
        let cas = if config.ca.is_some() || config.endpoint.starts_with("https:") {
            service_cas::load("traces", config.ca.as_deref())?
        } else {
            Vec::new()
        };
        let cas: Vec<_> = cas.iter().map(|ca| Certificate::from_der(ca).to_owned()).collect();
        let config_of_agent = http::with_roots(RootCerts::new_with_certs(&cas))
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("vouchsafe/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config_of_agent.into(), endpoint: config.endpoint.clone() })
    }

    pub(super) fn send(&self, spans: &ExportTraceServiceRequest) -> Outcome {
        let request = self.agent.post(&self.endpoint).content_type(PROTOBUF);
        let mut response = match request.send(&spans.encode_to_vec()[..]) {
            Ok(response) => response,
            Err(error) => return Outcome::Later { reason: error.to_string(), after: None },
        };
        match response.status().as_u16() {
            200 => {
                let body = response.body_mut().with_config().limit(MOST_ANSWERED).read_to_vec();
                Outcome::Taken { rejected: body.map_or(0, |body| rejected(&body)) }
            }
            // OTLP 1.x, "Retryable Response Codes".
            status @ (429 | 502 | 503 | 504) => {
                let after = http::retry_after(response.headers());
                Outcome::Later { reason: format!("HTTP status {status}"), after }
            }
            status => Outcome::Refused { reason: format!("HTTP status {status}") },
        }
    }
}

/// Spans that the collector rejected of a request that it took. An answer that cannot be read names none.
fn rejected(body: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    answer.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or_default())
}

const TIMEOUT: Duration = Duration::from_secs(5);
const PROTOBUF: &str = "application/x-protobuf";
const MOST_ANSWERED: u64 = 64 * 1024;
