//! How a command fails: one line that says what was wrong and what to do, and an exit code.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use vouchsafe_keystore::rotation::RotationError;
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::text::{printable_json, printable_lines};
use vouchsafe_system::trusted_file::TrustedFileError;

use crate::broker::StartError;
use crate::config::ConfigError;
use crate::root_keyring::RootKeyringError;
use crate::server::ServeError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The broker refused.
    #[error("{url}: {}", refusal(problem))]
    Refused {
        /// The URL of the request.
        url: String,
        /// The broker's answer.
        problem: Box<Problem>,
    },
    /// The broker cannot be reached.
    #[error("{url}: {detail}\n{advice}")]
    Unreachable {
        /// The URL of the request.
        url: String,
        /// What happened.
        detail: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The answer does not have the expected form.
    #[error("{url}: the answer does not come from a broker of this version")]
    Answer {
        /// The URL of the request.
        url: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {detail}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The fault.
        detail: String,
    },
    /// Other users can change or read a file.
    #[error(transparent)]
    TrustedFile(#[from] TrustedFileError),
    /// There is no operator file.
    #[error(
        "no operator file: give one with --operator FILE, or put it at {}\nIf it is lost, have an administrator add you again; if all of them are, `vouchsafe recover-admin` on the broker's machine adds one",
        default.display()
    )]
    NoOperatorFile {
        /// The default path.
        default: PathBuf,
    },
    /// The arguments cannot be used like this.
    #[error("{0}")]
    Usage(String),
    /// The decision log does not verify, or contradicts a checkpoint.
    #[error("{0}")]
    Contradiction(String),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The broker does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The listeners could not be started.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A call to the operating system failed.
    #[error("{what}: {source}")]
    System {
        /// The operation.
        what: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Failure {
    /// Adds the file's name to a refusal of its content.
    pub(super) fn about(mut self, file: &Path) -> Self {
        if let Self::Refused { problem, .. } = &mut self {
            let detail = problem.detail.as_deref().unwrap_or(&problem.title);
            problem.detail = Some(format!("{}: {detail}", file.display()));
        }
        self
    }

    /// A file that is to be new could not be made.
    pub(super) fn new_file(path: &Path, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Self::file(
                path,
                "exists already, and is not overwritten: name a new file, or move that one away first",
            );
        }
        Self::file(path, error)
    }

    pub(super) fn file(path: &Path, detail: impl ToString) -> Self {
        Self::File { path: path.to_owned(), detail: detail.to_string() }
    }

    /// 1 when the broker or the verifier refused, 3 when it or a service that it needs was not reached, otherwise 2.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused { .. } | Self::Contradiction(_) => 1,
            Self::Unreachable { .. } | Self::Answer { .. } => 3,
            Self::Start(StartError::Keyring(RootKeyringError::Kms(error))) if error.may_pass() => 3,
            // Another command changes the keyring, or Cloud KMS went away in between.
            Self::Start(StartError::Promotion(RotationError::File(_))) => 3,
            _ => 2,
        })
    }

    /// Whether the broker has refused for good: it has changed nothing.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.status < 500)
    }

    /// Whether the broker has refused because of what it has.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.code == ReasonCode::Conflict)
    }

    /// Whether the token is not that of an operator, or not any more.
    pub(super) fn rejects_token(&self) -> bool {
        self.is_ended_token()
            || matches!(self, Self::Refused { problem, .. } if problem.code == ReasonCode::Unauthorized)
    }

    /// Whether the token has ended.
    pub(super) fn is_ended_token(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.code == ReasonCode::TokenExpired)
    }

    pub(super) fn print(&self, json: bool) {
        let mut stderr = std::io::stderr().lock();
        // There is nowhere left to report to when standard error is closed.
        let _closed = match (self, json) {
            (Self::Refused { problem, .. }, true) => {
                writeln!(stderr, "{}", printable_json(&json!(problem).to_string()))
            }
            (failure, true) => {
                writeln!(stderr, "{}", printable_json(&json!({ "error": failure.to_string() }).to_string()))
            }
            (failure, false) => writeln!(stderr, "vouchsafe: {}", printable_lines(&failure.to_string())),
        };
    }
}

fn refusal(problem: &Problem) -> String {
    let detail = problem.detail.as_deref().unwrap_or(&problem.title);
    let hint = match problem.code {
        ReasonCode::NoSuchRoute => ": is this the operators' listener, of a broker of this version?",
        ReasonCode::Unauthorized => {
            ": if the token was replaced (`vouchsafe operator rotate`), use the file with the new one. If it is lost, an administrator replaces it with \
             `vouchsafe operator rotate NAME`, or adds you if you were removed; if no administrator is left, `vouchsafe recover-admin` on \
             the broker's machine adds one"
        }
        ReasonCode::TokenExpired => {
            ": an administrator replaces it with `vouchsafe operator rotate NAME`; if no administrator's token is valid any more, run \
             `vouchsafe recover-admin` on the broker's machine"
        }
        ReasonCode::Unavailable => ": look at the broker's log, and at /readyz",
        _ => "",
    };
    format!("{detail}{hint} ({})", problem.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: ReasonCode, detail: &str) -> Failure {
        let problem = Problem { detail: Some(detail.to_owned()), ..Problem::new(code) };
        Failure::Refused { url: "https://127.0.0.1:8444/v1".to_owned(), problem: Box::new(problem) }
    }

    #[test]
    fn a_refusal_names_the_file() {
        let failure = refused(ReasonCode::InvalidObject, "no CRL").about(Path::new("root.crl"));
        assert_eq!(failure.to_string(), "https://127.0.0.1:8444/v1: root.crl: no CRL (invalid-object)");
    }

    #[test]
    fn a_wrong_token_and_a_wrong_listener_get_advice() {
        let token = refused(ReasonCode::Unauthorized, "invalid token").to_string();
        for advice in [
            "invalid token: if the token was replaced",
            "use the file with the new one",
            "`vouchsafe operator rotate NAME`",
            "`vouchsafe recover-admin`",
        ] {
            assert!(token.contains(advice), "{token}");
        }
        let ended = refused(ReasonCode::TokenExpired, "the token of operator kim ended").to_string();
        for advice in
            ["kim ended: an administrator", "`vouchsafe operator rotate NAME`", "`vouchsafe recover-admin`"]
        {
            assert!(ended.contains(advice), "{ended}");
        }
        let listener = refused(ReasonCode::NoSuchRoute, "nothing here").to_string();
        assert!(listener.contains("is this the operators' listener"), "{listener}");
    }
}
