//! `[collateral]`: whether anything is fetched, from where, and how often.

use std::time::Duration;

use serde::Deserialize;
use vouchsafe_attestation::Root;
use vouchsafe_attestation::anchors::BUILTIN;
use vouchsafe_attestation::google_token::TokenKeys;
use vouchsafe_protocol::bundle::MAX_BUNDLE_TEXT;

use super::seconds::seconds;

/// `[collateral]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollateralConfig {
    /// Whether the broker fetches collateral at all.
    pub fetch: bool,
    /// AMD's Key Distribution Service, or a mirror.
    pub amd_kds: String,
    /// Intel's Provisioning Certification Service, or a cache of it (PCCS).
    pub intel_pcs: String,
    /// CRL of Intel's root CA.
    pub intel_root_crl: String,
    /// CRLs to keep current, in addition to those named by verified certificates.
    pub crls: Vec<String>,
    /// A mirror for the CRLs and issuing CAs that certificates name: `MIRROR/HOST/PATH` instead of
    /// `http://HOST/PATH`.
    pub mirror: Option<String>,
    /// The key set of Google's attestation service. Any other URL gives the root `extra`.
    pub jwks: String,
    /// Google's launch endorsements.
    pub endorsements: String,
    /// The least time between two fetches of a stored item.
    #[serde(deserialize_with = "seconds")]
    pub refresh_min: Duration,
    /// The longest.
    #[serde(deserialize_with = "seconds")]
    pub refresh_max: Duration,
}

impl Default for CollateralConfig {
    fn default() -> Self {
        Self {
            fetch: true,
            amd_kds: AMD_KDS.to_owned(),
            intel_pcs: "https://api.trustedservices.intel.com".to_owned(),
            intel_root_crl: intel_root_crl(),
            crls: Vec::new(),
            mirror: None,
            jwks: TokenKeys::GOOGLE_JWKS.to_owned(),
            endorsements: "https://storage.googleapis.com/gce_tcb_integrity".to_owned(),
            refresh_min: Duration::from_secs(300),
            refresh_max: Duration::from_secs(86_400),
        }
    }
}

impl CollateralConfig {
    /// The first invalid setting: its key, and what it must be.
    pub(super) fn flaw(&self) -> Option<(&'static str, &'static str)> {
        let address = "an address with http:// or https:// and no slash at its end";
        let checks = [
            ("collateral.amd_kds", is_address(&self.amd_kds), address),
            ("collateral.intel_pcs", is_address(&self.intel_pcs), address),
            ("collateral.intel_root_crl", is_address(&self.intel_root_crl), address),
            ("collateral.crls", self.crls.len() <= 64, "at most 64 addresses"),
            ("collateral.crls", self.crls.iter().all(|url| is_address(url)), address),
            ("collateral.mirror", self.mirror.as_ref().is_none_or(|url| is_address(url)), address),
            // A key set is not signed: whoever controls this URL can issue tokens.
            ("collateral.jwks", is_private(&self.jwks), "an address with https://, or of this machine"),
            ("collateral.endorsements", is_address(&self.endorsements), address),
            ("collateral.refresh_min", !self.refresh_min.is_zero(), "at least 1 second"),
            ("collateral.refresh_max", self.refresh_max >= self.refresh_min, "at least refresh_min"),
        ];
        checks.into_iter().find(|(_, holds, _)| !holds).map(|(key, _, expected)| (key, expected))
    }

    /// The root of fetched keys: Google's only for the URL that Google publishes, over TLS with the system's
    /// roots.
    pub(crate) fn jwks_root(&self) -> Root {
        if self.jwks == TokenKeys::GOOGLE_JWKS { Root::Google } else { Root::Extra }
    }
}

/// The URL in the table of anchors.
fn intel_root_crl() -> String {
    let root = BUILTIN.iter().find(|anchor| anchor.root == Root::Intel);
    root.and_then(|anchor| anchor.crl_url).unwrap_or_default().to_owned()
}

fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/'))
        && url.len() <= MAX_BUNDLE_TEXT / 2
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether what is sent to this URL stays private: TLS, or this machine.
pub(super) fn is_private(url: &str) -> bool {
    let host = |url: &str| {
        let uri: ureq::http::Uri = url.parse().ok()?;
        uri.host().map(str::to_owned)
    };
    let is_here =
        || host(url).is_some_and(|host| ["127.0.0.1", "[::1]", "localhost"].contains(&host.as_str()));
    is_address(url) && (url.starts_with("https://") || is_here())
}

/// As in the table of anchors.
pub(crate) const AMD_KDS: &str = "https://kdsintf.amd.com";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_set_is_googles_at_googles_address_only() {
        let config = CollateralConfig::default();
        assert_eq!((config.flaw(), config.jwks_root()), (None, Root::Google));
        let at = |jwks: &str| CollateralConfig { jwks: jwks.to_owned(), ..CollateralConfig::default() };
        for (jwks, flaw) in [
            ("https://mirror.example.com/jwks", None),
            ("http://127.0.0.1:8080/jwks", None),
            ("http://mirror.example.com/jwks", Some("collateral.jwks")),
            ("http://127.0.0.1.example.com/jwks", Some("collateral.jwks")),
        ] {
            let config = at(jwks);
            assert_eq!(config.jwks_root(), Root::Extra);
            assert_eq!(config.flaw().map(|(key, _)| key), flaw, "{jwks}");
        }
    }
}
