//! The claims of a verified launch endorsement.

use serde::Serialize;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;

use crate::anchors::Root;
use crate::x509::MissingCrl;
use crate::x509::Revocation;

/// A `VMLaunchEndorsement` with a valid signature that contains the given measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaunchEndorsement {
    /// The root that the signer chains to.
    pub root: Root,
    /// How current the revocation data of the signer's chain was.
    pub revocation: Revocation,
    /// The CRLs that are missing for `fresh`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_crls: Vec<MissingCrl>,
    /// Issuers of the CRLs that this is based on, encoded Names.
    #[serde(skip)]
    pub crl_issuers: Vec<Vec<u8>>,
    /// SHA-256 of the endorsement.
    pub digest: Digest32,
    /// When it was made.
    pub timestamp: UnixTime,
    /// Security version of the firmware for this technology. It never decreases from build to build.
    pub svn: u32,
    /// SHA-384 of the firmware image.
    pub firmware_digest: Digest48,
    /// Google's internal number of the build.
    pub cl_spec: u64,
    /// SHA-1 commit of the build, hex; absent if the endorsement has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// For SEV-SNP, the number of vCPUs that the measurement is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u32>,
    /// For TDX, the memory in GiB that the measurement is for; absent for the general one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ram_gib: Option<u32>,
}
