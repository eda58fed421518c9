//! The verifier's refusal names are in `attestation/vectors/refusal-names.txt`; records depend on them.

use vouchsafe_attestation::VerifyError;
use vouchsafe_attestation::event_log::{CcelError, EventLogError};
use vouchsafe_attestation::go_tpm_tools::GoTpmToolsError;
use vouchsafe_attestation::google_token::TokenError;
use vouchsafe_attestation::launch::LaunchError;
use vouchsafe_attestation::snp::SnpError;
use vouchsafe_attestation::tdx::{QuoteError, TdxError};
use vouchsafe_attestation::verify::EvidenceKind;
use vouchsafe_attestation::vtpm::{AttestError, InstanceInfoError, TpmSignatureError, VtpmError};
use vouchsafe_attestation::x509::ChainError;

const KNOWN: &str = include_str!("../vectors/refusal-names.txt");

#[test]
fn refusals_of_each_kind_have_known_names() {
    let malformed = || ChainError::Malformed;
    let refusals: [(VerifyError, &str); 24] = [
        (VerifyError::NoEvidence, "no-evidence"),
        (VerifyError::TwoHardwareReports, "two-hardware-reports"),
        (VerifyError::NoVekCertificate, "no-vek-certificate"),
        (VerifyError::Unlinked { kind: EvidenceKind::GoogleToken }, "unlinked-google-token"),
        (GoTpmToolsError::TextForm.into(), "go-tpm-tools-text-form"),
        (VtpmError::NonceMismatch.into(), "vtpm-nonce-mismatch"),
        (VtpmError::Chain(malformed()).into(), "ak-chain-malformed"),
        (VtpmError::Attest(AttestError::Truncated).into(), "quote-truncated"),
        (VtpmError::Signature(TpmSignatureError::Truncated).into(), "quote-signature-truncated"),
        (VtpmError::InstanceInfo(InstanceInfoError::Negative).into(), "instance-info-negative"),
        (VtpmError::EventLog(EventLogError::Empty).into(), "event-log-empty"),
        (SnpError::Unsigned.into(), "snp-unsigned"),
        (SnpError::Chain(malformed()).into(), "vek-chain-malformed"),
        (TdxError::Debug.into(), "tdx-debug"),
        (TdxError::SeptVeNotDisabled.into(), "tdx-sept-ve-not-disabled"),
        (TdxError::Quote(QuoteError::SgxQuote).into(), "tdx-quote-sgx-quote"),
        (TdxError::Chain(malformed()).into(), "pck-chain-malformed"),
        (TdxError::EventLog(CcelError::Algorithms).into(), "ccel-algorithms"),
        (TdxError::EventLog(CcelError::Log(EventLogError::Empty)).into(), "ccel-empty"),
        (TokenError::KeyNotRsa.into(), "google-token-key-not-rsa"),
        (TokenError::Chain(malformed()).into(), "google-token-chain-malformed"),
        (LaunchError::SignerKeyUsage.into(), "launch-signer-key-usage"),
        (LaunchError::Chain(malformed()).into(), "launch-signer-chain-malformed"),
        (VerifyError::NotEvidence, "not-evidence"),
    ];
    for (refusal, name) in refusals {
        assert_eq!(refusal.name(), name);
        assert!(KNOWN.lines().any(|known| known == name), "{name} is not in refusal-names.txt");
    }
}
