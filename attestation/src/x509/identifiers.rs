//! The extensions that identify the issuer's key and the URL of its certificate.
//!
//! They only help to find an issuer: unreadable ones are treated as absent, and the signature decides.

use der::asn1::ObjectIdentifier;

use super::der as raw;
use super::extension::Extension;
use super::extension::MAX_DECODED;

/// RFC 5280 §4.2.1.2: an OCTET STRING.
pub(super) fn subject_key_id(extensions: &[Extension]) -> Option<Vec<u8>> {
    let id = raw::content_of(OCTET_STRING, value(extensions, SUBJECT_KEY_IDENTIFIER)?)?;
    (!id.is_empty()).then(|| id.to_vec())
}

/// RFC 5280 §4.2.1.1: `SEQUENCE { [0] keyIdentifier OPTIONAL, … }`.
pub(super) fn authority_key_id(extensions: &[Extension]) -> Option<Vec<u8>> {
    let mut rest = raw::content_of(raw::SEQUENCE, value(extensions, AUTHORITY_KEY_IDENTIFIER)?)?;
    let id = raw::take(&mut rest).filter(|element| element.tag == KEY_IDENTIFIER)?.content;
    (!id.is_empty()).then(|| id.to_vec())
}

/// RFC 5280 §4.2.2.1: `SEQUENCE OF SEQUENCE { accessMethod, accessLocation }`, the URIs of `id-ad-caIssuers`.
pub(super) fn issuer_urls(extensions: &[Extension]) -> Vec<&str> {
    let mut found = Vec::new();
    let access = value(extensions, AUTHORITY_INFORMATION_ACCESS);
    let Some(mut list) = access.and_then(|access| raw::content_of(raw::SEQUENCE, access)) else {
        return found;
    };
    while let Some(description) = raw::take(&mut list).filter(|_| found.len() < MAX_URLS) {
        let mut rest = description.content;
        let (Some(method), Some(location)) = (raw::take(&mut rest), raw::take(&mut rest)) else { break };
        if method.content == CA_ISSUERS && location.tag == URI {
            found.extend(std::str::from_utf8(location.content).ok().filter(|url| is_printable(url)));
        }
    }
    found
}

fn is_printable(url: &str) -> bool {
    url.len() <= MAX_URL && url.bytes().all(|byte| byte.is_ascii_graphic())
}

fn value(extensions: &[Extension], oid: ObjectIdentifier) -> Option<&[u8]> {
    let found = extensions.iter().find(|extension| extension.oid == oid)?;
    Some(found.value.as_slice()).filter(|value| value.len() <= MAX_DECODED)
}

const OCTET_STRING: u8 = 0x04;
/// `[0]`, implicit.
const KEY_IDENTIFIER: u8 = 0x80;
/// `[6]`, implicit: `uniformResourceIdentifier` of a `GeneralName`.
const URI: u8 = 0x86;
const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const AUTHORITY_INFORMATION_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
/// 1.3.6.1.5.5.7.48.2
const CA_ISSUERS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
/// Upper limit of URLs read per certificate; Google's certificates have one.
const MAX_URLS: usize = 3;
/// Bytes of an address.
const MAX_URL: usize = 512;
