//! Runs cryptsetup on a header in a file. Keys reach it as descriptors of sealed memory; its arguments are no secrets.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rustix::io::Errno;
use vouchsafe_protocol::PlaintextSecret;

use crate::deliver::memory_file::memory_file;

/// What a key slot is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The broker's key, which is random: a slow derivation would only delay the boot.
    Key,
    /// A recovery code. It has 140 random bits; the derivation suits the smallest machine.
    Recovery,
}

/// Why cryptsetup did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CryptsetupError {
    #[error("cryptsetup cannot be run: {0}; install the package cryptsetup-bin or cryptsetup")]
    Start(io::Error),
    #[error("a key in memory: {0}")]
    Memory(#[from] Errno),
    #[error("cryptsetup {action}: {message}")]
    Failed { action: &'static str, message: String },
}

impl Slot {
    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Key => &["--pbkdf=pbkdf2", "--hash=sha256", "--pbkdf-force-iterations=1000"],
            Self::Recovery => &[
                "--pbkdf=argon2id",
                "--pbkdf-memory=65536",
                "--pbkdf-parallel=1",
                "--pbkdf-force-iterations=4",
            ],
        }
    }
}

/// Writes a new header, with a random volume key and one slot for `key`. The file has room for the header and some data.
pub(crate) fn format(
    header: &str,
    data_offset: u64,
    sector_size: u32,
    key: &PlaintextSecret,
) -> Result<(), CryptsetupError> {
    let (sectors, offset) =
        (format!("--sector-size={sector_size}"), format!("--offset={}", data_offset / 512));
    let fixed = ["--type=luks2", "--cipher=aes-xts-plain64", "--key-size=512", &sectors, &offset];
    let key = Key::new(key)?;
    run("luksFormat", &[&fixed, Slot::Key.options(), &[&key.option(), header]].concat())
}

/// Adds a slot, with a key that opens one already.
pub(crate) fn add(
    header: &str,
    known: &PlaintextSecret,
    new: &PlaintextSecret,
    slot: Slot,
) -> Result<(), CryptsetupError> {
    let (known, new) = (Key::new(known)?, Key::new(new)?);
    run("luksAddKey", &[slot.options(), &[&known.option(), header, &new.path()]].concat())
}

/// Replaces the key of the slot that `old` opens.
pub(crate) fn replace(
    header: &str,
    old: &PlaintextSecret,
    new: &PlaintextSecret,
    slot: Slot,
) -> Result<(), CryptsetupError> {
    let (old, new) = (Key::new(old)?, Key::new(new)?);
    run("luksChangeKey", &[slot.options(), &[&old.option(), header, &new.path()]].concat())
}

/// Whether a key opens a slot.
pub(crate) fn opens(header: &str, key: &PlaintextSecret) -> Result<bool, CryptsetupError> {
    let key = Key::new(key)?;
    let (status, message) = output("open", &["--test-passphrase", "--type=luks2", &key.option(), header])?;
    match status.code() {
        Some(0) => Ok(true),
        // "no permission (bad passphrase)", cryptsetup(8).
        Some(2) => Ok(false),
        _ => Err(CryptsetupError::Failed { action: "open", message }),
    }
}

/// Opens the volume on a device with a header.
pub(crate) fn open(
    header: &str,
    device: &Path,
    name: &str,
    key: &PlaintextSecret,
) -> Result<(), CryptsetupError> {
    let key = Key::new(key)?;
    let header = format!("--header={header}");
    run("open", &["--type=luks2", &header, &key.option(), &device.to_string_lossy(), name])
}

/// A key that a child inherits.
struct Key(OwnedFd);

impl Key {
    fn new(secret: &PlaintextSecret) -> Result<Self, Errno> {
        memory_file(secret, None).map(Self)
    }

    fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }

    fn option(&self) -> String {
        format!("--key-file={}", self.path())
    }
}

fn run(action: &'static str, arguments: &[&str]) -> Result<(), CryptsetupError> {
    match output(action, arguments)? {
        (status, _) if status.success() => Ok(()),
        (_, message) => Err(CryptsetupError::Failed { action, message }),
    }
}

/// The exit status, and the last line that it wrote about a failure.
fn output(action: &'static str, arguments: &[&str]) -> Result<(ExitStatus, String), CryptsetupError> {
    let output = Command::new("cryptsetup")
        .arg(action)
        .arg("--batch-mode")
        .args(arguments)
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(CryptsetupError::Start)?;
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    Ok((output.status, last.map_or_else(|| output.status.to_string(), ToOwned::to_owned)))
}
