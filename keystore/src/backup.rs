//! Copies of a keystore: made while a broker serves, and put in place of a lost or damaged one.
//!
//! A copy has everything that the database has, and not the keyring, without which it cannot be read. It is only
//! called good after it was opened and its whole log verified.

use std::path::Path;

use crate::age::Recipient;
use crate::db::remove_database;
use crate::keyring::Keyring;

mod copy;
mod encrypted;
mod restore;

pub use crate::log::Loss;
pub use copy::{BackupError, CopySummary};
use copy::{copy_and_check, new_file};
pub(crate) use copy::{require_database, verify};
pub use restore::{LossChoice, Restore, Restored};

/// Copies the database to a new private file, while brokers may use it, and verifies the copy. With recipients the file is
/// encrypted to them, and nothing else is ever written where it is.
///
/// # Errors
/// [`BackupError`]; then there is no new file.
pub async fn back_up(
    database: &Path,
    keyring: &Keyring,
    recipients: &[Recipient],
    out: &Path,
) -> Result<CopySummary, BackupError> {
    require_database(database).await?;
    new_file(out)?;
    let copied = if recipients.is_empty() {
        copy_and_check(database, keyring, out).await
    } else {
        encrypted::back_up(database, keyring, recipients, out).await
    };
    if copied.is_err() {
        remove_database(out);
    }
    copied
}
