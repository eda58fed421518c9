//! A small DER writer for fake certificates and CRLs. It checks nothing, so that it can write nonsense as
//! well.

use std::time::Duration;

use der::Encode;
use der::asn1::GeneralizedTime;
use der::asn1::ObjectIdentifier;
use der::asn1::UtcTime;
use vouchsafe_protocol::UnixTime;

/// Tag, minimal length, content.
#[must_use]
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let bytes = content.len().to_be_bytes();
    let length: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    match length.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).expect("a length has at most 8 bytes"));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

/// SEQUENCE of encoded parts.
#[must_use]
pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// OBJECT IDENTIFIER from dotted text.
#[must_use]
pub fn oid(dotted: &str) -> Vec<u8> {
    let oid = ObjectIdentifier::new(dotted).expect("a test names a well-formed OID");
    oid.to_der().expect("an OID encodes")
}

/// INTEGER, not negative.
#[must_use]
pub fn integer(value: u64) -> Vec<u8> {
    unsigned(&value.to_be_bytes())
}

/// INTEGER from big-endian bytes, not negative.
#[must_use]
pub fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    if content.first().is_none_or(|first| *first >= 0x80) {
        content.insert(0, 0);
    }
    tlv(0x02, &content)
}

/// BOOLEAN.
#[must_use]
pub fn boolean(value: bool) -> Vec<u8> {
    tlv(0x01, &[if value { 0xff } else { 0 }])
}

/// OCTET STRING.
#[must_use]
pub fn octets(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

/// BIT STRING without unused bits.
#[must_use]
pub fn bits(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content].concat())
}

/// UTF8String.
#[must_use]
pub fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0c, text.as_bytes())
}

/// IA5String.
#[must_use]
pub fn ia5(text: &str) -> Vec<u8> {
    tlv(0x16, text.as_bytes())
}

/// `UTCTime` until 2049, then `GeneralizedTime` (RFC 5280 §4.1.2.5).
#[must_use]
pub fn time(at: UnixTime) -> Vec<u8> {
    const YEAR_2050: u64 = 2_524_608_000;
    let since = Duration::from_secs(at.0);
    if at.0 < YEAR_2050 {
        let time = UtcTime::from_unix_duration(since).expect("before 2050");
        time.to_der().expect("a time encodes")
    } else {
        let time = GeneralizedTime::from_unix_duration(since).expect("before 9999");
        time.to_der().expect("a time encodes")
    }
}

/// Name with one attribute for each pair of OID and value.
#[must_use]
pub fn name(attributes: &[(&str, &str)]) -> Vec<u8> {
    let rdns = attributes.iter().map(|(kind, value)| {
        let attribute = sequence(&[oid(kind), utf8(value)]);
        tlv(0x31, &attribute)
    });
    sequence(&rdns.collect::<Vec<_>>())
}

/// Extension.
#[must_use]
pub fn extension(kind: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(kind)];
    if critical {
        parts.push(boolean(true));
    }
    parts.push(octets(value));
    sequence(&parts)
}

/// Key usage extension, critical, with the first byte of its bits (0x80 is digitalSignature).
#[must_use]
pub fn key_usage(first_byte: u8) -> Vec<u8> {
    let unused = u8::try_from(first_byte.trailing_zeros().min(7)).expect("at most 7");
    extension("2.5.29.15", true, &tlv(0x03, &[unused, first_byte]))
}

/// Basic constraints extension, critical.
#[must_use]
pub fn basic_constraints(is_ca: bool, path_length: Option<u64>) -> Vec<u8> {
    let mut parts = Vec::new();
    if is_ca {
        parts.push(boolean(true));
    }
    parts.extend(path_length.map(integer));
    extension("2.5.29.19", true, &sequence(&parts))
}

/// Subject key identifier extension.
#[must_use]
pub fn subject_key_id(id: &[u8]) -> Vec<u8> {
    extension("2.5.29.14", false, &octets(id))
}

/// Authority key identifier extension with a key identifier alone.
#[must_use]
pub fn authority_key_id(id: &[u8]) -> Vec<u8> {
    extension("2.5.29.35", false, &sequence(&[tlv(0x80, id)]))
}

/// Authority information access extension with the URL of the issuer's certificate.
#[must_use]
pub fn issuer_address(uri: &str) -> Vec<u8> {
    let description = sequence(&[oid("1.3.6.1.5.5.7.48.2"), tlv(0x86, uri.as_bytes())]);
    extension("1.3.6.1.5.5.7.1.1", false, &sequence(&[description]))
}

/// CRL distribution points extension with one URI.
#[must_use]
pub fn distribution_point(uri: &str) -> Vec<u8> {
    let point = sequence(&[tlv(0xa0, &full_name(uri))]);
    extension("2.5.29.31", false, &sequence(&[point]))
}

/// Issuing distribution point extension of a CRL with one URI.
#[must_use]
pub fn issuing_distribution_point(uri: &str) -> Vec<u8> {
    extension("2.5.29.28", true, &sequence(&[tlv(0xa0, &full_name(uri))]))
}

/// `fullName` of a `DistributionPointName`, one URI.
fn full_name(uri: &str) -> Vec<u8> {
    tlv(0xa0, &tlv(0x86, uri.as_bytes()))
}

/// A certificate in PEM, with lines of 64 characters (RFC 7468).
#[must_use]
pub fn pem(certificate: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (index, group) in certificate.chunks(3).enumerate() {
        if index > 0 && index % 16 == 0 {
            text.push('\n');
        }
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = (0..4_usize).map(|digit| match bits >> (18 - 6 * digit) & 63 {
            _ if digit > group.len() => '=',
            value => digit_of(value),
        });
        text.extend(digits);
    }
    text + "\n-----END CERTIFICATE-----\n"
}

/// RFC 4648 §4.
fn digit_of(value: u32) -> char {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let index = usize::try_from(value).unwrap_or(usize::MAX);
    char::from(*ALPHABET.get(index).expect("six bits"))
}
