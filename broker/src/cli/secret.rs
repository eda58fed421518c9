//! `vouchsafe secret …`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vouchsafe_policy::Purpose;
use vouchsafe_protocol::limits::MAX_SECRET;
use vouchsafe_protocol::{Bytes, ObjectName, SecretPath, UnixTime};
use zeroize::Zeroize as _;

use super::client::Connection;
use super::{Failure, output};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Secret {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Store a secret, or a new version of it. The value is read from a file or standard input, byte for byte: a
    /// newline at the end is part of it.
    Put {
        #[command(flatten)]
        new: New,
        /// File with the value; - is standard input.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
    },
    /// Let the broker generate a secret that no operator ever sees.
    Generate {
        #[command(flatten)]
        new: New,
        /// A separate 32-byte value for each VM, derived from project number and instance id.
        #[arg(long, conflicts_with = "length")]
        per_instance: bool,
        /// Length in bytes.
        #[arg(long, default_value_t = 32)]
        length: usize,
    },
    /// Show a secret's metadata, never its value.
    Show {
        /// Its path.
        path: SecretPath,
    },
    /// List the secrets that you may read about.
    List,
    /// Put a secret under another policy.
    SetPolicy {
        /// Its path.
        path: SecretPath,
        /// Its new policy.
        #[arg(long, value_name = "NAME")]
        policy: ObjectName,
    },
    /// Stop releasing a secret, or one version of it; `restore` reverts this.
    Retire(Version),
    /// Release a retired secret again: the versions of its last retirement. A version that was retired separately
    /// needs --version.
    Restore(Version),
    /// Delete a secret permanently: ciphertext and wrapped key.
    Destroy(Version),
}

#[derive(Debug, Args)]
struct New {
    /// Its path, such as prod/db-01/disk; the first segment is the namespace.
    path: SecretPath,
    /// The policy that guards it, such as prod/db; in the same namespace or in `shared`.
    #[arg(long, value_name = "NAME")]
    policy: ObjectName,
    /// Purpose, disk or app; it must be the policy's.
    #[arg(long = "for", value_name = "PURPOSE", default_value = "app")]
    purpose: Purpose,
}

#[derive(Debug, Args)]
struct Version {
    /// Its path.
    path: SecretPath,
    /// One version instead of all.
    #[arg(long)]
    version: Option<u64>,
}

#[derive(Serialize)]
struct Put<'a> {
    path: &'a SecretPath,
    #[serde(rename = "for")]
    purpose: Purpose,
    policy: &'a ObjectName,
    value: &'a Bytes,
}

#[derive(Deserialize)]
struct Stored {
    path: SecretPath,
    version: u64,
}

#[derive(Deserialize)]
struct Summary {
    path: SecretPath,
    purpose: Purpose,
    per_instance: bool,
    policy: ObjectName,
    versions: Vec<VersionSummary>,
}

#[derive(Deserialize)]
struct VersionSummary {
    version: u64,
    state: String,
    created_at: UnixTime,
    #[serde(default)]
    retirement: Option<u64>,
}

impl Secret {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        match self.action {
            Action::Put { new, from } => {
                let mut value = Bytes(output::read_input(&from, MAX_SECRET)?);
                let put = Put { path: &new.path, purpose: new.purpose, policy: &new.policy, value: &value };
                let answer = client.post("/v1/secrets/put", &put);
                value.0.zeroize();
                output::show(json, answer?, stored)
            }
            Action::Generate { new: New { path, policy, purpose }, per_instance, length } => {
                let request = json!({
                    "path": path, "for": purpose, "policy": policy,
                    "per_instance": per_instance, "length": length,
                });
                output::show(json, client.post("/v1/secrets/generate", &request)?, stored)
            }
            Action::Show { path } => {
                let answer = client.get("/v1/secrets/show", &[("path", path.to_string())])?;
                output::show(json, answer, |secret: Summary| secret.human())
            }
            Action::List => output::show(json, client.get("/v1/secrets", &[])?, list),
            Action::SetPolicy { path, policy } => {
                client.post("/v1/secrets/set-policy", &json!({ "path": path, "policy": policy }))?;
                output::show(json, json!({ "path": path, "policy": policy }), |_: Value| {
                    format!("{path} is guarded by {policy} now.")
                })
            }
            Action::Retire(version) => version.change(json, &client, "retire", "retired"),
            Action::Restore(version) => version.change(json, &client, "restore", "active again"),
            Action::Destroy(version) => version.change(json, &client, "destroy", "destroyed"),
        }
    }
}

impl Version {
    fn change(
        self,
        json: bool,
        client: &super::client::Client,
        verb: &str,
        done: &str,
    ) -> Result<ExitCode, Failure> {
        let Self { path, version } = self;
        let target = json!({ "path": path, "version": version });
        client.post(&format!("/v1/secrets/{verb}"), &target)?;
        output::show(json, target, |_: Value| match version {
            Some(version) => format!("Version {version} of {path} is {done}."),
            None => format!("{path} is {done}."),
        })
    }
}

impl VersionSummary {
    fn state(&self) -> String {
        let with = if self.retirement.is_some() { " with the secret" } else { "" };
        format!("{}{with}", self.state)
    }
}

impl Summary {
    fn human(&self) -> String {
        let kind = if self.per_instance { ", a value for each instance" } else { "" };
        let rows: Vec<_> = self
            .versions
            .iter()
            .map(|v| vec![v.version.to_string(), v.state(), clock::human(v.created_at)])
            .collect();
        format!(
            "{}\n  for {}{kind}\n  guarded by {}\n\n{}",
            self.path,
            self.purpose,
            self.policy,
            output::table(&["VERSION", "STATE", "PUT AT"], &rows)
        )
    }

    fn row(&self) -> Vec<String> {
        let served = self.versions.iter().rev().find(|version| version.state == "active");
        let served = served.map_or_else(|| "-".to_owned(), |version| version.version.to_string());
        vec![self.path.to_string(), self.purpose.to_string(), served, self.policy.to_string()]
    }
}

fn stored(Stored { path, version }: Stored) -> String {
    format!("{path} has version {version} now.")
}

fn list(secrets: Vec<Summary>) -> String {
    if secrets.is_empty() {
        return "There are no secrets that you may read about.".to_owned();
    }
    let rows: Vec<_> = secrets.iter().map(Summary::row).collect();
    output::table(&["PATH", "FOR", "SERVED", "POLICY"], &rows)
}
