//! The wire format of evidence. Nothing in it has been checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest32;
use crate::encoding::{Bytes, SharedBytes, deserialize_at_most};
use crate::limits::{
    MAX_ATTEST, MAX_CA_CERTIFICATES, MAX_CERTIFICATE, MAX_EVENT_LOG, MAX_TDX_QUOTE, MAX_TOKEN,
    MAX_TPM_SIGNATURE, SNP_REPORT,
};

/// Evidence as received: nothing in it has been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Quote and log of the vTPM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vtpm: Option<VtpmEvidence>,
    /// Report of AMD's secure processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sev_snp: Option<SevSnpEvidence>,
    /// Quote of an Intel TDX trust domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tdx: Option<TdxEvidence>,
    /// Token of Google Cloud Attestation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_token: Option<GoogleTokenEvidence>,
}

/// Evidence from a GCE vTPM, as received: nothing in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VtpmEvidence {
    /// The AK's certificate, DER, as read from NV.
    pub ak_certificate: Bytes,
    /// Issuing CAs, DER, if the guest has them. The broker already has Google's.
    #[serde(default, deserialize_with = "certificates", skip_serializing_if = "Vec::is_empty")]
    pub ca_certificates: Vec<Bytes>,
    /// `TPMS_ATTEST` as signed, without a length prefix.
    pub quote: Bytes,
    /// `TPMT_SIGNATURE`, marshalled.
    pub signature: Bytes,
    /// PCRs of the SHA-256 bank that the quote covers, by index.
    pub pcrs: BTreeMap<u8, Digest32>,
    /// The firmware's event log (`binary_bios_measurements`).
    pub event_log: SharedBytes,
    /// systemd's own log of what it extended (`/run/log/systemd/tpm2-measure.log`), if there is one. It is
    /// optional: one that is unusable or too large is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userspace_log: Option<Bytes>,
}

/// Evidence from AMD's secure processor, as received: nothing in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SevSnpEvidence {
    /// `ATTESTATION_REPORT`, 1184 bytes.
    pub report: Bytes,
    /// VCEK or VLEK certificate, DER, from the host's certificate table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vek_certificate: Option<Bytes>,
    /// Issuing CAs from that table, DER.
    #[serde(default, deserialize_with = "certificates", skip_serializing_if = "Vec::is_empty")]
    pub ca_certificates: Vec<Bytes>,
    /// Google's launch endorsement from that table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_endorsement: Option<Bytes>,
}

/// Evidence from Intel TDX, as received: nothing in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TdxEvidence {
    /// The quote, version 4 or 5. Zeros may follow it, as devices pad it; the vTPM quote commits to the bytes
    /// without that padding.
    pub quote: Bytes,
    /// The CCEL event log of the RTMRs (`/sys/firmware/acpi/tables/data/CCEL`); 0xFF may follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_log: Option<SharedBytes>,
}

/// A token of Google Cloud Attestation, as received: nothing in it has been checked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleTokenEvidence {
    /// The token, a JWS in compact form (RFC 7515 §7.1). Useless without the guest's private key.
    pub token: String,
}

/// Omits the token, which must stay out of logs like any bearer token.
impl fmt::Debug for GoogleTokenEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleTokenEvidence").field("length", &self.token.len()).finish_non_exhaustive()
    }
}

fn certificates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Bytes>, D::Error> {
    deserialize_at_most::<_, _, MAX_CA_CERTIFICATES>(deserializer)
}

/// Why evidence exceeds a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceSizeError {
    /// More bytes, or more items, than allowed.
    #[error("{part} is too large: {length}, the limit is {limit}")]
    TooLarge {
        /// The part, as named in the JSON.
        part: &'static str,
        /// Its size or number.
        length: usize,
        /// The limit.
        limit: usize,
    },
}

impl Evidence {
    /// Compares every required part with its limit, before anything is parsed. Issuing CAs, the chip's
    /// certificate and the launch endorsement are optional: the verifier ignores those that are too large.
    ///
    /// # Errors
    /// The first part that is too large.
    pub fn check_sizes(&self) -> Result<(), EvidenceSizeError> {
        if let Some(vtpm) = &self.vtpm {
            vtpm.check_sizes()?;
        }
        if let Some(snp) = &self.sev_snp {
            snp.check_sizes()?;
        }
        if let Some(tdx) = &self.tdx {
            tdx.check_sizes()?;
        }
        if let Some(google) = &self.google_token {
            limit("google_token.token", google.token.len(), MAX_TOKEN)?;
        }
        Ok(())
    }
}

impl VtpmEvidence {
    fn check_sizes(&self) -> Result<(), EvidenceSizeError> {
        limit("vtpm.ak_certificate", self.ak_certificate.len(), MAX_CERTIFICATE)?;
        limit("vtpm.ca_certificates", self.ca_certificates.len(), MAX_CA_CERTIFICATES)?;
        limit("vtpm.quote", self.quote.len(), MAX_ATTEST)?;
        limit("vtpm.signature", self.signature.len(), MAX_TPM_SIGNATURE)?;
        limit("vtpm.pcrs", self.pcrs.len(), 24)?;
        limit("vtpm.event_log", self.event_log.len(), MAX_EVENT_LOG)
    }
}

impl SevSnpEvidence {
    fn check_sizes(&self) -> Result<(), EvidenceSizeError> {
        limit("sev_snp.report", self.report.len(), SNP_REPORT)?;
        limit("sev_snp.ca_certificates", self.ca_certificates.len(), MAX_CA_CERTIFICATES)
    }
}

impl TdxEvidence {
    fn check_sizes(&self) -> Result<(), EvidenceSizeError> {
        limit("tdx.quote", self.quote.len(), MAX_TDX_QUOTE)?;
        limit("tdx.event_log", self.event_log.as_ref().map_or(0, |log| log.len()), MAX_EVENT_LOG)
    }
}

fn limit(part: &'static str, length: usize, limit: usize) -> Result<(), EvidenceSizeError> {
    if length > limit {
        return Err(EvidenceSizeError::TooLarge { part, length, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vtpm() -> VtpmEvidence {
        let (pcrs, empty) = (BTreeMap::new(), Bytes::default());
        VtpmEvidence {
            ak_certificate: empty.clone(),
            ca_certificates: vec![],
            quote: empty.clone(),
            signature: empty,
            pcrs,
            event_log: SharedBytes::default(),
            userspace_log: None,
        }
    }

    #[test]
    fn t30_oversized_parts_are_refused_before_parsing() {
        let sized = |change: fn(&mut VtpmEvidence)| {
            let mut vtpm = vtpm();
            change(&mut vtpm);
            Evidence { vtpm: Some(vtpm), ..Evidence::default() }.check_sizes()
        };
        assert_eq!(sized(|_| ()), Ok(()));
        let too_large = |part, length, limit| Err(EvidenceSizeError::TooLarge { part, length, limit });
        assert_eq!(
            sized(|v| v.event_log = vec![0; MAX_EVENT_LOG + 1].into()),
            too_large("vtpm.event_log", MAX_EVENT_LOG + 1, MAX_EVENT_LOG)
        );
        assert_eq!(
            sized(|v| v.ca_certificates = vec![Bytes::default(); 9]),
            too_large("vtpm.ca_certificates", 9, 8)
        );
        assert_eq!(sized(|v| v.quote = vec![0; 2049].into()), too_large("vtpm.quote", 2049, 2048));
        assert_eq!(sized(|v| v.signature = vec![0; 1025].into()), too_large("vtpm.signature", 1025, 1024));
        let quote = TdxEvidence { quote: vec![0; MAX_TDX_QUOTE + 1].into(), event_log: None };
        let evidence = Evidence { tdx: Some(quote), ..Evidence::default() };
        assert_eq!(evidence.check_sizes(), too_large("tdx.quote", MAX_TDX_QUOTE + 1, MAX_TDX_QUOTE));
        let log = Some(vec![0; MAX_EVENT_LOG + 1].into());
        let evidence = Evidence {
            tdx: Some(TdxEvidence { quote: Bytes::default(), event_log: log }),
            ..Evidence::default()
        };
        assert_eq!(evidence.check_sizes(), too_large("tdx.event_log", MAX_EVENT_LOG + 1, MAX_EVENT_LOG));
        let token = Some(GoogleTokenEvidence { token: "a".repeat(MAX_TOKEN + 1) });
        let evidence = Evidence { google_token: token, ..Evidence::default() };
        assert_eq!(evidence.check_sizes(), too_large("google_token.token", MAX_TOKEN + 1, MAX_TOKEN));
    }

    #[test]
    fn t30_long_lists_end_the_parse() {
        let list = format!(r#"{{"report":"","ca_certificates":[{}""]}}"#, r#""","#.repeat(8));
        let error = serde_json::from_str::<SevSnpEvidence>(&list).unwrap_err();
        assert!(error.to_string().starts_with("a list of more than 8 items"), "{error}");
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = Some(GoogleTokenEvidence { token: "a.bearer.token".to_owned() });
        let shown = format!("{:?}", Evidence { google_token: token, ..Evidence::default() });
        assert!(shown.contains("length: 14") && !shown.contains("bearer"), "{shown}");
    }

    #[test]
    fn t38_unknown_members_are_refused() {
        let error = serde_json::from_str::<Evidence>(r#"{"sev-snp":{}}"#).unwrap_err();
        assert!(error.to_string().starts_with("unknown field `sev-snp`"), "{error}");
    }
}
