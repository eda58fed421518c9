//! How each kind of evidence is bound to the transcript, and how the kinds are bound to each other.
//!
//! The hardware report commits to the AK, and the vTPM quote commits to the hardware report, so evidence from
//! two honest VMs cannot be mixed. An attacker with root in both can still link them: only a condition on the
//! measured boot chain rules that out.

use std::fmt;

use aws_lc_rs::digest::{self, SHA512};
use subtle::ConstantTimeEq as _;

use super::transcript::Transcript;
use crate::digest::Digest32;
use crate::encoding::to_base64url;
use crate::hashing::Preimage;

/// The 64 bytes of report data in a hardware report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReportData(pub [u8; 64]);

/// The 32 bytes of `extraData` in a vTPM quote.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QuoteNonce(pub [u8; 32]);

/// The required `eat_nonce` of a Google Cloud Attestation token, 43 characters; the token must have no other.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenNonce(String);

impl Transcript {
    /// The required report data of a hardware report; in a composite it commits to the AK of the vTPM.
    ///
    /// `ak_public` is the DER `SubjectPublicKeyInfo` of the AK certificate; `None` without a vTPM.
    // Report data = SHA-512(label || transcript || SHA-256(AK public) or 32 zeros), each length-prefixed.
    #[must_use]
    pub fn report_data(&self, ak_public: Option<&[u8]>) -> ReportData {
        let ak = ak_public.map_or(Digest32([0; 32]), Digest32::of);
        let preimage = Preimage::new(REPORT_DATA_LABEL).field(self.as_bytes()).field(ak.as_bytes());
        let mut out = [0; 64];
        out.copy_from_slice(digest::digest(&SHA512, preimage.as_bytes()).as_ref());
        ReportData(out)
    }

    /// The required `extraData` of a vTPM quote; in a composite it commits to the hardware report.
    ///
    /// `hardware_report` is the 1184 bytes of an SNP report, or a TDX quote without padding.
    // extraData = SHA-256(label || transcript || SHA-256(hardware report) or 32 zeros), each length-prefixed.
    #[must_use]
    pub fn quote_nonce(&self, hardware_report: Option<&[u8]>) -> QuoteNonce {
        let report = hardware_report.map_or(Digest32([0; 32]), Digest32::of);
        let preimage = Preimage::new(QUOTE_LABEL).field(self.as_bytes()).field(report.as_bytes());
        QuoteNonce(Digest32::of(preimage.as_bytes()).0)
    }

    /// The required nonce of a token. Google accepts 10 to 74 bytes.
    // eat_nonce = base64url(SHA-256(label || transcript)), each length-prefixed; RFC 4648 §5, no padding.
    #[must_use]
    pub fn token_nonce(&self) -> TokenNonce {
        let preimage = Preimage::new(TOKEN_LABEL).field(self.as_bytes());
        TokenNonce(to_base64url(Digest32::of(preimage.as_bytes()).as_bytes()))
    }
}

impl ReportData {
    /// Constant-time comparison with the bytes of a report.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl QuoteNonce {
    /// Constant-time comparison with the bytes of a quote.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl TokenNonce {
    /// The text that the token contains.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Constant-time comparison with the nonce of a token.
    #[must_use]
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for TokenNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenNonce({})", self.0)
    }
}

impl fmt::Debug for ReportData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReportData({})", hex::encode(self.0))
    }
}

impl fmt::Debug for QuoteNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuoteNonce({})", hex::encode(self.0))
    }
}

const REPORT_DATA_LABEL: &[u8] = b"vouchsafe/v1 report data";
const QUOTE_LABEL: &[u8] = b"vouchsafe/v1 quote";
const TOKEN_LABEL: &[u8] = b"vouchsafe/v1 token nonce";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_hex() {
        let shown = "07".repeat(32);
        assert_eq!(format!("{:?}", ReportData([7; 64])), format!("ReportData({shown}{shown})"));
        assert_eq!(format!("{:?}", QuoteNonce([7; 32])), format!("QuoteNonce({shown})"));
    }

    #[test]
    fn t01_report_and_quote_commit_to_each_other() {
        let transcript = Transcript(Digest32([5; 32]));
        assert_ne!(transcript.report_data(None), transcript.report_data(Some(b"ak")));
        assert_ne!(transcript.report_data(Some(b"ak a")), transcript.report_data(Some(b"ak b")));
        assert_ne!(transcript.quote_nonce(None), transcript.quote_nonce(Some(b"report")));
        let bound = transcript.quote_nonce(Some(b"report a"));
        assert!(bound.matches(&bound.0));
        assert!(!bound.matches(&bound.0[..31]));
        assert!(!bound.matches(&transcript.quote_nonce(Some(b"report b")).0));
    }

    #[test]
    fn t07_a_token_nonce_matches_only_its_own_transcript() {
        let nonce = Transcript(Digest32([5; 32])).token_nonce();
        assert_eq!(nonce.as_str().len(), 43);
        assert!(nonce.matches(nonce.as_str()));
        assert!(!nonce.matches(&nonce.as_str()[..42]));
        assert!(!nonce.matches(Transcript(Digest32([6; 32])).token_nonce().as_str()));
    }
}
