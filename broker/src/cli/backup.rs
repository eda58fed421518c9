//! `vouchsafe backup`: a verified copy of the database, made while the broker serves.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use vouchsafe_keystore::age::Recipient;
use vouchsafe_keystore::backup::{BackupError, CopySummary, back_up};

use super::failure::Failure;
use super::offline::Offline;
use super::{output, serve};
use crate::broker::StartError;
use crate::{clock, log};

/// Run this as the broker's user; the broker may be running. The copy is read again in full before it is called good.
/// It holds every secret, sealed under the keyring, and not the keyring.
#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    offline: Offline,
    /// Where to write the copy: a new file (0600).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Encrypt the copy with age to this recipient, `age1…`; repeat it for several. Any one of their identities decrypts it.
    #[arg(long = "recipient", value_name = "RECIPIENT")]
    recipients: Vec<Recipient>,
}

impl Backup {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = self.offline.load()?;
        log::start(config.log);
        let keyring = config.load_keyring().map_err(StartError::from)?;
        let copied =
            serve::runtime()?.block_on(back_up(&config.database(), &keyring, &self.recipients, &self.out))?;
        let recipients: Vec<String> = self.recipients.iter().map(Recipient::to_string).collect();
        if json {
            return output::print_json(
                &json!({ "file": self.out, "copy": copied, "recipients": recipients }),
            );
        }
        let (kind, needed) = if recipients.is_empty() {
            ("a good copy", String::new())
        } else {
            ("a good copy, encrypted,", format!("  the identity of one of {}\n", recipients.join(", ")))
        };
        output::print(&format!(
            "{}: {kind} of the database.\n\n{}\nNot in it, and needed to restore the broker:\n\n{needed}  {}, the keyring. Keep it \
             apart from this file: both together hold every secret.\n  {}, the configuration, and the TLS files that it names.\n",
            self.out.display(),
            summary(&copied),
            config.keyring(),
            self.offline.config.display(),
        ))
    }
}

/// What a copy contains, for people.
pub(super) fn summary(copy: &CopySummary) -> String {
    let CopySummary { bytes, records, epoch, root, newest_at } = copy;
    let newest = newest_at.map_or_else(|| "none".to_owned(), clock::human);
    format!(
        "  size     {bytes} bytes\n  records  {records}, the newest of {newest}\n  epoch    {epoch} (changes by operators)\n  \
         root     {root}\n"
    )
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Open(error) => StartError::from(error).into(),
            BackupError::Store(error) => StartError::from(error).into(),
            other => Self::Usage(other.to_string()),
        }
    }
}
