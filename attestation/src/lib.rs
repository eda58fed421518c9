//! Verifies evidence against its expected binding; returns claims or one exact error.
//!
//! Pure: no I/O, no clock, no globals. Bytes, trust anchors, collateral and the time are arguments.
//! [`verify()`] is the only way to [`VerifiedClaims`], which alone allow the release of a secret. The
//! `inspect_*` functions run the same checks on captured files and return [`InspectedClaims`], which no
//! decision accepts.
//!
//! | what | module |
//! |---|---|
//! | who is trusted | [`anchors`] |
//! | certificates, chains, CRLs, revocation | [`x509`] |
//! | AK certificate, quote, PCRs | [`vtpm`] |
//! | firmware log: parse, replay, rules | [`event_log`] |
//! | SEV-SNP reports | [`snp`] |
//! | TDX quotes | [`tdx`] |
//! | tokens of Google Cloud Attestation | [`google_token`] |
//! | Google's launch endorsements | [`launch`] |
//! | files of Google's go-tpm-tools | [`go_tpm_tools`] |
//! | what all of them are given | [`VerifyInputs`] |
//! | what was found | [`claims`] |
//! | which claims are absent, and why | [`withheld`] |
//! | collateral that is stored, and its replacement rules | [`collateral`] |
//! | what is cached between verifications | [`cache`] |
//!
//! Feature `test-util` adds builders that sign with throw-away roots; it removes no check.

pub mod anchors;
pub mod cache;
pub mod claims;
pub mod collateral;
pub mod event_log;
#[cfg(test)]
mod evidence;
mod field;
pub mod go_tpm_tools;
pub mod google_token;
mod hex_bytes;
mod inputs;
mod instance;
pub mod launch;
mod pcr_set;
pub mod snp;
pub mod tdx;
mod technology;
#[cfg(feature = "test-util")]
pub mod test_util;
pub mod verify;
pub mod vtpm;
pub mod withheld;
pub mod x509;

pub use anchors::Root;
pub use anchors::TrustAnchors;
pub use cache::VerifyCache;
pub use claims::Claims;
pub use claims::InspectedClaims;
pub use claims::Instance;
pub use claims::Phase;
pub use claims::VerifiedClaims;
pub use hex_bytes::Hex;
pub use inputs::VerifyInputs;
pub use pcr_set::PcrSet;
pub use technology::Technology;
pub use verify::Endorsements;
pub use verify::EvidenceFileError;
pub use verify::EvidenceKind;
pub use verify::Expected;
pub use verify::InspectedLog;
pub use verify::VekStore;
pub use verify::VerifyError;
pub use verify::inspect_ccel;
pub use verify::inspect_event_log;
pub use verify::inspect_evidence;
pub use verify::inspect_google_token;
pub use verify::inspect_launch_endorsement;
pub use verify::inspect_sev_snp;
pub use verify::inspect_snp;
pub use verify::inspect_tdx;
pub use verify::inspect_vtpm;
pub use verify::read_evidence_file;
pub use verify::read_vtpm_file;
pub use verify::verify;
pub use verify::verify_with;
pub use withheld::Withheld;
pub use x509::Collateral;
pub use x509::Revocation;
