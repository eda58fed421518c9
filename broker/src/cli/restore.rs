//! `vouchsafe restore`: puts a copy made by `vouchsafe backup` in place.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;
use vouchsafe_keystore::age::Identity;
use vouchsafe_keystore::backup::{LossChoice, Restore as Request, Restored};

use super::failure::Failure;
use super::offline::Offline;
use super::{backup, output, serve, trusted_file};
use crate::broker::StartError;
use crate::{clock, log};

/// Stop the broker first, and run this as its user. The copy is verified before anything is changed, and the files that
/// it replaces are kept under new names. The decision log gets a record with the action `keystore.restore`.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The copy.
    file: PathBuf,
    #[command(flatten)]
    offline: Offline,
    /// An age identity of a recipient to whom the copy is encrypted: a file with a line `AGE-SECRET-KEY-1…` that only you can
    /// read, as `age-keygen` writes it.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// A keystore.head kept elsewhere: a copy that is older than it, or than the files in place, is refused.
    #[arg(long, value_name = "FILE")]
    newest: Option<PathBuf>,
    /// Restore an older copy all the same. Changes that revoked access are undone, and secrets that were destroyed are
    /// back.
    #[arg(long)]
    accept_loss: bool,
}

impl Restore {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = self.offline.load()?;
        log::start(config.log);
        let keyring = config.load_keyring().map_err(StartError::from)?;
        let identities = self.identities()?;
        let request = Request {
            file: &self.file,
            identities: &identities,
            database: &config.database(),
            newest: self.newest.as_deref(),
            loss: if self.accept_loss { LossChoice::Accept } else { LossChoice::Refuse },
            at: clock::now(),
        };
        let restored = serve::runtime()?.block_on(request.run(keyring))?;
        // Challenges issued in the second of the restore are refused: the broker must not start within it.
        thread::sleep(Duration::from_secs(1));
        if json { output::print_json(&restored) } else { output::print(&self.human(&restored)) }
    }

    fn identities(&self) -> Result<Vec<Identity>, Failure> {
        let Some(file) = &self.identity else { return Ok(Vec::new()) };
        let text = trusted_file::read_private(file)?;
        Identity::parse_file(&text).map_err(|error| Failure::file(file, error))
    }

    fn human(&self, restored: &Restored) -> String {
        let mut text =
            format!("{} is in place.\n\n{}\n", self.file.display(), backup::summary(&restored.copy));
        match restored.loss {
            _ if restored.other_branch => text.push_str(
                "It is of another branch than the log that this broker is known to have written. The records of that branch are \
                 lost, and the changes by operators among them: make those again, whatever revoked access first.\n",
            ),
            Some(loss) => text.push_str(&format!(
                "Lost records: at least {}; changes by operators among them: {}. Make those changes again, whatever revoked \
                 access first.\n",
                loss.records, loss.changes
            )),
            None if restored.compared => text.push_str("It has every record that this broker is known to have made.\n"),
            None => text.push_str(
                "No newer head of the log was there to compare it with: records made after the copy may be missing. Look for \
                 them in the broker's log, and make the changes of that time again: whatever revoked access first.\n",
            ),
        }
        if !restored.moved.is_empty() {
            text.push_str("\nThe files that were there before:\n\n");
            for file in &restored.moved {
                text.push_str(&format!("  {}\n", file.display()));
            }
        }
        text.push_str("\nStart the broker. Challenges issued before this are refused; guests ask for new ones by themselves.\n");
        text
    }
}
