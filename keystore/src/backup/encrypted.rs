//! Encrypted copies. The copy is made and verified beside the database, where its content is anyway; only ciphertext goes to
//! the place of the backup.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use rustix::fs::{Advice, OFlags, fadvise};

use super::copy::{BackupError, CopySummary, copy_and_check, io_error};
use crate::age::{self, DecryptError, Identity, Recipient};
use crate::db::{Staged, has_tables, sync_folder};
use crate::keyring::Keyring;
use crate::registry::open::OpenError;

/// Writes an encrypted copy into the empty file `out`.
pub(super) async fn back_up(
    database: &Path,
    keyring: &Keyring,
    recipients: &[Recipient],
    out: &Path,
) -> Result<CopySummary, BackupError> {
    let staged = Staged::new(database).map_err(|source| io_error(database, source))?;
    let staged = staged.ok_or_else(|| BackupError::Busy { path: database.to_owned() })?;
    let copied = copy_and_check(database, keyring, staged.path()).await?;
    let mut plain = staged.into_unnamed().map_err(|source| io_error(database, source))?;
    let written = encrypt(recipients, &mut plain, out)?;
    sync_folder(out).map_err(|source| io_error(out, source))?;
    let mut read = Hashed::new(reopened(out).map_err(|source| io_error(out, source))?);
    io::copy(&mut read, &mut io::sink()).map_err(|source| io_error(out, source))?;
    if read.end() != written {
        return Err(BackupError::NotWritten { path: out.to_owned() });
    }
    Ok(copied)
}

/// Encrypts to `out`, durably, and returns the digest of what was written.
fn encrypt(recipients: &[Recipient], plain: &mut File, out: &Path) -> Result<Vec<u8>, BackupError> {
    let failed = |source| io_error(out, source);
    let nofollow = OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new().write(true).custom_flags(nofollow).open(out).map_err(failed)?;
    // It was created empty some time ago, in a folder that may be somebody else's.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() != 0 || metadata.nlink() != 1 {
        return Err(BackupError::Exists { path: out.to_owned() });
    }
    let mut to = BufWriter::with_capacity(BUFFER, Hashed::new(file));
    age::encrypt(recipients, plain, &mut to)
        .map_err(|source| BackupError::Encrypt { path: out.to_owned(), source })?;
    let written = to.into_inner().map_err(|error| failed(error.into_error()))?;
    written.inner.sync_all().map_err(failed)?;
    Ok(written.end())
}

/// The file, to be read from the disk and not from the page cache.
fn reopened(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    fadvise(&file, 0, None, Advice::DontNeed)?;
    Ok(file)
}

/// A copy has to be encrypted if there are identities, and only then.
pub(super) fn require_kind(file: &Path, identities: &[Identity]) -> Result<(), BackupError> {
    let path = file.to_owned();
    let encrypted = File::open(file).and_then(|mut file| age::is_encrypted(&mut file));
    match (encrypted, identities.is_empty()) {
        (Ok(true), false) | (Ok(false), true) => Ok(()),
        (Ok(true), true) => Err(BackupError::Encrypted { path }),
        (Ok(false), false) => Err(BackupError::NotEncrypted { path }),
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Missing { path }.into()),
        (Err(source), _) => Err(BackupError::Io { path, source }),
    }
}

/// Decrypts a copy into the empty file `to`, which has to be a database then.
pub(super) async fn decrypt_copy(file: &Path, identities: &[Identity], to: &Path) -> Result<(), BackupError> {
    let encrypted = File::open(file).map_err(|source| io_error(file, source))?;
    let plain = OpenOptions::new().write(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(to);
    let mut plain = BufWriter::with_capacity(BUFFER, plain.map_err(|source| io_error(to, source))?);
    let decrypted = age::decrypt(identities, &mut BufReader::with_capacity(BUFFER, encrypted), &mut plain);
    let failed = |source: DecryptError| BackupError::Decrypt { path: file.to_owned(), source };
    decrypted.map_err(failed)?;
    let plain = plain.into_inner().map_err(|error| io_error(to, error.into_error()))?;
    plain.sync_all().map_err(|source| io_error(to, source))?;
    if has_tables(to).await? { Ok(()) } else { Err(OpenError::NoTables { path: file.to_owned() }.into()) }
}

/// Hashes what is read or written.
struct Hashed<F> {
    inner: F,
    digest: Context,
}

impl<F> Hashed<F> {
    fn new(inner: F) -> Self {
        Self { inner, digest: Context::new(&SHA256) }
    }

    fn end(self) -> Vec<u8> {
        self.digest.finish().as_ref().to_vec()
    }
}

impl<F: Write> Write for Hashed<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.digest.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<F: Read> Read for Hashed<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

const BUFFER: usize = 256 * 1024;
