//! Which requests are traced, and the way to the collector.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use vouchsafe_protocol::Nonce;

use super::client::Client;
use super::error::TracesError;
use super::exporter::Exporter;
use super::id::TraceId;
use super::span;
use crate::config::TracesConfig;
use crate::metrics::TraceMetrics;
use crate::random;

/// Takes traces and sends them to the collector.
pub(crate) struct Traces {
    key: hmac::Key,
    one_in: u32,
    pub(super) exporter: Exporter,
}

impl Traces {
    /// Starts a thread that sends what is traced.
    pub(crate) fn start(config: &TracesConfig, metrics: TraceMetrics) -> Result<Arc<Self>, TracesError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>()?);
        let instance = random::bytes::<16>()?;
        let exporter = Exporter::start(Client::new(config)?, span::resource(instance), metrics);
        let exporter = exporter.map_err(TracesError::Thread)?;
        Ok(Arc::new(Self { key, one_in: config.one_in, exporter }))
    }

    /// Sends what waits, for at most this long.
    pub(crate) fn flush(&self, limit: Duration) {
        self.exporter.flush(limit);
    }

    /// The trace of the requests about this nonce.
    pub(super) fn id_of(&self, nonce: &Nonce) -> TraceId {
        // HMAC-SHA-256(label || nonce), of which 16 bytes are used.
        let mac = hmac::sign(&self.key, &[TRACE_LABEL, &nonce.0].concat());
        TraceId(mac.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// The trace, if it is one of those that are sampled.
    pub(super) fn sample(&self, id: TraceId) -> Option<TraceId> {
        let chance = u128::from_be_bytes(id.0);
        (chance <= u128::MAX / u128::from(self.one_in)).then_some(id)
    }
}

const TRACE_LABEL: &[u8] = b"vouchsafe/v1 trace";
