//! Google's launch endorsements: signed statements that a measurement is that of a certain build of its
//! firmware.
//!
//! An endorsement is a message whose signed bytes include the signer's certificate and its CA bundle. It says
//! nothing about a VM: the hardware report proves that the VM has the measurement. The root is pinned by
//! digest, because there is a development root with the same name, whose private key is public.
//!
//! Names of messages and fields are those of `endorsement.proto` in Google's gce-tcb-verifier.
//!
//! Left out, and why:
//! - `VMSevSnp.policy`, `family_id`, `image_id`: the values with which Google launches today. The VM's own
//!   are in the report, as claims.
//! - `VMSevSnp.svsm_measurement`: the measurement of a launch with an SVSM. GCE's vTPM is outside of the VM.
//! - The VM's number of vCPUs against the entry's: no evidence states it. The entry's number is a claim.
//! - `VMGoldenMeasurement.digest` against the firmware's file: the verifier does not have the file. It is a
//!   claim.
//! - `VMSevSnp.svn`, `VMTdx.svn`: no minimum here; a policy may set one.
//! - The signer's common name: it is public, and the development certificates have the same.
//! - Extended key usage of the signer: webpki checks it if present (RFC 5280 §4.2.1.12).

pub(crate) mod cache;
pub(crate) mod claims;
mod error;
pub(crate) mod message;
pub(crate) mod store;
#[cfg(test)]
mod tests;
mod verified;

use std::sync::Arc;

use aws_lc_rs::signature::RSA_PSS_2048_8192_SHA256;
use aws_lc_rs::signature::UnparsedPublicKey;
use prost::Message as _;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::alg_id;
use rustls_pki_types::pem::PemObject as _;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::limits::MAX_ENDORSEMENT;

pub use self::cache::EndorsementCache;
pub use self::claims::LaunchEndorsement;
pub use self::error::LaunchError;
use self::message::VmGoldenMeasurement;
use self::message::VmLaunchEndorsement;
pub use self::store::EndorsementStore;
pub use self::verified::LaunchMeasurement;
use self::verified::Verified;
use crate::anchors::Purpose;
use crate::inputs::VerifyInputs;
use crate::x509;
use crate::x509::Certificate;
use crate::x509::ChainRequest;
use crate::x509::VerifiedChain;
use crate::x509::der;

/// The verified endorsement of a measurement: the one that came with the evidence, or else one from the
/// store.
///
/// `None` if there is none. An invalid endorsement is ignored, since a guest could have omitted it.
///
/// # Errors
/// Why the endorsement from the evidence is invalid, or the one from the store, if none is valid.
pub fn find(
    measurement: LaunchMeasurement,
    from_evidence: Option<&[u8]>,
    inputs: &VerifyInputs<'_>,
) -> Result<Option<LaunchEndorsement>, LaunchError> {
    let store = &inputs.endorsements.launch;
    let mut withheld = None;
    for endorsement in from_evidence.into_iter().chain(store.get(measurement.value())) {
        match verify(endorsement, measurement, inputs) {
            Ok(found) => return Ok(Some(found)),
            Err(error) => withheld = withheld.or(Some(error)),
        }
    }
    withheld.map_or(Ok(None), Err)
}

/// The measurements that an endorsement names, unverified: the keys to store it under.
///
/// # Errors
/// When it cannot be parsed.
pub fn measurements(endorsement: &[u8]) -> Result<Vec<Digest48>, LaunchError> {
    let (found, limit) = (endorsement.len(), MAX_ENDORSEMENT);
    if found > limit {
        return Err(LaunchError::TooLarge { found, limit });
    }
    let message = VmLaunchEndorsement::decode(endorsement).map_err(|_| LaunchError::Malformed)?;
    let golden = VmGoldenMeasurement::decode(message.serialized_uefi_golden.as_slice());
    let golden = golden.map_err(|_| LaunchError::Malformed)?;
    check_fields(&golden)?;
    let snp = golden.sev_snp.iter().flat_map(|snp| snp.measurements.values());
    let tdx = golden.tdx.iter().flat_map(|tdx| &tdx.measurements).map(|entry| &entry.mrtd);
    Ok(snp.chain(tdx).filter_map(|measurement| digest48(measurement)).collect())
}

/// Verifies that Google endorses a measurement.
///
/// # Errors
/// One variant for each reason.
pub fn verify(
    endorsement: &[u8],
    measurement: LaunchMeasurement,
    inputs: &VerifyInputs<'_>,
) -> Result<LaunchEndorsement, LaunchError> {
    let (found, limit) = (endorsement.len(), MAX_ENDORSEMENT);
    if found > limit {
        return Err(LaunchError::TooLarge { found, limit });
    }
    let digest = Digest32::of(endorsement);
    let cache = inputs.cache.endorsements();
    let key = cache::key(&digest, inputs.anchors, inputs.collateral);
    if let Some(known) = cache.get(&key, inputs.now) {
        return known.endorse(measurement);
    }
    let verified = Arc::new(verify_new(endorsement, digest, inputs)?);
    cache.insert(key, &verified);
    verified.endorse(measurement)
}

/// In the order of Google's own verifier: parse, provenance, chain, signature; the measurement comes last.
fn verify_new(
    endorsement: &[u8],
    digest: Digest32,
    inputs: &VerifyInputs<'_>,
) -> Result<Verified, LaunchError> {
    // 1. The messages (`VMLaunchEndorsement`, `VMGoldenMeasurement`): unknown fields are ignored, as usual
    //    for protobuf.
    let message = VmLaunchEndorsement::decode(endorsement).map_err(|_| LaunchError::Malformed)?;
    let signed = message.serialized_uefi_golden.as_slice();
    let golden = VmGoldenMeasurement::decode(signed).map_err(|_| LaunchError::Malformed)?;
    let (timestamp, firmware_digest) = check_fields(&golden)?;

    // 2. Provenance: `cl_spec` or `commit` (`endorsement.proto`), so that an endorsement can be traced to a
    //    build.
    if timestamp > PROVENANCE_SINCE && golden.cl_spec == 0 && golden.commit.is_empty() {
        return Err(LaunchError::NoProvenance { timestamp });
    }

    // 3. The signer's certificate, `cert`, chains to a root pinned by digest, or to an extra anchor (RFC 5280 §6.1).
    let chain = verify_signer(&golden, inputs)?;

    // 4. RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes (RFC 8017 §8.1.2), over `serialized_uefi_golden`
    //    as received: protobuf has no canonical encoding.
    let key = rsa_4096(chain.leaf()).ok_or(LaunchError::SignerKey)?;
    let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key);
    key.verify(signed, &message.signature).map_err(|_| LaunchError::SignatureInvalid)?;

    Ok(Verified { digest, timestamp, firmware_digest, golden, chain })
}

/// The time and the firmware's digest, and the length of every measurement: `MEASUREMENT` (AMD 56860 §7.3)
/// and MRTD (DCAP API A.3.2) are SHA-384.
fn check_fields(golden: &VmGoldenMeasurement) -> Result<(UnixTime, Digest48), LaunchError> {
    let seconds = golden.timestamp.map(|time| u64::try_from(time.seconds));
    let Some(Ok(seconds)) = seconds else {
        return Err(LaunchError::Field { name: "timestamp" });
    };
    let digest = digest48(&golden.digest).ok_or(LaunchError::Field { name: "digest" })?;
    // A SHA-1 or a SHA-256 object name.
    if !matches!(golden.commit.len(), 0 | 20 | 32) {
        return Err(LaunchError::Field { name: "commit" });
    }
    let has_length = |measurement: &Vec<u8>| measurement.len() == 48;
    if !golden.sev_snp.iter().flat_map(|snp| snp.measurements.values()).all(has_length) {
        return Err(LaunchError::Field { name: "sev_snp.measurements" });
    }
    if !golden.tdx.iter().flat_map(|tdx| &tdx.measurements).all(|entry| has_length(&entry.mrtd)) {
        return Err(LaunchError::Field { name: "tdx.measurements" });
    }
    Ok((UnixTime(seconds), digest))
}

fn digest48(bytes: &[u8]) -> Option<Digest48> {
    bytes.try_into().ok().map(Digest48)
}

fn verify_signer(
    golden: &VmGoldenMeasurement,
    inputs: &VerifyInputs<'_>,
) -> Result<VerifiedChain, LaunchError> {
    let bundle: Result<Vec<Vec<u8>>, LaunchError> = CertificateDer::pem_slice_iter(&golden.ca_bundle)
        .map(|certificate| certificate.map(|der| der.to_vec()).map_err(|_| LaunchError::Bundle))
        .take(x509::MAX_CERTIFICATES + 1)
        .collect();
    let bundle = bundle?;
    if bundle.is_empty() {
        return Err(LaunchError::Bundle);
    }
    let anchors = inputs.anchors.recognising(&bundle);
    let chain = x509::verify_chain(&ChainRequest {
        leaf: &golden.cert,
        certificates: &bundle,
        purpose: Purpose::LaunchSigner,
        anchors: &anchors,
        collateral: inputs.collateral,
        now: inputs.now,
    })?;
    // RFC 5280 §4.2.1.3: a key usage, if present, must include digital signatures.
    if chain.leaf().key_usage().is_some_and(|usage| !usage.digital_signature()) {
        return Err(LaunchError::SignerKeyUsage);
    }
    Ok(chain)
}

/// The key, if it is RSA with a modulus of 4096 bits, as Google's signer has (RFC 8017 §A.1.1).
fn rsa_4096(signer: &Certificate) -> Option<&[u8]> {
    let info = der::PublicKeyInfo::parse(signer.spki())?;
    let mut numbers = der::content_of(der::SEQUENCE, info.key)?;
    let modulus = der::take(&mut numbers)?.content;
    // The leading zero keeps the number positive: the highest bit is set.
    let is_4096 = modulus.len() == 513 && modulus.starts_with(&[0]);
    (info.algorithm == alg_id::RSA_ENCRYPTION.as_ref() && is_4096).then_some(info.key)
}

/// 2024-08-02: endorsements made later must name the build.
const PROVENANCE_SINCE: UnixTime = UnixTime(1_722_556_800);
