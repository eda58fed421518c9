//! PEM that has one reading.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whether the text is exactly these certificates in the strict form of RFC 7468 §3, apart from line ends and
/// trailing whitespace. dcap-qvl, which uses it for quotes, parses PEM differently from this crate (it
/// accepts sections with any label, and headers): only unambiguous text means the same to both.
pub(super) fn is_plain<C: AsRef<[u8]>>(pem: &str, certificates: &[C]) -> bool {
    let mut lines = pem.trim_ascii_end().split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut expect = |line: &[u8]| lines.next().is_some_and(|found| found.as_bytes() == line);
    certificates.iter().all(|certificate| {
        expect(b"-----BEGIN CERTIFICATE-----")
            && STANDARD.encode(certificate).as_bytes().chunks(LINE).all(&mut expect)
            && expect(b"-----END CERTIFICATE-----")
    }) && lines.next().is_none()
}

/// Base64 characters per line of PEM.
const LINE: usize = 64;
