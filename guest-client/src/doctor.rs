//! What this VM can prove, what is missing for it, and how to get that.
//!
//! Only files are looked at, below one root, so that a test can show it any machine; nothing is opened
//! that a device would react to, and nothing is changed.

mod checks;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{CollectConfig, GoogleTokenConfig};
use crate::google_token::GoogleAttestation;
use crate::platform;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works, but something deserves attention.
    Warning,
    /// Not there; whatever rests on it cannot be proved.
    Missing,
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name of the check.
    pub id: &'static str,
    /// How it came out.
    pub status: Status,
    /// What was found.
    pub what: String,
    /// What to do about it, or what else to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<&'static str>,
}

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

/// Every finding, and what follows from them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Evidence that this VM can collect as it is.
    pub provable: Vec<Provable>,
    /// One entry for each check that applies to this VM.
    pub findings: Vec<Finding>,
}

/// Looks at the machine whose files are below `root`, normally `/`, where `config` says that things are. The
/// processor is asked only about the machine that this is.
#[must_use]
pub fn examine(root: &Path, config: &CollectConfig) -> Diagnosis {
    let tdx = root == Path::new("/") && platform::is_tdx_guest();
    checks::examine(&Machine { root: root.to_owned(), tdx }, config)
}

impl Diagnosis {
    /// The finding of the check `id`, if it applies.
    #[must_use]
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == id)
    }

    /// Adds whether Google Cloud Attestation is within reach and lets this VM use it. This is the one check that
    /// asks somebody.
    pub fn ask_google(&mut self, config: &GoogleTokenConfig) {
        let asked = GoogleAttestation::new(config.clone()).and_then(|google| google.probe());
        let (status, what, fix) = match asked {
            Ok(place) => (Status::Ok, format!("issues challenges, {place}"), None),
            Err(error) => (Status::Missing, error.to_string(), Some(GOOGLE_FIX)),
        };
        self.findings.push(Finding { id: "google-service", status, what, fix });
    }
}

/// For people: one line a check, its remedy below it.
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
            writeln!(f, "{mark}  {:<16} {}", finding.id, finding.what)?;
            if let Some(fix) = finding.fix {
                writeln!(f, "{:27}{fix}", "")?;
            }
        }
        Ok(())
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

const GOOGLE_FIX: &str = "See [google_token] in the configuration; the VM needs the network, the metadata server, and \
                          a service account that may use the API.";

/// The files of a machine, and what its processor says.
struct Machine {
    root: PathBuf,
    tdx: bool,
}

impl Machine {
    /// `path` of that machine, as a path of this one.
    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn has(&self, path: impl AsRef<Path>) -> bool {
        self.at(path).exists()
    }

    /// A small text file, without the whitespace around it.
    fn text(&self, path: &str) -> Option<String> {
        Some(std::fs::read_to_string(self.at(path)).ok()?.trim().to_owned())
    }

    fn may(&self, path: impl AsRef<Path>, access: rustix::fs::Access) -> bool {
        rustix::fs::access(self.at(path), access).is_ok()
    }

    /// True when a file system of this kind is mounted at `path`.
    fn mounted(&self, path: &str, kind: &str) -> bool {
        let mounts = self.text("/proc/mounts").unwrap_or_default();
        mounts.lines().any(|line| {
            let mut fields = line.split(' ').skip(1);
            fields.next() == Some(path) && fields.next() == Some(kind)
        })
    }
}

#[cfg(test)]
mod tests;
