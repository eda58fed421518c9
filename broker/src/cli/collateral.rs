//! `vouchsafe collateral …`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use vouchsafe_protocol::limits::MAX_REQUEST;

use super::client::Connection;
use super::{Failure, output};
use crate::clock;
use crate::collateral::{CollateralStatus, CrlStatus};

#[derive(Debug, Args)]
pub(super) struct CollateralCommand {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Import CRLs and issuing CAs, PEM or DER. In force at once.
    Import {
        /// Files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// What is in force, and until when.
    Status,
}

impl CollateralCommand {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        if let Action::Import { files } = &self.action {
            for file in files {
                client.post_file("/v1/collateral/import", &output::read_input(file, MAX_REQUEST)?)?;
            }
        }
        output::show(json, client.get("/v1/collateral", &[])?, human)
    }
}

fn human(status: CollateralStatus) -> String {
    let now = clock::now();
    let row = |crl: &CrlStatus| {
        let due = crl.next_update.map_or_else(|| "-".to_owned(), clock::human);
        let state = if crl.overdue(now) { "overdue" } else { "current" };
        let digest = crl.digest.to_string();
        let short = digest.get(..16).unwrap_or_default().to_owned();
        vec![short, state.to_owned(), clock::human(crl.this_update), due, crl.revoked.to_string()]
    };
    let rows: Vec<_> = status.crls.iter().map(row).collect();
    let mut text = output::table(&["CRL", "STATE", "ISSUED", "NEXT DUE", "REVOKES"], &rows);
    for certificate in &status.certificates {
        text.push_str(&format!("\nissuing CA {certificate}"));
    }
    text
}
