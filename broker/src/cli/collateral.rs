//! `vouchsafe collateral …`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use vouchsafe_protocol::bundle::MAX_BUNDLE;
use vouchsafe_protocol::{BrokerIdentity, Digest32, Digest48};

use super::client::{Client, Connection};
use super::failure::Failure;
use super::output;
use crate::api::collateral::{CollateralStatus, ImportCollateral, ItemStatus, RemoveCollateral};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct CollateralCommand {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Import collateral. It takes effect at once.
    ///
    /// CRLs and certificates, PEM or DER; Intel's collateral for TDX, JSON (QuoteCollateralV3); launch
    /// endorsements (MEASUREMENT.binarypb); JSON Web Key Sets; bundles of `export`. Each item is verified
    /// wherever it is used, with one exception: a key set is not signed, so one from a file or a bundle gives
    /// the root `extra` and never `google`.
    Import {
        /// Files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Accept bundles signed by this broker; default: the broker that the command talks to.
        #[arg(long, value_name = "IDENTITY")]
        signed_by: Option<BrokerIdentity>,
        /// The files are launch endorsements for this measurement, 96 hex digits. Not needed for a file named
        /// MEASUREMENT.binarypb.
        #[arg(long, value_name = "HEX")]
        measurement: Option<Digest48>,
    },
    /// Write all collateral to one file, signed by the broker, for brokers without internet egress.
    Export {
        /// The new file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Remove items. An item that the broker fetches automatically returns with its next fetch.
    Remove {
        /// SHA-256 of each item in hex, or the part that `status` shows.
        #[arg(required = true, value_name = "DIGEST")]
        digests: Vec<String>,
    },
    /// Start to fetch everything anew, in the background.
    Refresh,
    /// Show the collateral in use, its age and validity, and what could not be fetched.
    Status,
}

impl CollateralCommand {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = self.connection.open()?;
        match &self.action {
            Action::Import { files, signed_by, measurement } => {
                for file in files {
                    import(&client, file, *signed_by, *measurement)?;
                }
            }
            Action::Remove { digests } => remove(&client, digests)?,
            Action::Export { out } => return export(&client, out),
            Action::Refresh => {
                client.post_file("/v1/collateral/refresh", &(), b"")?;
            }
            Action::Status => {}
        }
        output::show(json, client.get("/v1/collateral", &())?, human)
    }
}

fn import(
    client: &Client,
    file: &Path,
    signed_by: Option<BrokerIdentity>,
    measurement: Option<Digest48>,
) -> Result<(), Failure> {
    let named = || file.file_name()?.to_str()?.strip_suffix(".binarypb")?.parse().ok();
    let query = ImportCollateral { signed_by, measurement: measurement.or_else(named) };
    let imported = client.post_file("/v1/collateral/import", &query, &output::read_input(file, MAX_BUNDLE)?);
    imported.map(|_| ()).map_err(|failure| failure.about(file))
}

/// Each prefix must match exactly one item.
fn remove(client: &Client, digests: &[String]) -> Result<(), Failure> {
    let usage = |text: &str, what: &str| Failure::Usage(format!("{text}: {what}"));
    let status: CollateralStatus = output::read_answer(client.get("/v1/collateral", &())?)?;
    let known: Vec<Digest32> = status.items.iter().filter_map(|item| item.digest).collect();
    let mut chosen = Vec::with_capacity(digests.len());
    for text in digests {
        if text.len() < SHOWN_DIGEST {
            return Err(usage(text, "at least 16 hex digits of the item's digest are needed"));
        }
        let mut fits = known.iter().filter(|digest| digest.to_string().starts_with(text));
        match (fits.next(), fits.next()) {
            (Some(digest), None) => chosen.push(*digest),
            (None, _) => return Err(usage(text, "no item has this digest")),
            (Some(_), Some(_)) => return Err(usage(text, "several items have a digest that begins so")),
        }
    }
    for digest in chosen {
        client.post("/v1/collateral/remove", &RemoveCollateral { digest })?;
    }
    Ok(())
}

fn export(client: &Client, out: &Path) -> Result<ExitCode, Failure> {
    let bundle = client.get("/v1/collateral/export", &())?;
    let written = std::fs::File::create_new(out).and_then(|file| {
        serde_json::to_writer(&file, &bundle)?;
        file.sync_all()
    });
    written.map_err(|error| Failure::file(out, error))?;
    Ok(ExitCode::SUCCESS)
}

fn human(status: CollateralStatus) -> String {
    let now = clock::now();
    let time = |time: Option<_>| time.map_or_else(|| "-".to_owned(), clock::human);
    let state = |item: &ItemStatus| match item.fetched_at.or(item.valid_until) {
        None if item.digest.is_none() => "wanted",
        _ if item.overdue(now) => "overdue",
        _ => "current",
    };
    let row = |item: &ItemStatus| {
        vec![
            item.kind.name().to_uppercase(),
            shortened(&item.subject),
            state(item).to_owned(),
            time(item.fetched_at),
            time(item.valid_until),
            item.digest.map_or_else(|| "-".to_owned(), |digest| beginning(&digest)),
            item.source.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let rows: Vec<_> = status.items.iter().map(row).collect();
    let mut text =
        output::table(&["KIND", "FOR", "STATE", "FETCHED", "VALID UNTIL", "DIGEST", "SOURCE"], &rows);
    for item in &status.items {
        if let Some(error) = &item.last_error {
            // A network error starts with the URL.
            let subject = shortened(&item.subject);
            let error = error.strip_prefix(&format!("{subject}: ")).unwrap_or(error);
            text.push_str(&format!("\n{} {subject}: {error}", item.kind.name()));
        }
    }
    let overdue = status.items.iter().filter(|item| item.overdue(now)).count();
    if overdue > 0 {
        text.push_str(&format!(
            "\n{overdue} overdue: `vouchsafe collateral refresh` fetches now; if the vendor cannot be reached, fetch the item elsewhere and `vouchsafe collateral import` it"
        ));
    }
    let revoked: usize = status.crls.iter().map(|crl| crl.revoked).sum();
    text.push_str(&format!(
        "\n{} CRL, revoking {revoked} certificates; {} issuing CA; certificates of {} AMD chips; {}\n",
        status.crls.len(),
        status.certificates.len(),
        status.chips,
        if status.fetch {
            format!("{} waiting to be fetched", status.waiting)
        } else {
            "nothing is fetched (`fetch = false`)".to_owned()
        },
    ));
    text
}

fn beginning(digest: &Digest32) -> String {
    digest.to_string().chars().take(SHOWN_DIGEST).collect()
}

/// Addresses in full, digests and chips by their beginning.
fn shortened(subject: &str) -> String {
    if subject.contains(':') {
        return subject.to_owned();
    }
    subject.chars().take(24).collect()
}

/// Hex digits of a digest in the table: enough to tell items apart.
const SHOWN_DIGEST: usize = 16;
