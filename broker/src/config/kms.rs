//! `[kms]`: how Google Cloud KMS is reached, if it wraps the root keyring. Which key does is in the keyring's file.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::seconds::seconds;
use super::url::is_url;

/// `[kms]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KmsConfig {
    /// URL of the service.
    pub endpoint: String,
    /// CAs of its TLS certificate, PEM; default: those of the system.
    pub ca: Option<PathBuf>,
    /// The key of a service account; default: the service account of the VM.
    pub credentials: Option<PathBuf>,
    /// The metadata server that has the token of the VM's service account.
    pub metadata: String,
    /// How long it is tried to reach the service.
    #[serde(deserialize_with = "seconds")]
    pub timeout: Duration,
}

impl Default for KmsConfig {
    fn default() -> Self {
        Self {
            endpoint: "https://cloudkms.googleapis.com".to_owned(),
            ca: None,
            credentials: None,
            metadata: "http://metadata.google.internal".to_owned(),
            timeout: Duration::from_secs(30),
        }
    }
}

impl KmsConfig {
    /// The first invalid setting: its key, and what it must be.
    pub(crate) fn flaw(&self) -> Option<(&'static str, &'static str)> {
        let is_plain_url =
            |url: &str| url.strip_prefix("http://").is_some_and(|rest| is_url(&format!("https://{rest}")));
        let checks = [
            ("kms.endpoint", is_url(&self.endpoint), "an https:// address without a path"),
            ("kms.metadata", is_plain_url(&self.metadata), "an http:// address without a path"),
            ("kms.timeout", (1..=600).contains(&self.timeout.as_secs()), "1 to 600 seconds"),
        ];
        checks.into_iter().find(|(_, holds, _)| !holds).map(|(key, _, expected)| (key, expected))
    }

    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.ca.iter_mut().chain(&mut self.credentials)
    }
}
