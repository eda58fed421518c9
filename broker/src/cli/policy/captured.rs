//! Captured evidence, verified as far as a file allows. Evaluating a policy with it implies trust in the
//! source of the file.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use vouchsafe_attestation::vtpm::VtpmError;
use vouchsafe_attestation::x509::ChainError;
use vouchsafe_attestation::{InspectedClaims, VerifyError, inspect_evidence, read_evidence_file};
use vouchsafe_policy::{Baseline, MAX_BASELINE, NamedBaseline};
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::{ObjectName, UnixTime};

use super::super::failure::Failure;
use super::super::judge::{Files, Judge};
use super::super::when::When;
use super::super::{encoded, output};
use crate::clock;

/// What captured evidence is verified against.
#[derive(Debug, Args)]
pub(super) struct Captured {
    /// Trust anchors for the evidence, in addition to the built-in ones.
    #[arg(long, value_name = "FILE", requires = "evidence")]
    anchor: Vec<PathBuf>,
    /// CRLs and issuing CAs, PEM or DER; Intel's collateral for a TDX platform and key sets of tokens; bundles of `collateral export`
    #[arg(long, value_name = "FILE", requires = "evidence")]
    collateral: Vec<PathBuf>,
    /// A launch endorsement of Google's, for an SEV-SNP measurement or an MRTD.
    #[arg(long, value_name = "FILE", requires = "evidence")]
    endorsement: Vec<PathBuf>,
    /// Audience of a Google Cloud Attestation token: a URL of the broker.
    #[arg(long, value_name = "URL", requires = "evidence")]
    audience: Vec<String>,
    /// The time to verify the evidence at: 2026-11-29T10:00Z, a date, a duration such as 2h before now, or seconds
    /// since 1970; default: now.
    #[arg(long, value_name = "TIME", requires = "evidence")]
    at: Option<When>,
}

impl Captured {
    /// The time to verify at.
    pub(super) fn now(&self) -> UnixTime {
        self.at.map_or_else(clock::now, |When(at)| at)
    }

    /// The claims of the evidence in a file. Each piece is verified alone, since the request that it was made
    /// for is unknown.
    pub(super) fn inspect(&self, file: &Path) -> Result<InspectedClaims, Failure> {
        let evidence = read_evidence_file(&encoded::read(file, MAX_REQUEST)?)
            .map_err(|error| Failure::file(file, format!("no evidence: {error}")))?;
        let files = Files {
            anchors: &self.anchor,
            collateral: &self.collateral,
            endorsements: &self.endorsement,
            audiences: &self.audience,
            bundles_of: &[],
        };
        let judge = Judge::open(&files, self.now())?;
        let claims = inspect_evidence(&evidence, &judge.inputs());
        claims.map_err(|error| Failure::file(file, format!("refused: {error}{}", advice(&error))))
    }
}

/// Which option to add when a missing file caused the error.
const fn advice(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::CollateralMissing { .. } => {
            ". Give the chip's VCEK as AMD publishes it, or what a broker has fetched: vouchsafe collateral export --out FILE, \
             then --collateral FILE"
        }
        VerifyError::Vtpm(VtpmError::UnknownIssuer(_)) => {
            ". Without a broker, give that file, or what a broker has fetched (vouchsafe collateral export --out FILE), with \
             --collateral FILE"
        }
        VerifyError::Vtpm(VtpmError::Chain(ChainError::UnknownIssuer)) => {
            ". A root of your own is given with --anchor FILE; policies see it as the root `extra`"
        }
        VerifyError::NoVekCertificate => {
            ". Capture it again where the host hands out the certificate of its key"
        }
        _ => "",
    }
}

/// A baseline's name and its file.
#[derive(Clone, Debug)]
pub(super) struct BaselineFile {
    name: ObjectName,
    file: PathBuf,
}

impl BaselineFile {
    /// The baselines of these files.
    pub(super) fn read_all(files: &[Self]) -> Result<Vec<NamedBaseline>, Failure> {
        let read = |Self { name, file }: &Self| {
            let text = output::read_text(file, MAX_BASELINE)?;
            let baseline = Baseline::parse(&text).map_err(|error| Failure::file(file, error))?;
            Ok(NamedBaseline { name: name.clone(), revoked: false, baseline: Ok(Arc::new(baseline)) })
        };
        files.iter().map(read).collect()
    }
}

impl FromStr for BaselineFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = text.split_once('=').ok_or("write it as NAME=FILE")?;
        let name = ObjectName::parse(name).map_err(|error| error.to_string())?;
        Ok(Self { name, file: file.into() })
    }
}
