//! Every finding, and what follows from them.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use vouchsafe_protocol::text::printable;

use super::finding::{Finding, Status};

/// A kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provable {
    /// Quote and log of the vTPM: which instance this is and what it booted.
    Vtpm,
    /// A report of AMD's secure processor.
    SevSnp,
    /// A quote of Intel TDX.
    Tdx,
}

/// All findings, and what evidence the VM can give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Evidence that this VM can collect.
    pub provable: Vec<Provable>,
    /// One entry for each check that applies to this VM.
    pub findings: Vec<Finding>,
    /// The claims of a requested Google token. They are not verified here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_claims: Option<Value>,
}

impl Diagnosis {
    /// The first finding of the check `id`, if it applies.
    #[must_use]
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == id)
    }

    /// True when nothing prevents a release as far as this VM can tell: there is some evidence, the
    /// configuration can be read, this build can request a token if `evidence` lists one, and one of the
    /// brokers that were asked can be used.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let is = |id: &str, status| self.findings.iter().any(|one| one.id == id && one.status == status);
        let asked = self.finding("broker").is_some() || self.finding("ca").is_some();
        let usable = !asked || is("identity", Status::Ok);
        let missing = |id| is(id, Status::Missing);
        !self.provable.is_empty() && !missing("configuration") && !missing("google-token") && usable
    }
}

/// For people: one line per check, with its remedy below.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.provable.iter().map(ToString::to_string).collect();
        match names.as_slice() {
            [] => writeln!(f, "This VM can prove nothing as it is.\n")?,
            names => writeln!(f, "This VM can prove: {}\n", names.join(", "))?,
        }
        for finding in &self.findings {
            let mark = match finding.status {
                Status::Ok => "ok     ",
                Status::Warning => "warning",
                Status::Missing => "missing",
            };
            writeln!(f, "{mark}  {:<16} {}", finding.id, printable(&finding.what))?;
            if let Some(fix) = finding.fix {
                writeln!(f, "{:27}{fix}", "")?;
            }
        }
        self.token_claims.as_ref().map_or(Ok(()), |claims| write_claims(f, claims))
    }
}

impl fmt::Display for Provable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vtpm => "vtpm",
            Self::SevSnp => "sev-snp",
            Self::Tdx => "tdx",
        })
    }
}

/// One line per claim, its value as JSON.
fn write_claims(f: &mut fmt::Formatter<'_>, claims: &Value) -> fmt::Result {
    writeln!(f, "\nClaims of the token (not verified here):")?;
    for (name, value) in claims.as_object().into_iter().flatten() {
        writeln!(f, "  {}", printable(&format!("{name}: {value}")))?;
    }
    Ok(())
}
