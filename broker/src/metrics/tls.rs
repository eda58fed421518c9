//! Metrics of TLS.

use prometheus::{IntGaugeVec, Opts, Registry};
use vouchsafe_protocol::UnixTime;

use super::registry::registered;

/// The end of each listener's certificate.
#[derive(Clone, Debug)]
pub struct TlsMetrics {
    expiry: IntGaugeVec,
}

impl TlsMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let expiry = Opts::new(
            "vouchsafe_tls_certificate_expiry_seconds",
            "Until the certificate of a listener ends, negative afterwards; absent if it cannot be read",
        );
        Ok(Self { expiry: registered(registry, IntGaugeVec::new(expiry, &["listener"])?)? })
    }

    /// Sets the metric of a listener from the end of its certificate.
    pub fn observe(&self, listener: &str, ends_at: Option<UnixTime>, now: UnixTime) {
        let Some(ends_at) = ends_at else {
            // There is nothing to remove before the first certificate.
            let _absent = self.expiry.remove_label_values(&[listener]);
            return;
        };
        let seconds = |time: UnixTime| i64::try_from(time.0).unwrap_or(i64::MAX);
        self.expiry.with_label_values(&[listener]).set(seconds(ends_at).saturating_sub(seconds(now)));
    }
}
