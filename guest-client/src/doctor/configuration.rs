//! The configuration: whether there is one, and who can change it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::diagnosis::Diagnosis;
use super::finding::{Finding, Status};
use crate::config::{ConfigError, DEFAULT_PATH};

impl Diagnosis {
    /// Adds who can change the configuration at `path`, which has already been read.
    pub fn check_configuration(&mut self, path: &Path) {
        let Ok(metadata) = std::fs::metadata(path) else { return };
        let (user, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        let trusted = user == 0 || user == rustix::process::geteuid().as_raw();
        let what = format!("{} (owner {user}, mode {mode:04o})", path.display());
        self.findings.push(if trusted && mode & 0o022 == 0 {
            Finding::ok("configuration", path.display().to_string())
        } else {
            let fix = "Others may change it, and so choose the broker that this VM believes: chown root, chmod go-w.";
            Finding::new("configuration", Status::Warning, what, fix)
        });
    }

    /// Adds the fault of a configuration; `None` if there is no file at the default path.
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
