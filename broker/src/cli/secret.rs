//! `vouchsafe secret …`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vouchsafe_policy::Purpose;
use vouchsafe_protocol::limits::MAX_SECRET;
use vouchsafe_protocol::{ObjectName, SecretPath};

use super::client::Connection;
use super::failure::Failure;
use super::output;
use crate::api::secrets::{
    ChangeVersion, DestroyedVersion, GenerateSecret, PutSecret, SecretSummary, SecretValue, SecretVersion,
    SetPolicy, ShowSecret, VersionSummary,
};
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
    /// Purpose, disk or app; the policy must have the same.
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

impl Secret {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        match self.action {
            Action::Put { new: New { path, policy, purpose }, from } => {
                let value = SecretValue::new(output::read_input(&from, MAX_SECRET)?);
                let answer = client.post("/v1/secrets/put", &PutSecret { path, purpose, policy, value });
                output::show(json, answer?, stored)
            }
            Action::Generate { new: New { path, policy, purpose }, per_instance, length } => {
                let request = GenerateSecret { path, purpose, policy, per_instance, length };
                output::show(json, client.post("/v1/secrets/generate", &request)?, stored)
            }
            Action::Show { path } => {
                let answer = client.get("/v1/secrets/show", &ShowSecret { path })?;
                output::show(json, answer, |secret: SecretSummary| human(&secret))
            }
            Action::List => output::show(json, client.get("/v1/secrets", &())?, list),
            Action::SetPolicy { path, policy } => {
                let request = SetPolicy { path, policy };
                client.post("/v1/secrets/set-policy", &request)?;
                let SetPolicy { path, policy } = request;
                output::show(json, json!({ "path": path, "policy": policy }), |_: Value| {
                    format!("{path} is guarded by {policy} now.")
                })
            }
            Action::Retire(version) => version.change(json, &client, "retire", "retired"),
            Action::Restore(version) => version.change(json, &client, "restore", "active again"),
            Action::Destroy(version) => version.destroy(json, &client),
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
        let request = ChangeVersion { path, version };
        client.post(&format!("/v1/secrets/{verb}"), &request)?;
        let ChangeVersion { path, version } = request;
        output::show(json, json!({ "path": path, "version": version }), |_: Value| match version {
            Some(version) => format!("Version {version} of {path} is {done}."),
            None => format!("{path} is {done}."),
        })
    }
}

impl Version {
    fn destroy(self, json: bool, client: &super::client::Client) -> Result<ExitCode, Failure> {
        let Self { path, version } = self;
        let request = ChangeVersion { path, version };
        let DestroyedVersion { erased } = output::read_answer(client.post("/v1/secrets/destroy", &request)?)?;
        let ChangeVersion { path, version } = request;
        let answer = json!({ "path": path, "version": version, "erased": erased });
        output::show(json, answer, |_: Value| {
            let what =
                version.map_or_else(|| path.to_string(), |version| format!("Version {version} of {path}"));
            let file = if erased {
                "Its ciphertext is in no file of the database any more."
            } else {
                "Its ciphertext is still in the database's write-ahead log, since a backup or a long read uses an older state: it is \
                 gone when that has ended, or the broker is started again."
            };
            format!(
                "{what} is destroyed. {file} Backups made before have it, until they or the generation of the keyring that they \
                 need are deleted."
            )
        })
    }
}

fn human(secret: &SecretSummary) -> String {
    let kind = if secret.per_instance { ", a value for each instance" } else { "" };
    let state = |version: &VersionSummary| {
        let with = if version.retirement.is_some() { " with the secret" } else { "" };
        format!("{}{with}", version.state)
    };
    let row = |version: &VersionSummary| {
        vec![version.version.to_string(), state(version), clock::human(version.created_at)]
    };
    let rows: Vec<_> = secret.versions.iter().map(row).collect();
    format!(
        "{}\n  for {}{kind}\n  guarded by {}\n\n{}",
        secret.path,
        secret.purpose,
        secret.policy,
        output::table(&["VERSION", "STATE", "PUT AT"], &rows)
    )
}

fn row(secret: &SecretSummary) -> Vec<String> {
    let served = secret.served().map_or_else(|| "-".to_owned(), |version| version.version.to_string());
    vec![secret.path.to_string(), secret.purpose.to_string(), served, secret.policy.to_string()]
}

fn stored(SecretVersion { path, version }: SecretVersion) -> String {
    format!("{path}: version {version} is in use.")
}

fn list(secrets: Vec<SecretSummary>) -> String {
    if secrets.is_empty() {
        return "There are no secrets that you may read about.".to_owned();
    }
    let rows: Vec<_> = secrets.iter().map(row).collect();
    output::table(&["PATH", "FOR", "SERVED", "POLICY"], &rows)
}
