//! `vouchsafe verify endorsement`: a launch endorsement of Google's, for a measurement.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use vouchsafe_attestation::inspect_launch_endorsement;
use vouchsafe_attestation::launch::LaunchMeasurement;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::limits::MAX_REQUEST;

use super::super::encoded;
use super::super::failure::Failure;
use super::arguments::{By, Hex};
use super::verdict::verdict;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("measured").required(true))]
pub(super) struct Endorsement {
    /// The endorsement, a serialized VMLaunchEndorsement.
    #[arg(long, value_name = "FILE")]
    endorsement: PathBuf,
    /// The launch measurement of an SEV-SNP report that it must contain, 96 hex digits.
    #[arg(long, value_name = "HEX", group = "measured")]
    measurement: Option<Hex<48>>,
    /// The MRTD of a TDX quote that it must contain, 96 hex digits.
    #[arg(long, value_name = "HEX", group = "measured")]
    mrtd: Option<Hex<48>>,
    #[command(flatten)]
    by: By,
}

impl Endorsement {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let judge = self.by.open()?;
        let snp = self.measurement.map(|hex| LaunchMeasurement::Snp(Digest48(hex.0)));
        let tdx = self.mrtd.map(|hex| LaunchMeasurement::Tdx(Digest48(hex.0)));
        let measurement = snp.or(tdx);
        let measurement =
            measurement.ok_or_else(|| Failure::Usage("--measurement or --mrtd is needed".to_owned()))?;
        let file = encoded::read(&self.endorsement, MAX_REQUEST)?;
        verdict(inspect_launch_endorsement(&file, measurement, &judge.inputs()))
    }
}
