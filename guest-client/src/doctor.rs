//! What this VM can prove, what is missing for it, and how to get that.
//!
//! Only files are looked at, below one root, so that a test can show it any machine; nothing is opened
//! that a device would react to, and nothing is changed.

mod checks;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

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
    /// What to do about it.
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
}

/// Every finding, and what follows from them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Evidence that this VM can collect as it is.
    pub provable: Vec<Provable>,
    /// One entry for each check that applies to this VM.
    pub findings: Vec<Finding>,
}

/// Looks at the machine whose files are below `root`, normally `/`.
#[must_use]
pub fn examine(root: &Path) -> Diagnosis {
    checks::examine(&Machine { root: root.to_owned() })
}

impl Diagnosis {
    /// The finding of the check `id`, if it applies.
    #[must_use]
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == id)
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
        })
    }
}

/// The files of a machine.
struct Machine {
    root: PathBuf,
}

impl Machine {
    /// `path` of that machine, as a path of this one.
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    /// A small text file, without the whitespace around it.
    fn text(&self, path: &str) -> Option<String> {
        Some(std::fs::read_to_string(self.at(path)).ok()?.trim().to_owned())
    }

    fn may(&self, path: &str, access: rustix::fs::Access) -> bool {
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
