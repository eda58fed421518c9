//! Answers of Intel's Provisioning Certification Service, and of any cache of it (PCCS), put together.
//!
//! Intel SGX and TDX Provisioning Certification Service API, version 4: bodies are JSON with the signed text and its
//! signature, issuer chains are percent-encoded PEM in headers. Nothing is verified here.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::tdx::TdxItemError;
use super::tdx::TdxPart;
use crate::tdx::TdxCollateral;
use crate::x509::read_file;

/// The answers of a service, one after the other.
#[derive(Debug, Default)]
pub struct PcsAnswers {
    tcb_info: Option<Signed>,
    qe_identity: Option<Signed>,
    pck_crl: Option<(Vec<u8>, String)>,
    root_crl: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Signed {
    text: String,
    signature: Vec<u8>,
    chain: String,
}

impl PcsAnswers {
    /// Adds the response for one part; `header` returns the value of one of its headers.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add<'h>(
        &mut self,
        part: TdxPart,
        body: &[u8],
        header: impl Fn(&str) -> Option<&'h [u8]>,
    ) -> Result<(), TdxItemError> {
        match part {
            TdxPart::TcbInfo => {
                let answer: TcbAnswer<'_> = parse(part, body)?;
                // Version 4 has the first name; caches of older versions the second.
                let chain = chain(part, header, &["TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"])?;
                self.tcb_info = Some(signed(part, answer.tcb_info, &answer.signature, chain)?);
            }
            TdxPart::QeIdentity => {
                let answer: QeAnswer<'_> = parse(part, body)?;
                let chain = chain(part, header, &["SGX-Enclave-Identity-Issuer-Chain"])?;
                self.qe_identity = Some(signed(part, answer.enclave_identity, &answer.signature, chain)?);
            }
            TdxPart::PckCrl => {
                self.pck_crl = Some((der(body), chain(part, header, &["SGX-PCK-CRL-Issuer-Chain"])?));
            }
            TdxPart::RootCrl => self.root_crl = Some(der(body)),
        }
        Ok(())
    }

    /// The collateral; `None` while a part is missing.
    #[must_use]
    pub fn assemble(self) -> Option<TdxCollateral> {
        let (tcb, qe, (pck_crl, pck_crl_issuer_chain)) = (self.tcb_info?, self.qe_identity?, self.pck_crl?);
        Some(TdxCollateral {
            pck_crl_issuer_chain,
            root_ca_crl: self.root_crl?,
            pck_crl,
            tcb_info_issuer_chain: tcb.chain,
            tcb_info: tcb.text,
            tcb_info_signature: tcb.signature,
            qe_identity_issuer_chain: qe.chain,
            qe_identity: qe.text,
            qe_identity_signature: qe.signature,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TcbAnswer<'a> {
    #[serde(borrow)]
    tcb_info: &'a RawValue,
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QeAnswer<'a> {
    #[serde(borrow)]
    enclave_identity: &'a RawValue,
    signature: String,
}

fn parse<'a, T: Deserialize<'a>>(part: TdxPart, body: &'a [u8]) -> Result<T, TdxItemError> {
    serde_json::from_slice(body).map_err(|error| TdxItemError::malformed(part, &error.to_string()))
}

/// The text as it was signed: not a byte of it may change.
fn signed(part: TdxPart, text: &RawValue, signature: &str, chain: String) -> Result<Signed, TdxItemError> {
    let signature =
        hex::decode(signature).map_err(|_| TdxItemError::malformed(part, "the signature is not hex"))?;
    Ok(Signed { text: text.get().to_owned(), signature, chain })
}

/// The value of the first of these headers that the answer has.
fn chain<'h>(
    part: TdxPart,
    value: impl Fn(&str) -> Option<&'h [u8]>,
    names: &[&'static str],
) -> Result<String, TdxItemError> {
    let header = names.first().copied().unwrap_or_default();
    let value = names.iter().find_map(|name| value(name)).ok_or(TdxItemError::NoChain { part, header })?;
    let pem = percent_decoded(value)
        .ok_or_else(|| TdxItemError::malformed(part, "the issuer chain is not percent-encoded PEM"))?;
    let (mut crls, mut certificates) = (Vec::new(), Vec::new());
    read_file(pem.as_bytes(), &mut crls, &mut certificates)
        .map_err(|_| TdxItemError::malformed(part, "the issuer chain has no certificates"))?;
    Ok(pem)
}

/// RFC 3986 §2.1.
fn percent_decoded(text: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_first_chunk::<2>()?;
            let mut byte = [0];
            hex::decode_to_slice(digits, &mut byte).ok()?;
            decoded.extend(byte);
            rest = after;
        } else {
            decoded.push(*first);
            rest = after;
        }
    }
    String::from_utf8(decoded).ok()
}

/// A CRL in DER; caches return it in hex.
fn der(body: &[u8]) -> Vec<u8> {
    hex::decode(body.trim_ascii()).unwrap_or_else(|_| body.to_vec())
}
