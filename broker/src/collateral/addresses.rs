//! `[collateral]`: whether anything is fetched, from where, and how often.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use vouchsafe_attestation::anchors::{BUILTIN, Product, Root};
use vouchsafe_attestation::google_token::TokenKeys;
use vouchsafe_protocol::bundle::MAX_BUNDLE_TEXT;

use super::jobs::{Job, Source};
use super::wanted::{Chip, Measured};

/// `[collateral]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollateralConfig {
    /// Whether the broker fetches anything.
    pub fetch: bool,
    /// AMD's Key Distribution Service, or a mirror.
    pub amd_kds: String,
    /// Intel's Provisioning Certification Service, or a cache of it (PCCS).
    pub intel_pcs: String,
    /// CRL of Intel's root CA.
    pub intel_root_crl: String,
    /// CRLs of Google's CAs.
    pub google_crls: Vec<String>,
    /// The key set of Google's attestation service. Another address than Google's own gives the root `extra`.
    pub jwks: String,
    /// Google's launch endorsements.
    pub endorsements: String,
    /// The least time between two fetches of one item that is there.
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
            intel_root_crl: "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der".to_owned(),
            google_crls: google_crls(),
            jwks: TokenKeys::GOOGLE_JWKS.to_owned(),
            endorsements: "https://storage.googleapis.com/gce_tcb_integrity".to_owned(),
            refresh_min: Duration::from_secs(300),
            refresh_max: Duration::from_secs(86_400),
        }
    }
}

impl CollateralConfig {
    /// What is wrong with it: the key, and what it must be.
    pub(crate) fn flaw(&self) -> Option<(&'static str, &'static str)> {
        let address = "an address with http:// or https:// and no slash at its end";
        let checks = [
            ("collateral.amd_kds", is_address(&self.amd_kds), address),
            ("collateral.intel_pcs", is_address(&self.intel_pcs), address),
            ("collateral.intel_root_crl", is_address(&self.intel_root_crl), address),
            ("collateral.google_crls", self.google_crls.len() <= 64, "at most 64 addresses"),
            ("collateral.google_crls", self.google_crls.iter().all(|url| is_address(url)), address),
            // Nothing signs a key set: whoever answers there makes tokens.
            ("collateral.jwks", is_private(&self.jwks), "an address with https://, or of this machine"),
            ("collateral.endorsements", is_address(&self.endorsements), address),
            ("collateral.refresh_min", !self.refresh_min.is_zero(), "at least 1 second"),
            ("collateral.refresh_max", self.refresh_max >= self.refresh_min, "at least refresh_min"),
        ];
        checks.into_iter().find(|(_, holds, _)| !holds).map(|(key, _, expected)| (key, expected))
    }

    /// Whether the key set comes from the address that Google publishes, over TLS by the system's roots.
    pub(crate) fn jwks_root(&self) -> Root {
        if self.jwks == TokenKeys::GOOGLE_JWKS { Root::Google } else { Root::Extra }
    }

    /// The lists that are kept current: those of AMD's table and Google's.
    pub(crate) fn crls(&self) -> Vec<Job> {
        let amd = BUILTIN.iter().filter(|anchor| anchor.root == Root::Amd);
        let mut urls: Vec<_> = amd.filter_map(|anchor| anchor.crl_url?.strip_prefix(AMD_KDS)).collect();
        urls.sort_unstable();
        urls.dedup();
        let amd = urls.into_iter().map(|path| (Source::Amd, format!("{}{path}", self.amd_kds)));
        let google = self.google_crls.iter().map(|url| (Source::GoogleCrls, url.clone()));
        amd.chain(google).map(|(source, url)| Job::Crl { source, url }).collect()
    }

    /// Where a chip's certificate may be: AMD's "VCEK certificate and KDS interface specification", revision 1.00, §4.1.
    pub(crate) fn veks(&self, chip: &Chip) -> Vec<String> {
        let (short, rest) = chip.id.split_at(8);
        let is_short = rest.iter().all(|byte| *byte == 0);
        let products = match chip.product {
            Some(product) => vec![product],
            // Turin's ids have 8 bytes, zeros follow; the report does not say more.
            None if is_short => vec![Product::Turin],
            None => vec![Product::Milan, Product::Genoa],
        };
        let url = |product: Product| {
            let id = hex::encode(if product == Product::Turin { short } else { &chip.id });
            let base = format!("{}/vcek/v1/{}/{id}", self.amd_kds, product.name());
            // SEV-SNP ABI 1.58 §2.2: the layout differs from Turin on.
            match (product, chip.tcb) {
                (Product::Turin, [fmc, boot, tee, snp, _, _, _, microcode]) => {
                    format!("{base}?fmcSPL={fmc}&blSPL={boot}&teeSPL={tee}&snpSPL={snp}&ucodeSPL={microcode}")
                }
                (_, [boot, tee, _, _, _, _, snp, microcode]) => {
                    format!("{base}?blSPL={boot}&teeSPL={tee}&snpSPL={snp}&ucodeSPL={microcode}")
                }
            }
        };
        products.into_iter().map(url).collect()
    }

    /// Where a launch endorsement is (gce-tcb-verifier, names of objects in Google's bucket).
    pub(crate) fn endorsement(&self, measured: &Measured) -> String {
        let technology = match measured {
            Measured::SevSnp(_) => "sevsnp",
            Measured::Tdx(_) => "tdx",
        };
        format!("{}/ovmf_x64_csm/{technology}/{}.binarypb", self.endorsements, measured.digest())
    }
}

fn google_crls() -> Vec<String> {
    let google = BUILTIN.iter().filter(|anchor| anchor.root == Root::Google);
    let mut urls: Vec<_> = google.filter_map(|anchor| anchor.crl_url).map(str::to_owned).collect();
    // As AK certificates below the older root name it.
    urls.push("https://pki.goog/cloud_integrity/tpm_ek_intermediate_3.crl".to_owned());
    urls.sort_unstable();
    urls.dedup();
    urls
}

fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/'))
        && url.len() <= MAX_BUNDLE_TEXT / 2
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_private(url: &str) -> bool {
    let host = |url: &str| {
        let uri: ureq::http::Uri = url.parse().ok()?;
        uri.host().map(str::to_owned)
    };
    let is_here =
        || host(url).is_some_and(|host| ["127.0.0.1", "[::1]", "localhost"].contains(&host.as_str()));
    is_address(url) && (url.starts_with("https://") || is_here())
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
}

/// As in the table of anchors.
const AMD_KDS: &str = "https://kdsintf.amd.com";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_chips_have_amds_form() {
        let config = CollateralConfig::default();
        let chip = Chip { id: [0xab; 64], tcb: [2, 0, 0, 0, 0, 0, 5, 68], product: Some(Product::Milan) };
        let id = "ab".repeat(64);
        let query = "blSPL=2&teeSPL=0&snpSPL=5&ucodeSPL=68";
        assert_eq!(config.veks(&chip), [format!("https://kdsintf.amd.com/vcek/v1/Milan/{id}?{query}")]);
        let unknown = config.veks(&Chip { product: None, ..chip });
        assert_eq!(unknown.len(), 2);
        assert!(unknown[1].starts_with("https://kdsintf.amd.com/vcek/v1/Genoa/"), "{unknown:?}");
        let mut short = [0; 64];
        short[..8].fill(0x6b);
        let turin = Chip { id: short, tcb: [1, 2, 3, 4, 0, 0, 0, 82], product: None };
        assert_eq!(
            config.veks(&turin),
            [
                "https://kdsintf.amd.com/vcek/v1/Turin/6b6b6b6b6b6b6b6b?fmcSPL=1&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=82"
            ]
        );
    }

    #[test]
    fn the_lists_of_the_table_are_kept() {
        let jobs = CollateralConfig { amd_kds: "http://mirror".to_owned(), ..Default::default() }.crls();
        let urls: Vec<_> = jobs.iter().map(ToString::to_string).collect();
        for product in ["Milan", "Genoa", "Turin"] {
            assert!(urls.contains(&format!("http://mirror/vcek/v1/{product}/crl")), "{urls:?}");
            assert!(urls.contains(&format!("http://mirror/vlek/v1/{product}/crl")), "{urls:?}");
        }
        assert_eq!(urls.len(), 6 + google_crls().len());
        assert_eq!(google_crls().len(), 3);
    }

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
