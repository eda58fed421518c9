//! The broker's own CA, made by `init`, and certificates from it.
//!
//! The CA's key stays beside the certificate's, so that the broker renews its certificate by itself: guests have the CA in their
//! measured initrds, where a new one would mean new images. For guests TLS only adds privacy. Operators send their tokens
//! through it, so whoever reads either key can take a token on its way: both have mode 0600.
//!
//! The CA is valid for ten years. Guests and the operators' tool look at its key alone and accept it after that.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
    date_time_ymd,
};
use vouchsafe_attestation::x509::{Certificate, SUBJECT_ALT_NAME};
use vouchsafe_protocol::UnixTime;
use vouchsafe_system::trusted_file::{self, Others, TrustedFileError};
use zeroize::Zeroizing;

use super::files::{TlsError, certificates};

/// A new CA and a certificate from it for the broker.
pub struct SelfSigned {
    /// The CA, PEM, for guests and operators.
    pub ca: String,
    /// Its key, PEM.
    pub ca_key: Zeroizing<String>,
    /// The broker's certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: Zeroizing<String>,
}

impl SelfSigned {
    /// For these host names and addresses.
    ///
    /// # Errors
    /// When a name is invalid.
    pub fn generate(hosts: &[String], now: UnixTime) -> Result<Self, rcgen::Error> {
        let ca = CertifiedIssuer::self_signed(ca(now), KeyPair::generate()?)?;
        let mut leaf = leaf(now);
        leaf.subject_alt_names = hosts.iter().map(|host| name(host)).collect::<Result<_, _>>()?;
        let key = KeyPair::generate()?;
        Ok(Self {
            ca: ca.pem(),
            ca_key: Zeroizing::new(ca.key().serialize_pem()),
            certificate: leaf.signed_by(&key, &ca)?.pem(),
            key: Zeroizing::new(key.serialize_pem()),
        })
    }
}

/// Why the broker's certificate was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// A certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A key cannot be read, or is not the broker's alone.
    #[error(transparent)]
    Key(#[from] TrustedFileError),
    /// A file has other content than `init` wrote.
    #[error("{}: this is not what `vouchsafe init` wrote", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The certificate could not be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Renews a certificate of the broker's own CA, of whose life less than a third is left, or that is not valid yet; true if it did. Its key and
/// names stay.
/// Certificates of other CAs are left alone: those have no CA's key beside them.
///
/// # Errors
/// [`RenewError`]; the certificate is as it was then.
pub fn renew(certificate: &Path, key: &Path, now: UnixTime) -> Result<bool, RenewError> {
    let Some(Beside { ca, ca_key }) = Beside::of(certificate).filter(|beside| beside.ca_key.exists()) else {
        return Ok(false);
    };
    let foreign = |path: &Path| RenewError::Foreign { path: path.to_owned() };
    let old = parsed(certificate)?;
    // One that was made while the clock was ahead is renewed too: no client accepts it yet.
    let is_early = now < old.not_before();
    if !is_early && now.plus(old.not_after().since(old.not_before()) / 3) < old.not_after() {
        return Ok(false);
    }
    let (ca_pair, pair) = (key_pair(&ca_key)?, key_pair(key)?);
    let issuer = parsed(&ca)?;
    if issuer.spki() != ca_pair.subject_public_key_info() || old.issuer() != issuer.subject() {
        return Err(foreign(&ca));
    }
    let names = old.extension(SUBJECT_ALT_NAME).ok_or_else(|| foreign(certificate))?;
    let mut new = leaf(now);
    new.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], names.to_vec())];
    let signed = new.signed_by(&pair, &Issuer::new(self::ca(now), ca_pair)).map_err(|_| foreign(&ca_key))?;
    if Certificate::parse(signed.der()).is_none_or(|signed| signed.issuer() != issuer.subject()) {
        return Err(foreign(&ca));
    }
    replace(certificate, signed.pem().as_bytes())
        .map_err(|source| RenewError::Write { path: certificate.to_owned(), source })?;
    Ok(true)
}

/// The files of the CA that `init` has put beside a certificate.
struct Beside {
    ca: PathBuf,
    ca_key: PathBuf,
}

impl Beside {
    fn of(certificate: &Path) -> Option<Self> {
        let prefix = certificate.file_name()?.to_str()?.strip_suffix("certificate.pem")?;
        let file = |name: &str| certificate.with_file_name(format!("{prefix}{name}.pem"));
        Some(Self { ca: file("ca"), ca_key: file("ca-key") })
    }
}

/// The CA that `init` has put beside a certificate, if it is there.
pub(crate) fn ca_beside(certificate: &Path) -> Option<PathBuf> {
    Beside::of(certificate).map(|beside| beside.ca).filter(|ca| ca.is_file())
}

fn parsed(path: &Path) -> Result<Certificate, RenewError> {
    let foreign = || RenewError::Foreign { path: path.to_owned() };
    let [one] = <[_; 1]>::try_from(certificates(path)?).map_err(|_| foreign())?;
    Certificate::parse(&one).ok_or_else(foreign)
}

fn key_pair(path: &Path) -> Result<KeyPair, RenewError> {
    let text = Zeroizing::new(trusted_file::read_text(path, Others::MayNothing)?);
    KeyPair::from_pem(&text).map_err(|_| RenewError::Foreign { path: path.to_owned() })
}

/// Writes the whole file before it takes the place of the old one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("pem.new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// The same name and extensions each time, so that a certificate chains to the CA's first one.
fn ca(now: UnixTime) -> CertificateParams {
    let mut ca = valid(now, CA_LIFE);
    ca.distinguished_name.push(DnType::CommonName, "vouchsafe broker CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    ca
}

fn leaf(now: UnixTime) -> CertificateParams {
    let mut leaf = valid(now, LIFE);
    leaf.distinguished_name.push(DnType::CommonName, "vouchsafe broker");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    leaf
}

/// From the day before, for clocks that are behind.
fn valid(now: UnixTime, life: u64) -> CertificateParams {
    let midnight = |(year, month, day)| date_time_ymd(year, month, day);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = midnight(day(UnixTime(now.0.saturating_sub(DAY))));
    params.not_after = midnight(day(now.plus(life)));
    params
}

/// Year, month and day in UTC; of 1970 for a time that has no date.
fn day(time: UnixTime) -> (i32, u8, u8) {
    let seconds = i64::try_from(time.0).unwrap_or_default();
    let timestamp = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let date = timestamp.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    (date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
}

fn name(host: &str) -> Result<SanType, rcgen::Error> {
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(host.try_into()?)),
    }
}

const DAY: u64 = 86_400;
/// Of the CA.
const CA_LIFE: u64 = 3652 * DAY;
/// Of a certificate: with renewal at a third, the broker may be stopped for four months.
const LIFE: u64 = 365 * DAY;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::tls::is_for;

    fn made(folder: &Path, now: UnixTime) -> (PathBuf, PathBuf) {
        let hosts = ["localhost", "127.0.0.1"].map(str::to_owned);
        let SelfSigned { ca, ca_key, certificate, key } = SelfSigned::generate(&hosts, now).unwrap();
        for (name, text) in [("ca", &ca), ("ca-key", &*ca_key), ("certificate", &certificate), ("key", &*key)]
        {
            replace(&folder.join(format!("{name}.pem")), text.as_bytes()).unwrap();
        }
        (folder.join("certificate.pem"), folder.join("key.pem"))
    }

    /// Whether a client that has the CA's first certificate accepts the server's at this time.
    fn accepted(ca: &[u8], certificate: &Path, now: UnixTime) -> bool {
        use rustls::client::WebPkiServerVerifier;
        use rustls::client::danger::ServerCertVerifier as _;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(vouchsafe_system::pem::certificates(ca).unwrap().remove(0)).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        let now = rustls::pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.0));
        let (chain, host) = (certificates(certificate).unwrap(), "localhost".try_into().unwrap());
        verifier.verify_server_cert(&chain[0], &[], &host, &[], now).is_ok()
    }

    #[test]
    fn certificates_have_sane_lives() {
        let folder = tempfile::tempdir().unwrap();
        let now = clock::now();
        let (certificate, _) = made(folder.path(), now);
        let life = |path: &Path| {
            let parsed = parsed(path).unwrap();
            (now.since(parsed.not_before()) / DAY, parsed.not_after().since(now).div_ceil(DAY))
        };
        assert_eq!(life(&certificate), (1, 365));
        assert_eq!(life(&folder.path().join("ca.pem")), (1, 3652));
    }

    #[test]
    fn a_certificate_is_renewed_and_guests_keep_the_ca_that_they_have() {
        let folder = tempfile::tempdir().unwrap();
        let mut now = clock::now();
        let (certificate, key) = made(folder.path(), now);
        let (ca, first) = (fs::read(folder.path().join("ca.pem")).unwrap(), fs::read(&certificate).unwrap());
        assert!(!renew(&certificate, &key, now).unwrap());
        assert!(!renew(&certificate, &key, now.plus(240 * DAY)).unwrap());
        assert!(fs::read(&certificate).unwrap() == first);
        // Far beyond the CA's own end.
        for _ in 0..40 {
            now = now.plus(250 * DAY);
            assert!(renew(&certificate, &key, now).unwrap());
            assert!(!renew(&certificate, &key, now).unwrap());
            assert!(accepted(&ca, &certificate, now) && !accepted(&ca, &certificate, now.plus(366 * DAY)));
        }
        for (host, named) in [("localhost", true), ("127.0.0.1", true), ("other.example", false)] {
            assert_eq!(is_for(&certificate, host).unwrap(), named, "{host}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_certificate_that_was_made_while_the_clock_was_ahead_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let now = clock::now();
        let (certificate, key) = made(folder.path(), now);
        let ca = fs::read(folder.path().join("ca.pem")).unwrap();
        assert!(renew(&certificate, &key, now.plus(300 * DAY)).unwrap());
        assert!(!accepted(&ca, &certificate, now));
        assert!(renew(&certificate, &key, now).unwrap());
        assert!(accepted(&ca, &certificate, now));
    }

    #[test]
    fn certificates_of_others_are_left_alone() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let later = clock::now().plus(300 * DAY);
        let (certificate, key) = made(ours.path(), clock::now());
        made(theirs.path(), clock::now());
        let before = fs::read(&certificate).unwrap();
        // The key of another CA.
        fs::copy(theirs.path().join("ca-key.pem"), ours.path().join("ca-key.pem")).unwrap();
        assert!(
            matches!(renew(&certificate, &key, later), Err(RenewError::Foreign { path }) if path.ends_with("ca.pem"))
        );
        fs::write(ours.path().join("ca-key.pem"), "no key").unwrap();
        assert!(
            matches!(renew(&certificate, &key, later), Err(RenewError::Foreign { path }) if path.ends_with("ca-key.pem"))
        );
        // No key of a CA.
        fs::remove_file(ours.path().join("ca-key.pem")).unwrap();
        assert!(!renew(&certificate, &key, later).unwrap());
        let named = ours.path().join("named.pem");
        fs::copy(&certificate, &named).unwrap();
        assert!(!renew(&named, &key, later).unwrap());
        assert!(fs::read(&certificate).unwrap() == before);
    }
}
