//! `vouchsafe keyring wrap` and `unwrap`: root keys wrapped by a key in Cloud KMS, and back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use vouchsafe_keystore::Keyring;
use vouchsafe_keystore::keyring::file::KeyringFileError;
use vouchsafe_keystore::keyring::locked::{LockedFile, Replacement};
use vouchsafe_keystore::keyring::wrapped::StoredKeyring;

use crate::BrokerConfig;
use crate::broker::StartError;
use crate::cli::failure::Failure;
use crate::cli::offline::Offline;
use crate::cli::output;
use crate::keyring_home::{KeyringHome, KeyringHomeError};
use crate::kms::{CloudKms, KmsError, KmsKey};
use crate::log;
use crate::root_keyring::{RootKeyringError, UNWRAPPED, with_end};

/// Stop the broker first if the keyring is its own, and run this as its user. The keyring's file is replaced; the file with the root keys stays beside it, to
/// be moved to a safe place. A keyring that is wrapped already is wrapped again, by the primary version of the key.
#[derive(Debug, Args)]
pub(in crate::cli) struct Wrap {
    #[command(flatten)]
    offline: Offline,
    /// Name of the key: projects/PROJECT/locations/LOCATION/keyRings/KEYRING/cryptoKeys/KEY.
    #[arg(long, value_name = "KEY")]
    kms: KmsKey,
}

/// Stop the broker first, and run this as its user; with --out it may run. Whoever has the keyring that this writes, and the
/// database, has every secret.
#[derive(Debug, Args)]
pub(in crate::cli) struct Unwrap {
    #[command(flatten)]
    offline: Offline,
    /// Write it to this new file (0600), such as a copy for a safe place, and leave the keyring as it is.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Wrap {
    pub(in crate::cli) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = self.offline.load()?;
        log::start(config.log);
        let path = file(&config)?;
        let _no_broker = self.offline.keep_broker_out(&config)?;
        let locked = LockedFile::lock(&path).map_err(of_file)?;
        let kms = CloudKms::new(&config.kms).map_err(failed)?;
        let (keyring, plain) = match locked.read().map_err(of_file)? {
            StoredKeyring::Plain(keyring) => (keyring, true),
            StoredKeyring::Wrapped(wrapped) => (kms.open(&wrapped).map_err(failed)?, false),
        };
        let wrapped = kms.wrap(&keyring, &self.kms).map_err(failed)?;
        let kept = plain.then(|| keep(&path)).transpose()?;
        if let Err(error) = locked.prepare_wrapped(&wrapped).and_then(Replacement::put_in_place) {
            // In any other case the file itself is as it was.
            if !matches!(error, KeyringFileError::NotDurable { .. }) {
                let _stays = kept.map(fs::remove_file);
            }
            return Err(of_file(error));
        }
        let answer = json!({ "keyring": path, "kms": self.kms.as_str(), "unwrapped": kept });
        output::show(json, answer, |_: Value| self.human(&path, kept.as_deref()))
    }

    fn human(&self, path: &Path, kept: Option<&Path>) -> String {
        let wrapped = format!("{}: wrapped by {}.\n", path.display(), self.kms);
        let Some(kept) = kept else { return wrapped };
        format!(
            "{wrapped}\nThe keyring as it was is\n\n  {}\n\nMove it to a safe place that is not this machine, and remove it here: it is the way \
             back if the key in Cloud KMS is lost. What is left of it on this disk, in snapshots and in backups still opens every \
             secret: where others may have it, rotate the keyring.\n",
            kept.display()
        )
    }
}

impl Unwrap {
    pub(in crate::cli) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = self.offline.load()?;
        log::start(config.log);
        let path = if let Some(out) = self.out {
            let stored = config.keyring().read().map_err(of_home)?;
            unwrapped(&config, stored)?.create(&out).map_err(of_file)?;
            out
        } else {
            let path = file(&config)?;
            let _no_broker = self.offline.keep_broker_out(&config)?;
            let locked = LockedFile::lock(&path).map_err(of_file)?;
            let keyring = unwrapped(&config, locked.read().map_err(of_file)?)?;
            locked.prepare(&keyring).and_then(Replacement::put_in_place).map_err(of_file)?;
            path
        };
        output::show(json, json!({ "keyring": path }), |_: Value| {
            format!(
                "{}: the keyring, not wrapped. Together with the database it opens every secret.\n",
                path.display()
            )
        })
    }
}

/// The keyring, which has to be wrapped.
fn unwrapped(config: &BrokerConfig, stored: StoredKeyring) -> Result<Keyring, Failure> {
    match stored {
        StoredKeyring::Wrapped(wrapped) => {
            CloudKms::new(&config.kms).and_then(|kms| kms.open(&wrapped)).map_err(failed)
        }
        StoredKeyring::Plain(_) => {
            Err(Failure::Usage(format!("keyring {} is not wrapped", config.keyring())))
        }
    }
}

/// The keyring's file, which can be replaced.
fn file(config: &BrokerConfig) -> Result<PathBuf, Failure> {
    match config.keyring() {
        KeyringHome::File(path) => Ok(path),
        KeyringHome::Credential(name) => Err(Failure::Usage(format!(
            "the keyring is the credential {name}, which cannot be changed: name its file with --keyring FILE, and make the \
             credential of it again"
        ))),
    }
}

/// Gives the file a second name, under which it stays.
fn keep(path: &Path) -> Result<PathBuf, Failure> {
    let kept = with_end(path, UNWRAPPED);
    fs::hard_link(path, &kept).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::file(
            &kept,
            "exists, and is a keyring that was not wrapped once: move it to a safe place, then run this again",
        ),
        _ => Failure::file(&kept, error),
    })?;
    Ok(kept)
}

fn failed(error: KmsError) -> Failure {
    StartError::from(RootKeyringError::from(error)).into()
}

fn of_file(error: KeyringFileError) -> Failure {
    of_home(error.into())
}

fn of_home(error: KeyringHomeError) -> Failure {
    StartError::from(RootKeyringError::from(error)).into()
}
