//! `vouchsafe baseline learn`: the baseline of exactly one boot, from captured evidence or from a decision's.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use vouchsafe_attestation::{Claims, VerifyError, inspect_evidence, read_vtpm_file};
use vouchsafe_policy::Baseline;
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::{DecisionId, Evidence, UnixTime};

use super::super::client::Client;
use super::super::failure::Failure;
use super::super::judge::{Files, Judge};
use super::super::output;
use super::super::when::When;
use crate::api::decisions::ShowDecision;
use crate::clock;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["evidence", "decision"]))]
pub(super) struct Learn {
    /// Captured evidence: JSON of `vouchsafe-guest evidence`, or an attestation of Google's go-tpm-tools.
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// The decision whose evidence the broker kept.
    #[arg(long, value_name = "ID")]
    decision: Option<DecisionId>,
    /// Security version of the baseline.
    #[arg(long, default_value_t = 1)]
    version: u32,
    /// Expiry: 2027-11-29T10:00Z, a date, or seconds since 1970; default: in a year.
    #[arg(long, value_name = "TIME")]
    ends_at: Option<When>,
    /// Issuing CAs and CRLs, PEM or DER; Intel's collateral for a TDX platform and key sets of tokens; bundles of `collateral export`
    #[arg(long, alias = "cert", value_name = "FILE")]
    collateral: Vec<PathBuf>,
    /// A launch endorsement of Google's, for an SEV-SNP measurement or an MRTD.
    #[arg(long, value_name = "FILE")]
    endorsement: Vec<PathBuf>,
    /// Audience of a Google Cloud Attestation token: a URL of the broker.
    #[arg(long, value_name = "URL")]
    audience: Vec<String>,
    /// Trust anchors for the evidence, in addition to the built-in ones.
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// The time to verify the evidence at: 2026-11-29T10:00Z, a date, a duration such as 2h before now, or seconds
    /// since 1970; default: now.
    #[arg(long, value_name = "TIME")]
    at: Option<When>,
    /// Write to this new file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Learn {
    pub(super) fn run(self, open: impl FnOnce() -> Result<Client, Failure>) -> Result<ExitCode, Failure> {
        let (evidence, source) = self.read(open)?;
        let now = self.at.map_or_else(clock::now, |When(at)| at);
        let ends_at = self.ends_at()?;
        let files = Files {
            anchors: &self.anchor,
            collateral: &self.collateral,
            endorsements: &self.endorsement,
            audiences: &self.audience,
            bundles_of: &[],
        };
        let judge = Judge::open(&files, now)?;
        // Each piece is verified alone: learning a baseline implies trust in the source of the file.
        let claims = match evidence.and_then(|evidence| inspect_evidence(&evidence, &judge.inputs())) {
            Ok(inspected) => inspected.claims,
            Err(error) => {
                output::print_json(&json!({ "refused": error.name(), "detail": error.to_string() }))?;
                return Ok(ExitCode::from(1));
            }
        };
        let baseline = Baseline::capture(&claims, self.version, ends_at)
            .map_err(|error| Failure::Usage(format!("{source}: no baseline can be learned: {error}")))?;
        let names =
            claims.vtpm.as_ref().map(|vtpm| Baseline::untrusted_names(&vtpm.boot)).unwrap_or_default();
        let remarks = baseline.remarks(&claims);
        let text = baseline.to_commented(&heading(&source, &claims, &remarks), &names);
        if !remarks.is_empty() {
            output::note(remarks.trim_start());
        }
        output::write_document(
            &text,
            self.out.as_deref(),
            "Read it, then: vouchsafe baseline put NAMESPACE/NAME FILE",
        )
    }

    /// Not in the past: a broker accepts no expired baseline.
    fn ends_at(&self) -> Result<UnixTime, Failure> {
        let now = clock::now();
        match self.ends_at {
            None => Ok(UnixTime(now.0 + YEAR)),
            Some(When(ends_at)) if ends_at > now => Ok(ends_at),
            Some(When(ends_at)) => Err(Failure::Usage(format!(
                "--ends-at is {}, which has passed: nothing would ever be a member",
                clock::human(ends_at)
            ))),
        }
    }

    /// The evidence, and its name in the baseline's comments.
    fn read(
        &self,
        open: impl FnOnce() -> Result<Client, Failure>,
    ) -> Result<(Result<Evidence, VerifyError>, String), Failure> {
        if let Some(id) = self.decision {
            let answer = open()?.get("/v1/decisions/evidence", &ShowDecision { id })?;
            let evidence = serde_json::from_value(answer)
                .map_err(|_| Failure::Answer { url: "/v1/decisions/evidence".to_owned() })?;
            return Ok((Ok(evidence), format!("decision {id}")));
        }
        let path = self.evidence.as_deref().unwrap_or_else(|| std::path::Path::new("-"));
        let file = output::read_input(path, MAX_REQUEST)?;
        let evidence = match serde_json::from_slice::<Evidence>(&file) {
            Ok(evidence) => evidence.check_sizes().map(|()| evidence).map_err(VerifyError::from),
            Err(_) => read_vtpm_file(&file).map(|vtpm| Evidence { vtpm: Some(vtpm), ..Evidence::default() }),
        };
        Ok((evidence, path.display().to_string()))
    }
}

fn heading(source: &str, claims: &Claims, remarks: &str) -> String {
    let instance = claims.vtpm.as_ref().and_then(|vtpm| vtpm.instance.as_ref());
    let instance = instance.map_or_else(String::new, |instance| {
        format!(" of instance {}/{}", instance.project_number, instance.instance_id)
    });
    format!(
        "Learned from {source}: exactly this one boot{instance}.\n\
         Whoever ran it could have booted anything: compare the digests with files that you trust, above all those\n\
         whose kind was told by a name. A line that begins with two slashes is a comment.{}{remarks}",
        firmware(claims)
    )
}

/// A summary of the firmware measured by hardware.
fn firmware(claims: &Claims) -> String {
    let measured = claims.sev_snp.iter().map(|snp| (&snp.measurement, &snp.endorsement));
    let measured = measured.chain(claims.tdx.iter().map(|tdx| (&tdx.mr_td, &tdx.endorsement)));
    let said = measured.map(|(measurement, endorsement)| match endorsement {
        Some(found) => {
            format!(
                "\nFirmware {measurement} is endorsed under root {}, security version {}.",
                found.root, found.svn
            )
        }
        None => format!("\nFirmware {measurement} has no endorsement here that counts."),
    });
    said.collect()
}

/// Seconds.
const YEAR: u64 = 365 * 24 * 3600;
