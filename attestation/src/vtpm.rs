//! The vTPM of a GCE instance: AK certificate, quote, PCRs and firmware log together.
//!
//! Guarantees: the quote is signed by a key that a trusted CA certified as an attestation key, made from
//! GCE's template in the endorsement hierarchy; the PCR values are the quoted ones; the log matches them. The
//! caller must compare the quote's `extraData` first. Guarantees nothing against Google's host, which runs
//! the vTPM.
//!
//! TPM 2.0 Parts 1 to 3 are those of the TCG's Library Specification, revision 1.59.
//!
//! Left out, and why:
//! - The endorsement key and TPM2_ActivateCredential (TPM 2.0 Part 3 §12.5): they are used to certify an
//!   attestation key, and Google has already certified this one.
//! - `firmwareVersion` (TPM 2.0 Part 2 §10.12.12): a vendor's number without a public meaning on GCE.
//! - Clock, resetCount and restartCount (TPM 2.0 Part 2 §10.11.1): claims, not checked here; the nonce proves
//!   freshness.
//! - `instance_info` of go-tpm-tools' `attest.proto`: unsigned. The instance is read only from the
//!   certificate.
//! - Extended key usage of the AK: the current hierarchy's certificates have none, and webpki checks it if
//!   present (RFC 5280 §4.2.1.12).

pub(crate) mod ak;
mod attest;
mod error;
mod instance_info;
mod name;
mod partial;
mod pcrs;
mod public_key;
mod reader;
mod signature;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::VtpmEvidence;

pub(crate) use self::ak::AttestationKey;
pub use self::attest::Attest;
pub use self::attest::AttestError;
pub use self::attest::MAX_SELECTIONS;
pub use self::attest::PcrSelection;
pub use self::error::VtpmError;
pub use self::instance_info::InstanceInfoError;
pub use self::instance_info::parse_instance_info;
#[cfg(feature = "test-util")]
pub(crate) use self::name::qualified_name;
pub use self::pcrs::RELEASE_PCRS;
pub(crate) use self::pcrs::Selection;
#[cfg(feature = "test-util")]
pub(crate) use self::public_key::PublicKey;
pub use self::signature::Hash;
pub use self::signature::TpmSignature;
pub use self::signature::TpmSignatureError;
use crate::anchors::Purpose;
use crate::claims::AkClaims;
use crate::claims::Instance;
use crate::claims::VtpmClaims;
use crate::event_log::PcrRule;
use crate::event_log::Phase;
use crate::event_log::UserspaceLog;
use crate::inputs::VerifyInputs;
use crate::withheld::Withheld;
use crate::x509::ChainError;
use crate::x509::UnknownIssuer;
use crate::x509::VerifiedChain;

/// Evidence with a parsed quote. Nothing in it has been verified.
pub(crate) struct ReadQuote<'a> {
    evidence: &'a VtpmEvidence,
    attest: Attest<'a>,
    signature: TpmSignature<'a>,
}

/// An attestation key that a trusted CA certified.
pub(crate) struct CertifiedKey {
    chain: VerifiedChain,
    key: Arc<AttestationKey>,
}

/// A verified quote under a certified key, over exactly the given PCR values.
pub(crate) struct SignedQuote<'a> {
    quote: ReadQuote<'a>,
    key: CertifiedKey,
    selection: Selection,
}

impl<'a> ReadQuote<'a> {
    /// Parses quote and signature.
    pub(crate) fn parse(evidence: &'a VtpmEvidence) -> Result<Self, VtpmError> {
        let attest = Attest::parse(&evidence.quote)?;
        let signature = TpmSignature::parse(&evidence.signature)?;
        Ok(Self { evidence, attest, signature })
    }

    /// What the quote was made for: `extraData`, the caller's `qualifyingData` (TPM 2.0 Part 3 §18.4).
    pub(crate) const fn extra_data(&self) -> &'a [u8] {
        self.attest.extra_data
    }

    /// Verifies the key's certificate: its chain, and that it is an attestation key's (T02).
    pub(crate) fn certified_key(&self, inputs: &VerifyInputs<'_>) -> Result<CertifiedKey, VtpmError> {
        let chain = self.chain(inputs)?;
        if let Some(key) = inputs.cache.keys.get(&chain.leaf_digest()) {
            return Ok(CertifiedKey { chain, key });
        }
        let key = Arc::new(AttestationKey::of(chain.leaf())?);
        inputs.cache.keys.insert(chain.leaf_digest(), Arc::clone(&key));
        Ok(CertifiedKey { chain, key })
    }

    /// Verifies the chain of the AK certificate. Unusable issuing CAs that came with it are ignored, and a
    /// missing issuer is reported.
    fn chain(&self, inputs: &VerifyInputs<'_>) -> Result<VerifiedChain, VtpmError> {
        let certificates = &self.evidence.ca_certificates;
        let verify = |certificates: &[Bytes]| {
            inputs.received_chain(&self.evidence.ak_certificate, certificates, Purpose::GoogleAk)
        };
        let error = match verify(certificates) {
            Ok(chain) => return Ok(chain),
            Err(error @ ChainError::Revoked { .. }) => return Err(error.into()),
            Err(error) => error,
        };
        let Some(issuer) = UnknownIssuer::of(&self.evidence.ak_certificate, Purpose::GoogleAk) else {
            return Err(error.into());
        };
        let alone = if certificates.is_empty() { Err(error.clone()) } else { verify(&[]) };
        match alone {
            Err(ChainError::UnknownIssuer) => Err(VtpmError::UnknownIssuer(Box::new(issuer))),
            alone => alone.map_err(|_| error.into()),
        }
    }

    /// Verifies the signature and what it covers.
    pub(crate) fn verify(
        self,
        key: CertifiedKey,
        selection: Selection,
    ) -> Result<SignedQuote<'a>, VtpmError> {
        // 1. Exactly the required PCRs, and their values (TPM 2.0 Part 2 §10.12.4; T03, T26). Cheap, so it
        //    comes first.
        let hash = self.signature.hash();
        pcrs::check(&self.attest, &self.evidence.pcrs, hash, selection)?;
        // 2. The key was made from GCE's template in the endorsement hierarchy: qualifiedSigner is the key's
        //    Qualified Name (TPM 2.0 Part 2 §10.12.12). The certificate alone does not say that the key is
        //    restricted, and an unrestricted key would sign a forged quote.
        if !key.key.is_qualified_signer(self.attest.qualified_signer, hash) {
            return Err(VtpmError::QualifiedSignerMismatch);
        }
        // 3. The signature, over the bytes as received (TPM 2.0 Part 2 §11.3.4).
        key.key.verify(&self.evidence.quote, &self.signature)?;
        Ok(SignedQuote { quote: self, key, selection })
    }
}

impl CertifiedKey {
    /// The instance; `None` if the certificate does not identify a production instance.
    pub(crate) fn instance(&self) -> Option<&Instance> {
        self.key.instance.as_ref()
    }

    /// DER `SubjectPublicKeyInfo`.
    pub(crate) fn spki(&self) -> &[u8] {
        self.chain.leaf().spki()
    }
}

impl SignedQuote<'_> {
    /// Compares the firmware log, and the userspace log if there is one, with the quoted PCRs. An unusable
    /// userspace log is ignored.
    pub(crate) fn claims(
        self,
        inputs: &VerifyInputs<'_>,
        withheld: &mut Vec<Withheld>,
    ) -> Result<VtpmClaims, VtpmError> {
        let Self { quote, key, selection } = self;
        let found = inputs.cache.log(&quote.evidence.event_log)?;
        let opened = quote.evidence.userspace_log.as_deref().map(UserspaceLog::open).transpose();
        let userspace_log = opened.unwrap_or_else(|reason| {
            withheld.push(reason);
            None
        });
        let replayed = &found.log().replayed;
        let rule = match selection {
            Selection::Exact => PcrRule::Release,
            Selection::Inspected => PcrRule::Quoted,
        };
        let state = replayed.check_against(&quote.evidence.pcrs, rule, userspace_log.as_ref())?;
        let firmware_pcrs = FIRMWARE_PCRS.map(|pcr| (pcr, replayed.value(pcr))).into();
        let log = inputs.cache.keep(found);
        let mut claims = VtpmClaims {
            root: key.chain.root(),
            revocation: key.chain.revocation(),
            missing_crls: key.chain.missing_crls().to_vec(),
            crl_issuers: key.chain.crl_issuers().to_vec(),
            ak: AkClaims {
                algorithm: key.key.algorithm(),
                public_digest: Digest32::of(key.spki()),
                certificate_digest: key.chain.leaf_digest(),
            },
            instance: key.key.instance.clone(),
            clock: quote.attest.clock,
            pcrs: quote.evidence.pcrs.clone(),
            firmware_pcrs,
            phase: state.phase.unwrap_or(Phase::Booted),
            userspace: state.userspace,
            boot: log.boot,
        };
        if selection == Selection::Inspected {
            withheld.extend(partial::withhold_uncovered(&mut claims));
        }
        Ok(claims)
    }
}

/// PCRs that the firmware's log extends. It does not extend PCR 15.
const FIRMWARE_PCRS: [u8; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14];
