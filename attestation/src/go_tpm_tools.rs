//! Attestations in the format of Google's go-tpm-tools: the protobuf message `Attestation`.
//!
//! Only what a quote needs is read. Its `ak_pub`, `instance_info` and hardware reports are ignored: the first
//! two are not authenticated, and the third is not bound to the quote. The result is evidence as received.
//! Its nonce was chosen by Google, so the evidence can be inspected, but no decision can be based on it.

use std::collections::BTreeMap;

use prost::Message as _;
use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::VtpmEvidence;
use vouchsafe_protocol::limits::MAX_REQUEST;

/// Why the file is not a usable attestation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoTpmToolsError {
    /// Larger than any genuine one.
    #[error("an attestation of {found} bytes, at most {limit} are read")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Not the protobuf message.
    #[error("not an Attestation message")]
    Malformed,
    /// The message in text form, which is not supported.
    #[error(
        "an Attestation message in text form, and only the binary form is read: make it with \
         `gotpm attest --format binarypb`, or convert this one with \
         `protoc --encode=attest.Attestation attest.proto`"
    )]
    TextForm,
    /// Without a certificate the key could be anyone's.
    #[error("no AK certificate in the attestation")]
    NoAkCertificate,
    /// Other banks are not verified.
    #[error("no quote of the SHA-256 bank")]
    NoSha256Quote,
    /// It would be ambiguous which one applies.
    #[error("more than one quote of the SHA-256 bank")]
    SecondSha256Quote,
    /// The PCR does not exist.
    #[error("PCR {pcr} does not exist")]
    PcrIndex {
        /// Its index.
        pcr: u32,
    },
    /// It does not have 32 bytes.
    #[error("PCR {pcr} has {found} bytes")]
    PcrLength {
        /// The PCR.
        pcr: u8,
        /// Its length.
        found: usize,
    },
}

/// Parses an attestation and selects its SHA-256 quote.
///
/// # Errors
/// [`GoTpmToolsError`].
pub fn read(bytes: &[u8]) -> Result<VtpmEvidence, GoTpmToolsError> {
    if bytes.len() > MAX_REQUEST {
        return Err(GoTpmToolsError::TooLarge { found: bytes.len(), limit: MAX_REQUEST });
    }
    if is_text_form(bytes) {
        return Err(GoTpmToolsError::TextForm);
    }
    let message = Attestation::decode(bytes).map_err(|_| GoTpmToolsError::Malformed)?;
    if message.ak_cert.is_empty() {
        return Err(GoTpmToolsError::NoAkCertificate);
    }
    let is_sha256 = |quote: &Quote| quote.pcrs.as_ref().is_some_and(|pcrs| pcrs.hash == SHA256);
    let mut quotes = message.quotes.into_iter().filter(is_sha256);
    let quote = quotes.next().ok_or(GoTpmToolsError::NoSha256Quote)?;
    if quotes.next().is_some() {
        return Err(GoTpmToolsError::SecondSha256Quote);
    }
    Ok(VtpmEvidence {
        ak_certificate: Bytes(message.ak_cert),
        ca_certificates: message.intermediate_certs.into_iter().map(Bytes).collect(),
        quote: Bytes(quote.quote),
        signature: Bytes(quote.raw_sig),
        pcrs: pcrs(quote.pcrs.unwrap_or_default().pcrs)?,
        event_log: message.event_log.into(),
        userspace_log: None,
    })
}

fn pcrs(given: BTreeMap<u32, Vec<u8>>) -> Result<BTreeMap<u8, Digest32>, GoTpmToolsError> {
    let one = |(index, value): (u32, Vec<u8>)| {
        let pcr = u8::try_from(index).ok().filter(|pcr| *pcr < 24);
        let pcr = pcr.ok_or(GoTpmToolsError::PcrIndex { pcr: index })?;
        let found = value.len();
        let value = value.try_into().map_err(|_| GoTpmToolsError::PcrLength { pcr, found })?;
        Ok((pcr, Digest32(value)))
    };
    given.into_iter().map(one).collect()
}

/// Whether it is text whose first field is one of the message's fields. A binary message is never text, since
/// a quote contains bytes that text cannot contain.
fn is_text_form(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    if text.contains(|c: char| c.is_control() && !c.is_ascii_whitespace()) {
        return false;
    }
    let mut lines = text.lines().map(str::trim_start);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let name = first
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .and_then(|end| first.split_at_checked(end));
    name.is_some_and(|(name, rest)| TEXT_FIELDS.contains(&name) && rest.trim_start().starts_with([':', '{']))
}

// attest.proto and tpm.proto of go-tpm-tools: the fields in use, by number.

#[derive(Clone, PartialEq, prost::Message)]
struct Attestation {
    #[prost(message, repeated, tag = "2")]
    quotes: Vec<Quote>,
    #[prost(bytes = "vec", tag = "3")]
    event_log: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    ak_cert: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    intermediate_certs: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Quote {
    #[prost(bytes = "vec", tag = "1")]
    quote: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    raw_sig: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pcrs: Option<Pcrs>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Pcrs {
    #[prost(int32, tag = "1")]
    hash: i32,
    #[prost(btree_map = "uint32, bytes", tag = "2")]
    pcrs: BTreeMap<u32, Vec<u8>>,
}

/// Names of the message's fields.
const TEXT_FIELDS: [&str; 10] = [
    "ak_pub",
    "quotes",
    "event_log",
    "instance_info",
    "canonical_event_log",
    "ak_cert",
    "intermediate_certs",
    "sev_snp_attestation",
    "tdx_attestation",
    "cos_state",
];

/// `HashAlgo.SHA256`.
const SHA256: i32 = 0x000b;

#[cfg(test)]
mod tests;
