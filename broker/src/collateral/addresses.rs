//! Where collateral is: at the vendors, or at the mirrors and caches that the configuration names.

use vouchsafe_attestation::anchors::{BUILTIN, IssuerAddress, KNOWN_ISSUERS, Product, Purpose, Root};
use vouchsafe_attestation::collateral::{Chip, Issuer, Measured, Missing, TdxPart};
use vouchsafe_attestation::tdx::Platform;
use vouchsafe_protocol::bundle::MAX_BUNDLE_TEXT;

use super::jobs::Job;
use crate::config::CollateralConfig;
use crate::config::collateral::AMD_KDS;

impl CollateralConfig {
    /// Items kept current from the start: the CRLs in the table of anchors and in the configuration, and the
    /// issuing CAs whose URLs are known. Verified certificates name further CRLs.
    pub(super) fn planned(&self) -> Vec<Job> {
        let listed = BUILTIN.iter().filter(|anchor| anchor.root != Root::Intel).filter_map(|anchor| {
            let key = anchor.issuer.map_or(anchor.spki, |issuer| issuer.spki);
            Some(Job::crl((*anchor.crl_url?).to_owned(), Some(key.into())))
        });
        let configured = self.crls.iter().map(|url| Job::crl(url.clone(), None));
        let issuers = KNOWN_ISSUERS.iter().filter_map(|url| {
            let address = IssuerAddress::parse(Purpose::GoogleAk, url)?;
            Some(Job::Item(Missing::Issuer(Issuer { address, key_id: None })))
        });
        let mut jobs: Vec<Job> = listed.chain(configured).chain(issuers).collect();
        jobs.sort();
        jobs.dedup();
        jobs
    }

    /// The URL to fetch for a URL that a certificate names: at the mirror, if one is configured.
    pub(super) fn place(&self, url: &str) -> String {
        if let Some(path) = url.strip_prefix(AMD_KDS).filter(|path| path.starts_with('/')) {
            return format!("{}{path}", self.amd_kds);
        }
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let at_mirror = self.mirror.as_ref().zip(rest).map(|(mirror, rest)| format!("{mirror}/{rest}"));
        // URLs that the operator configured are not redirected to the mirror.
        at_mirror.filter(|_| !self.crls.iter().any(|known| known == url)).unwrap_or_else(|| url.to_owned())
    }

    /// Candidate URLs of a chip's certificate: AMD's "VCEK certificate and KDS interface specification",
    /// revision 1.00, §4.1.
    pub(super) fn veks(&self, chip: &Chip) -> Vec<String> {
        let (short, rest) = chip.id.split_at(8);
        let is_short = rest.iter().all(|byte| *byte == 0);
        let products = match chip.product {
            Some(product) => vec![product],
            // Turin's ids have 8 bytes, padded with zeros. The report does not state the length.
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

    /// The URL of a part of Intel's collateral: Provisioning Certification Service, version 4, or a cache of it (PCCS).
    pub(super) fn intel(&self, part: TdxPart, platform: &Platform) -> String {
        let base = &self.intel_pcs;
        let fmspc = hex::encode(platform.fmspc);
        let ca = platform.ca.name();
        match part {
            TdxPart::TcbInfo => format!("{base}/tdx/certification/v4/tcb?fmspc={fmspc}"),
            TdxPart::QeIdentity => format!("{base}/tdx/certification/v4/qe/identity"),
            TdxPart::PckCrl => format!("{base}/sgx/certification/v4/pckcrl?ca={ca}&encoding=der"),
            TdxPart::RootCrl => self.intel_root_crl.clone(),
        }
    }

    /// The URL of a launch endorsement (gce-tcb-verifier, object names in Google's bucket).
    pub(super) fn endorsement(&self, measured: &Measured) -> String {
        let technology = match measured {
            Measured::SevSnp(_) => "sevsnp",
            Measured::Tdx(_) => "tdx",
        };
        format!("{}/ovmf_x64_csm/{technology}/{}.binarypb", self.endorsements, measured.digest())
    }
}

/// Whether the broker fetches a CRL from this URL, which a verified certificate names: `http` or `https`, a
/// DNS name, no user, no port, nothing after the path but a query. CRLs at other URLs have to be imported.
pub(super) fn is_crl_address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some((host, path)) = rest.and_then(|rest| rest.split_at_checked(rest.find('/')?)) else {
        return false;
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    // The last label starts with a letter: neither an IPv4 address nor a number that some parsers read as
    // one.
    let is_name =
        host.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_lowercase()));
    is_name
        && host.contains('.')
        && host.split('.').all(is_label)
        && url.len() <= MAX_BUNDLE_TEXT / 2
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'@' | b'\\'))
}

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
    fn crls_in_the_table_are_kept_current_and_fetched_from_mirrors() {
        let config = CollateralConfig { amd_kds: "http://amd".to_owned(), ..Default::default() };
        let urls: Vec<_> = config.planned().iter().map(ToString::to_string).collect();
        for product in ["Milan", "Genoa", "Turin"] {
            for kind in ["vcek", "vlek"] {
                let url = format!("https://kdsintf.amd.com/{kind}/v1/{product}/crl");
                assert!(urls.contains(&url), "{urls:?}");
                assert_eq!(config.place(&url), format!("http://amd/{kind}/v1/{product}/crl"));
            }
        }
        // AMD's six, one for each of Google's two roots, and the issuing CAs with known URLs.
        assert_eq!(urls.len(), 6 + 2 + KNOWN_ISSUERS.len(), "{urls:?}");
        let google = "http://pki.goog/cloud_integrity/tpm_ek_root_1.crl";
        assert_eq!(config.place(google), google);
        let config = CollateralConfig { mirror: Some("http://10.0.0.1:8080".to_owned()), ..config };
        assert_eq!(config.place(google), "http://10.0.0.1:8080/pki.goog/cloud_integrity/tpm_ek_root_1.crl");
        assert_eq!(
            config.place("https://kdsintf.amd.com.evil/x"),
            "http://10.0.0.1:8080/kdsintf.amd.com.evil/x"
        );
    }

    #[test]
    fn t57_only_plain_addresses_of_crls_are_fetched() {
        for anchor in BUILTIN {
            assert!(anchor.crl_url.is_none_or(is_crl_address), "{}", anchor.name);
        }
        assert!(is_crl_address(
            "https://api.trustedservices.intel.com/sgx/certification/v3/pckcrl?ca=platform"
        ));
        for url in [
            "ldap://pki.example/crl",
            "file:///etc/passwd",
            "HTTP://pki.example/crl",
            "http://169.254.169.254/crl",
            "http://0x7f.1/crl",
            "http://127.1/crl",
            "http://[::1]/crl",
            "http://localhost/crl",
            "http://user@pki.example/crl",
            "http://pki.example:8080/crl",
            "http://pki.example/crl#x",
            "http://pki.example\\@10.0.0.1/crl",
            "http://pki.example/crl\r\nX: y",
            "http://PKI.example/crl",
            "http://pki%2eexample/crl",
            "http://.example/crl",
            "http://pki.example",
            "",
        ] {
            assert!(!is_crl_address(url), "{url}");
        }
    }
}
