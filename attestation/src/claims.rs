//! The results of verification.
//!
//! [`VerifiedClaims`] is bound to one transcript and one guest key, and is the only input of a decision; only
//! this crate can make it. [`InspectedClaims`] has the same claims, without a request, and cannot be decided
//! on.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use vouchsafe_protocol::{BoundRequest, Digest32, GuestPublicKey, UnixTime};

use crate::anchors::Root;
pub use crate::event_log::Phase;
use crate::event_log::{BootLog, UserspaceWords};
use crate::google_token::claims::GoogleTokenClaims;
pub use crate::instance::Instance;
use crate::snp::claims::SnpClaims;
use crate::tdx::claims::TdxClaims;
use crate::technology::Technology;
use crate::withheld::{BootClaims, Withheld};
use crate::x509::{MissingCrl, Revocation};

/// Claims of verified evidence that is bound to one request.
///
/// Only [`crate::verify()`] makes it; it can neither be cloned nor deserialised.
///
/// ```compile_fail,E0599
/// fn copy(claims: &vouchsafe_attestation::VerifiedClaims) -> vouchsafe_attestation::VerifiedClaims {
///     claims.clone()
/// }
/// ```
///
/// ```compile_fail,E0624
/// # use vouchsafe_attestation::{Claims, VerifiedClaims};
/// # use vouchsafe_protocol::{BoundRequest, UnixTime};
/// fn forge(bound: BoundRequest, claims: Claims) -> VerifiedClaims {
///     VerifiedClaims::new(bound, UnixTime(0), claims)
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn read(json: &str) -> vouchsafe_attestation::VerifiedClaims {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
#[derive(Debug)]
pub struct VerifiedClaims {
    bound: BoundRequest,
    verified_at: UnixTime,
    claims: Claims,
}

impl VerifiedClaims {
    pub(crate) const fn new(bound: BoundRequest, verified_at: UnixTime, claims: Claims) -> Self {
        Self { bound, verified_at, claims }
    }

    /// The claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The request that the evidence is bound to.
    #[must_use]
    pub const fn bound(&self) -> &BoundRequest {
        &self.bound
    }

    /// The key that the evidence commits to: secrets are wrapped only to this one.
    #[must_use]
    pub const fn wrap_key(&self) -> &GuestPublicKey {
        self.bound.key()
    }

    /// When it was verified.
    #[must_use]
    pub const fn verified_at(&self) -> UnixTime {
        self.verified_at
    }
}

/// Claims of evidence that was verified without the request it was made for: for display, never for a
/// decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InspectedClaims {
    /// The claims.
    #[serde(flatten)]
    pub claims: Claims,
}

/// What a VM has proved about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// The confidential-computing technology: from the hardware report if there is one, otherwise asserted by
    /// Google in the vTPM's log or in a token. `None` if unknown.
    pub technology: Option<Technology>,
    /// Claims from the vTPM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vtpm: Option<VtpmClaims>,
    /// Claims from AMD's secure processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sev_snp: Option<SnpClaims>,
    /// Claims from Intel TDX.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tdx: Option<TdxClaims>,
    /// Claims from Google Cloud Attestation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub google_token: Option<GoogleTokenClaims>,
    /// Claims that are absent although an optional part of the evidence held data for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
}

impl Claims {
    /// The instance, from the AK certificate or from a token; if both are present, they name the same one.
    #[must_use]
    pub fn instance(&self) -> Option<&Instance> {
        let certified = self.vtpm.as_ref().and_then(|vtpm| vtpm.instance.as_ref());
        certified.or_else(|| self.google_token.as_ref()?.instance.as_ref())
    }

    /// Every withheld claim by its full name: `withheld`, and those of the boot logs below `vtpm` and
    /// `tdx.boot`.
    #[must_use]
    pub fn all_withheld(&self) -> Vec<Withheld> {
        let vtpm = self.vtpm.iter().flat_map(|vtpm| &vtpm.boot.withheld);
        let ccel = self.tdx.iter().filter_map(|tdx| tdx.unconfirmed_boot.as_ref());
        let ccel = ccel.flat_map(|boot| &boot.withheld);
        let vtpm = vtpm.map(|withheld| withheld.below(BootClaims::Vtpm));
        let ccel = ccel.map(|withheld| withheld.below(BootClaims::Ccel));
        self.withheld.iter().cloned().chain(vtpm).chain(ccel).collect()
    }

    /// Issuers of the CRLs that the revocation status of all chains is based on, encoded Names.
    pub fn crl_issuers(&self) -> impl Iterator<Item = &[u8]> {
        let vtpm = self.vtpm.iter().flat_map(|vtpm| &vtpm.crl_issuers);
        let snp = self.sev_snp.iter().flat_map(|snp| &snp.crl_issuers);
        let token = self.google_token.iter().flat_map(|token| &token.crl_issuers);
        let snp_endorsement = self.sev_snp.iter().filter_map(|snp| snp.endorsement.as_ref());
        let tdx_endorsement = self.tdx.iter().filter_map(|tdx| tdx.endorsement.as_ref());
        let launch = snp_endorsement.chain(tdx_endorsement).flat_map(|endorsement| &endorsement.crl_issuers);
        vtpm.chain(snp).chain(token).chain(launch).map(Vec::as_slice)
    }

    /// The CRLs that are missing for all chains to be `fresh`. Each is named by a verified certificate.
    pub fn missing_crls(&self) -> impl Iterator<Item = &MissingCrl> {
        let vtpm = self.vtpm.iter().flat_map(|vtpm| &vtpm.missing_crls);
        let snp = self.sev_snp.iter().flat_map(|snp| &snp.missing_crls);
        let token = self.google_token.iter().flat_map(|token| &token.missing_crls);
        let snp_endorsement = self.sev_snp.iter().filter_map(|snp| snp.endorsement.as_ref());
        let tdx_endorsement = self.tdx.iter().filter_map(|tdx| tdx.endorsement.as_ref());
        let launch = snp_endorsement.chain(tdx_endorsement).flat_map(|endorsement| &endorsement.missing_crls);
        vtpm.chain(snp).chain(token).chain(launch)
    }
}

/// Claims from the vTPM: AK certificate, quote and firmware log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VtpmClaims {
    /// The root that the AK certificate chains to.
    pub root: Root,
    /// How current the revocation data of that chain was.
    pub revocation: Revocation,
    /// The CRLs that are missing for `fresh`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_crls: Vec<MissingCrl>,
    /// Issuers of the CRLs that this is based on, encoded Names.
    #[serde(skip)]
    pub crl_issuers: Vec<Vec<u8>>,
    /// The attestation key.
    pub ak: AkClaims,
    /// The instance. `None` if the certificate does not identify a production instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// Counters of the TPM at the time of the quote.
    pub clock: ClockInfo,
    /// The quoted PCRs of the SHA-256 bank, including what user space extended.
    pub pcrs: BTreeMap<u8, Digest32>,
    /// PCR 0 to 9 and 11 to 14 at the end of the firmware's log, without what user space extended afterwards.
    /// Policies compare with these.
    pub firmware_pcrs: BTreeMap<u8, Digest32>,
    /// The boot phase.
    pub phase: Phase,
    /// The words that user space extended after the firmware's log, by register: for display, and for
    /// baselines that list words. Root can extend more.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub userspace: UserspaceWords,
    /// What the firmware log says, each part checked against the quoted PCRs.
    pub boot: Arc<BootLog>,
}

/// The attestation key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AkClaims {
    /// `rsa-2048`, `ecc-p256` and the like.
    pub algorithm: &'static str,
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub public_digest: Digest32,
    /// SHA-256 of its certificate.
    pub certificate_digest: Digest32,
}

/// `TPMS_CLOCK_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClockInfo {
    /// Milliseconds for which the TPM has been powered.
    pub clock: u64,
    /// TPM resets.
    pub reset_count: u32,
    /// TPM restarts and resumes since the last reset.
    pub restart_count: u32,
    /// False when the clock may have gone back.
    pub safe: bool,
}
