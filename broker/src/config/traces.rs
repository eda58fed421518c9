//! `[traces]`: where traces of requests are sent, and of how many requests.

use std::path::PathBuf;

use serde::Deserialize;

use super::collateral::is_private;

/// `[traces]`. Without this section nothing is traced.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// The collector's URL for traces, OTLP over HTTP.
    pub endpoint: String,
    /// PEM file with the CAs of the collector; default: those of the system.
    pub ca: Option<PathBuf>,
    /// One of this many requests of guests is traced, by chance.
    #[serde(default = "one_in")]
    pub one_in: u32,
}

impl TracesConfig {
    /// The first invalid setting: its key, and what it must be.
    pub(super) fn flaw(&self) -> Option<(&'static str, &'static str)> {
        let checks = [
            (
                "traces.endpoint",
                is_private(&self.endpoint) && has_path(&self.endpoint),
                "an address with https://, or of this machine, and with its path, such as https://collector.example.com:4318/v1/traces",
            ),
            ("traces.one_in", self.one_in > 0, "at least 1"),
        ];
        checks.into_iter().find(|(_, holds, _)| !holds).map(|(key, _, expected)| (key, expected))
    }
}

/// Whether a path follows the authority: collectors answer 404 to the bare address.
fn has_path(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'))
}

const fn one_in() -> u32 {
    100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_private_and_complete() {
        let flaw = |endpoint: &str, one_in| {
            TracesConfig { endpoint: endpoint.to_owned(), ca: None, one_in }.flaw().map(|(key, _)| key)
        };
        for endpoint in ["https://collector.example.com/v1/traces", "http://127.0.0.1:4318/v1/traces"] {
            assert_eq!(flaw(endpoint, 1), None, "{endpoint}");
            assert_eq!(flaw(endpoint, 0), Some("traces.one_in"), "{endpoint}");
        }
        for endpoint in [
            "",
            "collector:4318",
            "https://collector.example.com",
            "http://collector.example.com/v1/traces",
            "https://",
        ] {
            assert_eq!(flaw(endpoint, 1), Some("traces.endpoint"), "{endpoint}");
        }
    }
}
