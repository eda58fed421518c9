//! `vouchsafe verify …`: the verifier of the release path, offline, on captured files.
//!
//! Always prints JSON. Exit 0 and the claims; exit 1 and `{"refused": …, "detail": …}` when the evidence is
//! refused or malformed; exit 2 for usage and files that cannot be read. No decision can be made from the
//! output.

mod arguments;
pub(super) mod decision;
mod endorsement;
mod google_token;
mod registers;
mod tdx;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use vouchsafe_attestation::snp::SnpEvidence;
use vouchsafe_attestation::x509::{read_file, take_leaf};
use vouchsafe_attestation::{
    Expected, inspect_ccel, inspect_event_log, inspect_snp, inspect_vtpm, read_vtpm_file,
};
use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::limits::{MAX_EVENT_LOG, MAX_REQUEST};

use super::failure::Failure;
use super::{encoded, output};
use arguments::{By, Hex, HexBytes};
use verdict::verdict;

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// An SEV-SNP attestation report.
    #[command(group = clap::ArgGroup::new("binding").required(true))]
    SevSnp {
        /// The report, 1184 bytes.
        #[arg(long, value_name = "FILE")]
        report: PathBuf,
        /// VCEK or VLEK certificate, DER or PEM.
        #[arg(long, value_name = "FILE")]
        vek: PathBuf,
        /// A launch endorsement of Google's, for its measurement.
        #[arg(long, value_name = "FILE")]
        endorsement: Vec<PathBuf>,
        /// Expected report data, 128 hex digits.
        #[arg(long, value_name = "HEX", group = "binding")]
        report_data: Option<Hex<64>>,
        /// Skip the check of the report data, and only print the claims.
        #[arg(long, group = "binding")]
        inspect: bool,
        #[command(flatten)]
        by: By,
    },
    /// An Intel TDX quote, with Intel's collateral for its platform (--collateral); optional with --inspect.
    Tdx(Box<tdx::Tdx>),
    /// A vTPM quote with its log: an attestation of Google's go-tpm-tools, or evidence of vouchsafe-guest in JSON.
    /// With --inspect, a quote over PCR 0 to 7 is enough.
    #[command(group = clap::ArgGroup::new("binding").required(true))]
    Vtpm {
        /// The file.
        #[arg(long, value_name = "FILE")]
        attestation: PathBuf,
        /// systemd's measurement log (tpm2-measure.log), instead of the one in the file.
        #[arg(long, value_name = "FILE")]
        userspace_log: Option<PathBuf>,
        /// Expected nonce, in hex.
        #[arg(long, value_name = "HEX", group = "binding")]
        nonce: Option<HexBytes>,
        /// Skip the check of the nonce or report data, and only print the claims.
        #[arg(long, group = "binding")]
        inspect: bool,
        #[command(flatten)]
        by: By,
    },
    /// A token of Google Cloud Attestation.
    GoogleToken(Box<google_token::GoogleToken>),
    /// A recorded grant, exported by `decisions evidence`: verifies its evidence again and prints the claims.
    Decision(Box<decision::Decision>),
    /// A launch endorsement of Google's.
    Endorsement(Box<endorsement::Endorsement>),
    /// A firmware event log, replayed to given PCRs.
    EventLog {
        /// The log (binary_bios_measurements).
        #[arg(long, value_name = "FILE")]
        log: PathBuf,
        /// The PCRs: a JSON object of decimal index to hex SHA-256, or the output of tpm2_pcrread. They may be from
        /// the initrd or from the running system.
        #[arg(long, value_name = "FILE")]
        pcrs: PathBuf,
        /// systemd's measurement log (tpm2-measure.log): what user space extended after the firmware.
        #[arg(long, value_name = "FILE")]
        userspace_log: Option<PathBuf>,
        #[command(flatten)]
        by: By,
    },
    /// The CCEL event log of a TDX guest, replayed to given RTMRs.
    Ccel {
        /// The log; 0xFF may follow it.
        #[arg(long, value_name = "FILE")]
        log: PathBuf,
        /// JSON object: "0" to "3" to hex SHA-384.
        #[arg(long, value_name = "FILE")]
        rtmrs: PathBuf,
    },
}

impl Verify {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.kind {
            Kind::SevSnp { report, vek, endorsement, report_data, by, inspect: _ } => {
                let judge = by.open_with(&endorsement)?;
                let report = encoded::read(&report, MAX_REQUEST)?;
                let (vek, issuers) = certificate(&vek)?;
                let issuers: Vec<Bytes> = issuers.into_iter().map(Bytes).collect();
                let evidence = SnpEvidence { report: &report, vek: &vek, certificates: &issuers };
                let expected =
                    report_data.as_ref().map_or(Expected::Waived, |data| Expected::Exactly(&data.0));
                verdict(inspect_snp(&evidence, expected, &judge.inputs()))
            }
            Kind::Vtpm { attestation, userspace_log, nonce, by, inspect: _ } => {
                let judge = by.open()?;
                let file = encoded::read(&attestation, MAX_REQUEST)?;
                let userspace_log = open_userspace_log(userspace_log)?;
                let expected = nonce.as_ref().map_or(Expected::Waived, |nonce| Expected::Exactly(&nonce.0));
                verdict(read_vtpm_file(&file).and_then(|mut vtpm| {
                    vtpm.userspace_log = userspace_log.map(Into::into).or(vtpm.userspace_log);
                    inspect_vtpm(&vtpm, expected, &judge.inputs())
                }))
            }
            Kind::Tdx(tdx) => tdx.run(),
            Kind::GoogleToken(token) => token.run(),
            Kind::Decision(decision) => decision.run(),
            Kind::Endorsement(endorsement) => endorsement.run(),
            Kind::EventLog { log, pcrs, userspace_log, by } => {
                by.open()?;
                let text = output::read_text(&pcrs, MAX_REQUEST)?;
                let pcrs = registers::read_pcrs(&text).map_err(|detail| Failure::file(&pcrs, detail))?;
                let userspace_log = open_userspace_log(userspace_log)?;
                // A log that is too large is refused like any other malformed evidence.
                let log = encoded::read(&log, 8 * MAX_EVENT_LOG)?;
                verdict(inspect_event_log(&log, &pcrs, userspace_log.as_deref()))
            }
            Kind::Ccel { log, rtmrs } => {
                let text = output::read_text(&rtmrs, MAX_REQUEST)?;
                let rtmrs = registers::read_rtmrs(&text).map_err(|detail| Failure::file(&rtmrs, detail))?;
                let log = encoded::read(&log, 8 * MAX_EVENT_LOG)?;
                verdict(inspect_ccel(&log, &rtmrs).map(|boot| json!({ "boot": boot })))
            }
        }
    }
}

/// The leaf certificate of a file, and its issuers in the file: AMD's service returns VCEK, ASK and ARK in
/// separate files, other tools in one. A file without certificates is passed to the verifier, which refuses
/// it.
fn certificate(path: &std::path::Path) -> Result<(Vec<u8>, Vec<Vec<u8>>), Failure> {
    let file = output::read_input(path, MAX_REQUEST)?;
    let (mut crls, mut certificates) = (Vec::new(), Vec::new());
    if read_file(&file, &mut crls, &mut certificates).is_ok() && crls.is_empty() {
        if let Some(leaf) = take_leaf(&mut certificates) {
            return Ok((leaf, certificates));
        }
        if let [only] = certificates.as_slice() {
            return Ok((only.clone(), Vec::new()));
        }
    }
    Ok((file, Vec::new()))
}

/// The verifier ignores an unusable log; a missing file is an error.
fn open_userspace_log(path: Option<PathBuf>) -> Result<Option<Vec<u8>>, Failure> {
    path.map(|path| output::read_input(&path, MAX_REQUEST)).transpose()
}
