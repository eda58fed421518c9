//! What this VM can prove, what is missing for it, and how to get that.
//!
//! Files are looked at below one root, so that a test can show it any machine. Of the devices only the TPM is used: its
//! attestation key is made and its certificate read, as for a quote. Brokers are asked for a challenge each, Google only
//! when told to. Nothing is changed.

mod broker;
mod checks;
mod google;
mod tpm;

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vouchsafe_protocol::text::printable;

use crate::config::{CollectConfig, ConfigError, DEFAULT_PATH, VtpmConfig};
use crate::platform;
use crate::vtpm::{AkAlgorithm, VtpmError};

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
    /// What a token of Google's says, where one was asked for. Nothing of it is verified here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_claims: Option<serde_json::Value>,
}

/// Looks at the machine whose files are below `root`, normally `/`, where `config` says that things are. Processor and TPM
/// are asked only about the machine that this is.
#[must_use]
pub fn examine(root: &Path, config: &CollectConfig) -> Diagnosis {
    let here = root == Path::new("/");
    let read_key: KeyReader = if here { tpm::read_key } else { |_| Err(VtpmError::NoDevice) };
    checks::examine(
        &Machine { root: root.to_owned(), tdx: here && platform::is_tdx_guest(), read_key },
        config,
    )
}

impl Diagnosis {
    /// The first finding of the check `id`, if it applies.
    #[must_use]
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == id)
    }

    /// True when nothing is in the way of a release as far as this VM can tell: something can be proved, the configuration
    /// can be read, and of the brokers that were asked one can be used.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let is = |id: &str, status| self.findings.iter().any(|one| one.id == id && one.status == status);
        let asked = self.finding("broker").is_some() || self.finding("ca").is_some();
        let usable = !asked || is("identity", Status::Ok);
        !self.provable.is_empty() && !is("configuration", Status::Missing) && usable
    }

    /// Adds who can change the configuration at `path`, which has been read.
    pub fn check_configuration(&mut self, path: &Path) {
        let Ok(metadata) = std::fs::metadata(path) else { return };
        let (user, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        let trusted = user == 0 || user == rustix::process::geteuid().as_raw();
        let what = format!("{} (owner {user}, mode {mode:04o})", path.display());
        self.findings.push(if trusted && mode & 0o022 == 0 {
            checks::ok("configuration", path.display().to_string())
        } else {
            let fix = "Others may change it, and so choose the broker that this VM believes: chown root, chmod go-w.";
            checks::finding("configuration", Status::Warning, what, fix)
        });
    }

    /// Adds what is wrong with the configuration; `None` where there is no file at the default place.
    pub fn add_configuration(&mut self, error: Option<&ConfigError>) {
        let finding = match error {
            None => Finding {
                id: "configuration",
                status: Status::Warning,
                what: format!("there is no {DEFAULT_PATH}: no broker was asked"),
                fix: Some("Write one from guest.sample.toml, or name another file with --config."),
            },
            Some(error) => Finding {
                id: "configuration",
                status: Status::Missing,
                what: error.to_string(),
                fix: Some("Until then the other checks look at the default places."),
            },
        };
        self.findings.push(finding);
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
            writeln!(f, "{mark}  {:<16} {}", finding.id, printable(&finding.what))?;
            if let Some(fix) = finding.fix {
                writeln!(f, "{:27}{fix}", "")?;
            }
        }
        self.token_claims.as_ref().map_or(Ok(()), |claims| google::write_claims(f, claims))
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

/// Makes the AK and reads its certificate.
type KeyReader = fn(&VtpmConfig) -> Result<AkAlgorithm, VtpmError>;

/// The files of a machine, and what its processor and its TPM say.
struct Machine {
    root: PathBuf,
    tdx: bool,
    read_key: KeyReader,
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
