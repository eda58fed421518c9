//! The configuration: whether there is one, and whether it can be used.

use std::path::Path;

use super::diagnosis::Diagnosis;
use super::finding::{Finding, Status};
use crate::config::{ConfigError, DEFAULT_PATH};

impl Diagnosis {
    /// Adds the outcome of reading the configuration at `path`; `None` if there is no file at the default path.
    pub fn add_configuration(&mut self, path: &Path, read: Option<Result<(), &ConfigError>>) {
        let finding = match read {
            None => Finding {
                id: "configuration",
                status: Status::Warning,
                what: format!("there is no {DEFAULT_PATH}: no broker was asked"),
                fix: Some("Write one from guest.sample.toml, or name another file with --config."),
            },
            Some(Ok(())) => Finding::ok("configuration", path.display().to_string()),
            Some(Err(error)) => Finding {
                id: "configuration",
                status: Status::Missing,
                what: error.to_string(),
                fix: Some("Until then the other checks look at the default places."),
            },
        };
        self.findings.push(finding);
    }
}
