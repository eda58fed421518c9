//! A launch endorsement with a verified signature, and its statement about a measurement.

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;

use super::claims::LaunchEndorsement;
use super::error::LaunchError;
use super::message::VmGoldenMeasurement;
use crate::x509::VerifiedChain;

/// The measurement to look up in an endorsement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchMeasurement {
    /// `MEASUREMENT` of an SEV-SNP report.
    Snp(Digest48),
    /// MRTD of a TDX quote.
    Tdx(Digest48),
}

impl LaunchMeasurement {
    pub(super) const fn value(&self) -> &Digest48 {
        match self {
            Self::Snp(value) | Self::Tdx(value) => value,
        }
    }
}

/// An endorsement with a verified signature.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) digest: Digest32,
    pub(super) timestamp: UnixTime,
    pub(super) firmware_digest: Digest48,
    pub(super) golden: VmGoldenMeasurement,
    pub(super) chain: VerifiedChain,
}

impl Verified {
    pub(super) fn endorse(&self, measurement: LaunchMeasurement) -> Result<LaunchEndorsement, LaunchError> {
        let Endorsed { svn, vcpus, ram_gib } = match measurement {
            LaunchMeasurement::Snp(value) => self.endorse_snp(&value)?,
            LaunchMeasurement::Tdx(value) => self.endorse_tdx(&value)?,
        };
        let commit = &self.golden.commit;
        Ok(LaunchEndorsement {
            root: self.chain.root(),
            revocation: self.chain.revocation(),
            missing_crls: self.chain.missing_crls().to_vec(),
            crl_issuers: self.chain.crl_issuers().to_vec(),
            digest: self.digest,
            timestamp: self.timestamp,
            svn,
            firmware_digest: self.firmware_digest,
            cl_spec: self.golden.cl_spec,
            commit: (!commit.is_empty()).then(|| hex::encode(commit)),
            vcpus,
            ram_gib,
        })
    }

    fn endorse_snp(&self, measurement: &Digest48) -> Result<Endorsed, LaunchError> {
        let snp = self.golden.sev_snp.as_ref().ok_or(LaunchError::OtherTechnology)?;
        let mut entries = snp.measurements.iter();
        let found = entries.find(|(_, value)| value.as_slice() == measurement.as_bytes());
        let (vcpus, _) = found.ok_or(LaunchError::NotEndorsed { measurement: *measurement })?;
        Ok(Endorsed { svn: snp.svn, vcpus: Some(*vcpus), ram_gib: None })
    }

    fn endorse_tdx(&self, measurement: &Digest48) -> Result<Endorsed, LaunchError> {
        let tdx = self.golden.tdx.as_ref().ok_or(LaunchError::OtherTechnology)?;
        let entries = tdx.measurements.iter().filter(|entry| entry.mrtd == measurement.as_bytes());
        // The general one, if present, has 0.
        let ram_gib = entries.map(|entry| entry.ram_gib).min();
        let ram_gib = ram_gib.ok_or(LaunchError::NotEndorsed { measurement: *measurement })?;
        Ok(Endorsed { svn: tdx.svn, vcpus: None, ram_gib: (ram_gib != 0).then_some(ram_gib) })
    }
}

struct Endorsed {
    svn: u32,
    vcpus: Option<u32>,
    ram_gib: Option<u32>,
}
