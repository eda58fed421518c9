//! Intel's collateral for TDX, in the form of its Provisioning Certification Service and of its caches
//! (PCCS).
//!
//! Intel SGX and TDX Provisioning Certification Service API, version 4: bodies are JSON with the signed text and
//! its signature, issuer chains are percent-encoded PEM in headers of the answers.

use serde::Deserialize;
use serde_json::value::RawValue;
use ureq::http::HeaderMap;
use vouchsafe_attestation::Collateral;
use vouchsafe_attestation::chain::{CollateralError, read_file};
use vouchsafe_attestation::tdx::{PckCa, Platform, TdxCollateral, TdxCollateralError};
use vouchsafe_protocol::UnixTime;

/// A part of the collateral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TdxPart {
    /// TCB info.
    TcbInfo,
    /// QE identity.
    QeIdentity,
    /// CRL of the root CA.
    RootCrl,
    /// CRL of the PCK CA.
    PckCrl,
}

/// Why Intel's collateral cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TdxFlaw {
    /// Not the JSON form of collateral.
    #[error(transparent)]
    Form(#[from] TdxCollateralError),
    /// A part is malformed.
    #[error("{part:?}: {detail}")]
    Malformed {
        /// Which.
        part: TdxPart,
        /// The fault.
        detail: String,
    },
    /// A CRL cannot be used.
    #[error("{part:?}: {source}")]
    Crl {
        /// Which.
        part: TdxPart,
        /// The fault.
        source: CollateralError,
    },
    /// The answer has no issuer chain in its headers.
    #[error("{part:?}: no issuer chain in header {header}")]
    NoChain {
        /// Which.
        part: TdxPart,
        /// Where it should be.
        header: &'static str,
    },
    /// The collateral is for another platform than requested.
    #[error("for platform {found}")]
    OtherPlatform {
        /// Which.
        found: Platform,
    },
    /// Issued before the stored part.
    #[error("{part:?}: issued at {found}, before the stored one ({known})")]
    Older {
        /// Which.
        part: TdxPart,
        /// When this one was issued.
        found: UnixTime,
        /// When the stored one was issued.
        known: UnixTime,
    },
}

/// Unverified metadata that collateral contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) platform: Platform,
    /// When each part was issued.
    issued: [(TdxPart, UnixTime); 4],
    /// The time until which all parts are valid.
    pub(crate) until: UnixTime,
}

impl Described {
    /// Reads metadata from collateral, without verifying it.
    pub(crate) fn read(collateral: &TdxCollateral) -> Result<Self, TdxFlaw> {
        let tcb: Dated = dated(TdxPart::TcbInfo, &collateral.tcb_info, "TDX")?;
        let qe: Dated = dated(TdxPart::QeIdentity, &collateral.qe_identity, "TD_QE")?;
        let root = listed(TdxPart::RootCrl, &collateral.root_ca_crl)?;
        let pck = listed(TdxPart::PckCrl, &collateral.pck_crl)?;
        let mut fmspc = [0; 6];
        hex::decode_to_slice(&tcb.fmspc, &mut fmspc)
            .map_err(|_| malformed(TdxPart::TcbInfo, "fmspc is not 6 bytes of hex"))?;
        let ca = [PckCa::Platform, PckCa::Processor].into_iter().find(|ca| pck.is_of(*ca));
        let ca = ca.ok_or_else(|| malformed(TdxPart::PckCrl, "its issuer is no PCK CA"))?;
        let (tcb, qe) = (tcb.times(TdxPart::TcbInfo)?, qe.times(TdxPart::QeIdentity)?);
        let parts = [
            (TdxPart::TcbInfo, tcb),
            (TdxPart::QeIdentity, qe),
            (TdxPart::RootCrl, (root.issued, root.until)),
            (TdxPart::PckCrl, (pck.issued, pck.until)),
        ];
        Ok(Self {
            platform: Platform { fmspc, ca },
            issued: parts.map(|(part, (issued, _))| (part, issued)),
            until: parts.map(|(_, (_, until))| until).into_iter().min().unwrap_or(UnixTime(0)),
        })
    }

    /// Checks that no part was issued before its counterpart in `known`. TCB evaluation data numbers are not
    /// compared: Intel publishes an early set with a higher number beside the standard set, so the higher
    /// number is not the successor. Which number is sufficient is for policies to say.
    pub(crate) fn is_not_older_than(&self, known: &Self) -> Result<(), TdxFlaw> {
        for ((part, found), (_, known)) in self.issued.into_iter().zip(known.issued) {
            if found < known {
                return Err(TdxFlaw::Older { part, found, known });
            }
        }
        Ok(())
    }
}

/// The dates in TCB info and QE identity.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dated {
    id: String,
    issue_date: String,
    next_update: String,
    #[serde(default)]
    fmspc: String,
}

impl Dated {
    fn times(&self, part: TdxPart) -> Result<(UnixTime, UnixTime), TdxFlaw> {
        Ok((time(part, &self.issue_date)?, time(part, &self.next_update)?))
    }
}

fn dated(part: TdxPart, text: &str, id: &str) -> Result<Dated, TdxFlaw> {
    let dated: Dated = serde_json::from_str(text).map_err(|error| malformed(part, &error.to_string()))?;
    if dated.id != id {
        return Err(malformed(part, &format!("its id is not {id}")));
    }
    Ok(dated)
}

fn time(part: TdxPart, text: &str) -> Result<UnixTime, TdxFlaw> {
    let time = text.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_second()).ok());
    time.map(UnixTime).ok_or_else(|| malformed(part, "a date that is none"))
}

/// Head of a CRL.
struct Listed {
    issuer: Vec<u8>,
    issued: UnixTime,
    until: UnixTime,
}

impl Listed {
    fn is_of(&self, ca: PckCa) -> bool {
        let name: &[u8] = match ca {
            PckCa::Platform => b"Intel SGX PCK Platform CA",
            PckCa::Processor => b"Intel SGX PCK Processor CA",
        };
        self.issuer.windows(name.len()).any(|window| window == name)
    }
}

fn listed(part: TdxPart, crl: &[u8]) -> Result<Listed, TdxFlaw> {
    let parsed = Collateral::new(&[crl.to_vec()], &[]).map_err(|source| TdxFlaw::Crl { part, source })?;
    let summary = parsed.crl_summaries().next().ok_or_else(|| malformed(part, "no list"))?;
    let until = summary.next_update.unwrap_or(summary.this_update);
    Ok(Listed { issuer: summary.issuer, issued: summary.this_update, until })
}

fn malformed(part: TdxPart, detail: &str) -> TdxFlaw {
    TdxFlaw::Malformed { part, detail: detail.to_owned() }
}

/// URLs of the parts, below the URL of the service.
pub(crate) fn url(base: &str, part: TdxPart, platform: &Platform, root_crl: &str) -> String {
    let fmspc = hex::encode(platform.fmspc);
    let ca = platform.ca.name();
    match part {
        TdxPart::TcbInfo => format!("{base}/tdx/certification/v4/tcb?fmspc={fmspc}"),
        TdxPart::QeIdentity => format!("{base}/tdx/certification/v4/qe/identity"),
        TdxPart::PckCrl => format!("{base}/sgx/certification/v4/pckcrl?ca={ca}&encoding=der"),
        TdxPart::RootCrl => root_crl.to_owned(),
    }
}

/// Collects the responses for all parts.
#[derive(Debug, Default)]
pub(crate) struct Answers {
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

impl Answers {
    /// Adds the response for one part.
    pub(crate) fn take(&mut self, part: TdxPart, body: &[u8], headers: &HeaderMap) -> Result<(), TdxFlaw> {
        match part {
            TdxPart::TcbInfo => {
                let answer: TcbAnswer<'_> = parse(part, body)?;
                // Version 4 uses the first header; caches of older versions the second.
                let chain = chain(part, headers, &["TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"])?;
                self.tcb_info = Some(signed(part, answer.tcb_info, &answer.signature, chain)?);
            }
            TdxPart::QeIdentity => {
                let answer: QeAnswer<'_> = parse(part, body)?;
                let chain = chain(part, headers, &["SGX-Enclave-Identity-Issuer-Chain"])?;
                self.qe_identity = Some(signed(part, answer.enclave_identity, &answer.signature, chain)?);
            }
            TdxPart::PckCrl => {
                self.pck_crl = Some((der(body), chain(part, headers, &["SGX-PCK-CRL-Issuer-Chain"])?));
            }
            TdxPart::RootCrl => self.root_crl = Some(der(body)),
        }
        Ok(())
    }

    /// The complete collateral; `None` while a part is missing.
    pub(crate) fn assemble(self) -> Option<TdxCollateral> {
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

fn parse<'a, T: Deserialize<'a>>(part: TdxPart, body: &'a [u8]) -> Result<T, TdxFlaw> {
    serde_json::from_slice(body).map_err(|error| malformed(part, &error.to_string()))
}

/// The text exactly as it was signed, byte for byte.
fn signed(part: TdxPart, text: &RawValue, signature: &str, chain: String) -> Result<Signed, TdxFlaw> {
    let signature = hex::decode(signature).map_err(|_| malformed(part, "the signature is not hex"))?;
    Ok(Signed { text: text.get().to_owned(), signature, chain })
}

fn chain(part: TdxPart, headers: &HeaderMap, names: &[&'static str]) -> Result<String, TdxFlaw> {
    let header = names.first().copied().unwrap_or_default();
    let value = names.iter().find_map(|name| headers.get(*name)).ok_or(TdxFlaw::NoChain { part, header })?;
    let pem = percent_decoded(value.as_bytes()).ok_or_else(|| malformed(part, "a chain of another form"))?;
    let (mut crls, mut certificates) = (Vec::new(), Vec::new());
    read_file(pem.as_bytes(), &mut crls, &mut certificates)
        .map_err(|_| malformed(part, "a chain without certificates"))?;
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
