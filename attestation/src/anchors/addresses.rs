//! Where vendors publish the certificates of their issuing CAs.
//!
//! A certificate with an unknown issuer names its issuer's URL, and that URL is unverified: anybody can write
//! anything there (T57). So only URLs with the hosts and path shapes of this table are ever fetched, and the
//! response counts only if it chains to an anchor and has the expected key. Google's storage has other
//! customers' CAs under the same shape, and anybody can create a bucket with such a name.

use std::fmt;

use super::purpose::Purpose;

/// A URL with the shape that a vendor uses for certificates of its issuing CAs. That does not prove that it
/// is the vendor's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerAddress(String);

/// A row of the table.
struct Place {
    purpose: Purpose,
    fits: fn(host: &str, path: &str) -> bool,
}

/// Below `EK/AK CA Root` and below `tpm_ek_root_1`.
const PLACES: &[Place] = &[
    Place { purpose: Purpose::GoogleAk, fits: is_private_ca },
    Place { purpose: Purpose::GoogleAk, fits: is_cloud_integrity },
];

/// Issuing CAs of AKs whose URLs are known from public certificates and that are not in the table of anchors.
pub const KNOWN_ISSUERS: &[&str] = &[
    "http://privateca-content-6a296e11-0000-2725-92a1-883d24f8f850.storage.googleapis.com/c5d5570c2c122e4f7db7/ca.crt",
    "http://privateca-content-6a0eb5bf-0000-2a4c-9470-f4030438c2d4.storage.googleapis.com/a5c5bf4db35f4a0beb70/ca.crt",
];

impl IssuerAddress {
    /// The URL, if it has a shape of this purpose. Nothing is decoded or normalised: any other spelling is
    /// rejected.
    #[must_use]
    pub fn parse(purpose: Purpose, url: &str) -> Option<Self> {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
        let (host, path) = rest.split_at_checked(rest.find('/')?)?;
        let fits = |place: &&Place| place.purpose == purpose && (place.fits)(host, path);
        PLACES.iter().find(fits).map(|_| Self(url.to_owned()))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssuerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Google's Certificate Authority Service: `privateca-content-UUID.storage.googleapis.com/20HEX/ca.crt`.
fn is_private_ca(host: &str, path: &str) -> bool {
    let uuid =
        host.strip_prefix("privateca-content-").and_then(|host| host.strip_suffix(".storage.googleapis.com"));
    let folder = path.strip_prefix('/').and_then(|path| path.strip_suffix("/ca.crt"));
    uuid.is_some_and(is_uuid) && folder.is_some_and(|folder| is_hex(folder, 20))
}

/// `pki.goog/cloud_integrity/NAME.crt`.
fn is_cloud_integrity(host: &str, path: &str) -> bool {
    let name = path.strip_prefix("/cloud_integrity/").and_then(|path| path.strip_suffix(".crt"));
    let is_plain = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    host == "pki.goog" && name.is_some_and(is_plain)
}

fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    [8, 4, 4, 4, 12].into_iter().all(|length| groups.next().is_some_and(|group| is_hex(group, length)))
        && groups.next().is_none()
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = "http://privateca-content-65d1688e-0000-2203-850e-30fd381456f8.storage.googleapis.com/810af313406ad3e2079b/ca.crt";

    fn is_accepted(url: &str) -> bool {
        IssuerAddress::parse(Purpose::GoogleAk, url).is_some()
    }

    #[test]
    fn addresses_of_googles_cas_have_their_shape() {
        for anchor in super::super::BUILTIN {
            // One certificate was published elsewhere.
            let is_here = anchor.purposes == [Purpose::GoogleAk] && !anchor.url.contains("github.com");
            assert_eq!(is_accepted(anchor.url), is_here, "{}", anchor.name);
        }
        for known in KNOWN_ISSUERS {
            assert!(is_accepted(known), "{known}");
        }
        assert!(is_accepted(&REAL.replace("http:", "https:")));
    }

    #[test]
    fn t57_other_hierarchies_have_no_address_of_unknown_issuers() {
        assert!(is_accepted(REAL));
        for purpose in [
            Purpose::AmdVcek,
            Purpose::AmdVlek,
            Purpose::IntelPck,
            Purpose::ConfidentialSpace,
            Purpose::LaunchSigner,
        ] {
            assert_eq!(IssuerAddress::parse(purpose, REAL), None, "{purpose:?}");
        }
    }

    #[test]
    fn t57_no_other_host_and_no_other_spelling_is_an_address() {
        for template in OTHERS {
            let url = template.replace("HOST", HOST).replace("PATH", PATH);
            assert!(!is_accepted(&url), "{url}");
        }
        assert!(is_accepted(&format!("http://{HOST}{PATH}")));
    }

    const HOST: &str = "privateca-content-65d1688e-0000-2203-850e-30fd381456f8.storage.googleapis.com";
    const PATH: &str = "/810af313406ad3e2079b/ca.crt";

    /// URLs that each differ in one point; HOST and PATH are replaced by those of a genuine URL.
    const OTHERS: &[&str] = &[
        // Other schemes and other spellings of them.
        "ftp://HOSTPATH",
        "file://PATH",
        "HTTP://HOSTPATH",
        "//HOSTPATH",
        "gopher://HOSTPATH",
        // Inside services.
        "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",
        "http://metadata.google.internal/810af313406ad3e2079b/ca.crt",
        "http://127.0.0.1/810af313406ad3e2079b/ca.crt",
        "http://2130706433/810af313406ad3e2079b/ca.crt",
        "http://[::1]/810af313406ad3e2079b/ca.crt",
        "http://[fe80::1]/cloud_integrity/x.crt",
        "http://[::ffff:169.254.169.254]/810af313406ad3e2079b/ca.crt",
        "http://10.0.0.1/cloud_integrity/tpm_ek_root_1.crt",
        "http://localhost/cloud_integrity/tpm_ek_root_1.crt",
        // A genuine name somewhere else in the authority.
        "http://HOST@169.254.169.254PATH",
        "http://user:pass@HOSTPATH",
        "http://@HOSTPATH",
        "http://169.254.169.254\\@HOSTPATH",
        "http://HOST.evil.examplePATH",
        "http://evil.example/HOSTPATH",
        "http://evil.example#HOSTPATH",
        "http://evil.example?HOSTPATH",
        "http://x.HOSTPATH",
        "http://HOST.PATH",
        // Ports.
        "http://HOST:80PATH",
        "http://HOST:22PATH",
        // Case, percent-encoding, other alphabets.
        "http://PRIVATECA-CONTENT-65D1688E-0000-2203-850E-30FD381456F8.STORAGE.GOOGLEAPIS.COM/810AF313406AD3E2079B/CA.CRT",
        "http://privateca-content-65d1688e-0000-2203-850e-30fd381456f8.Storage.googleapis.com/810af313406ad3e2079b/ca.crt",
        "http://privateca-content-65D1688E-0000-2203-850e-30fd381456f8.storage.googleapis.com/810af313406ad3e2079b/ca.crt",
        "http://privateca-content-%365d1688e-0000-2203-850e-30fd381456f8.storage.googleapis.com/810af313406ad3e2079b/ca.crt",
        "http://privateca-content-65d1688e-0000-2203-850e-30fd381456f8.storage.googleapis.com/810af313406ad3e2079b%2fca.crt",
        "http://privateca-content-65d1688e-0000-2203-850e-30fd381456f8.storage.googleapis.com/810af313406ad3e2079b/ca%2ecrt",
        "http://privateca-content-65d1688e-0000-2203-850e-30fd381456f8.storage\u{ff0e}googleapis.com/810af313406ad3e2079b/ca.crt",
        // Other paths.
        "http://HOST/810af313406ad3e2079b/../ca.crt",
        "http://HOST//810af313406ad3e2079b/ca.crt",
        "http://HOST/810af313406ad3e2079/ca.crt",
        "http://HOST/810af313406ad3e2079bb/ca.crt",
        "http://HOST/810af313406ad3e2079b/crl.crl",
        "http://HOSTPATH?x=1",
        "http://HOSTPATH#x",
        "http://HOSTPATH/",
        "http://HOSTPATH ",
        "http://HOSTPATH\r\nHost: evil.example",
        "http://HOST",
        "http://privateca-content-65d1688e.storage.googleapis.com/810af313406ad3e2079b/ca.crt",
        "http://privateca-content-.storage.googleapis.com/810af313406ad3e2079b/ca.crt",
        "http://storage.googleapis.com/810af313406ad3e2079b/ca.crt",
        "http://pki.goog/cloud_integrity/../x.crt",
        "http://pki.goog/cloud_integrity/.crt",
        "http://pki.goog/cloud_integrity/a/b.crt",
        "http://pki.goog/gsr1/gsr1.crt",
        "http://pki.goog.evil.example/cloud_integrity/x.crt",
        "",
    ];
}
