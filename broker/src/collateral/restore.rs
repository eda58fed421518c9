//! Reads the collateral folder when the broker starts, and sets damaged files aside.
//!
//! Without a certificate of a chip or an issuing CA, a launch endorsement or a key set, a claim is absent or evidence
//! waits for the item, and what is stored next is verified as if there had been none. The metadata only saves requests.
//! So such a file is left out, with a warning, and kept under another name.
//!
//! A CRL and Intel's collateral are not left out: the broker does not start. The issue date of the stored one is the
//! floor for everything that is fetched later, and a certificate that it revokes is refused whatever other CRLs say.
//! Without it, a network attacker could have an older one accepted that is not overdue yet: a certificate revoked
//! since, or a TCB level out of date since, would count as good under `fresh` collateral, which no policy can notice.
//! The name says that there is such an item and the content contradicts it, so this is not the same as absence.
//! Only an operator can accept that, by moving the file away. A `.der` counts as a CRL unless the metadata says that it
//! is a certificate.
//!
//! This is about damage: an attacker who can write to the folder can also remove a file, which nobody notices.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use vouchsafe_attestation::collateral::{ItemError, KeySet, MetadataByDigest, StoredCollateral};
use vouchsafe_protocol::bundle::{Bundle, BundleFormat, BundleItem, CollateralKind};
use vouchsafe_protocol::{BrokerIdentity, Digest32};

use super::error::{CollateralFileError, FileFlaw};
use super::names::{self, Stored};
use super::tdx_file::TdxFile;

/// A file that is left out.
#[derive(Debug)]
pub(super) struct DamagedFile {
    /// Its path in the folder.
    path: PathBuf,
    /// Where it is kept.
    kept_as: PathBuf,
    stored: Stored,
    flaw: FileFlaw,
}

impl DamagedFile {
    /// Says what is left out, and what follows for a broker that does or does not fetch collateral.
    pub(super) fn warn(&self, fetch: bool) {
        let consequence = match (self.stored, fetch) {
            (Stored::Metadata, true) => "all items stay in use, and are fetched again",
            (Stored::Metadata, false) => "all items stay in use; their sources and dates are lost",
            (_, true) => {
                "the item is not used; it is fetched again when it is needed, unless an operator imported it: then \
                 import it again with `vouchsafe collateral import`"
            }
            (_, false) => "the item is not used: import it again with `vouchsafe collateral import`",
        };
        tracing::warn!(
            event = "collateral.damaged",
            file = %self.path.display(),
            kept_as = %self.kept_as.display(),
            error = %self.flaw,
            "{consequence}"
        );
    }
}

/// Reads the folder; an absent one is empty.
///
/// # Errors
/// [`CollateralFileError`] names the file; then nothing has changed.
pub(super) fn restore(
    folder: &Path,
    signers: &[BrokerIdentity],
) -> Result<(StoredCollateral, Vec<DamagedFile>), CollateralFileError> {
    let mut files = files(folder)?;
    // First: it says what the others are.
    files.sort_by_key(|(_, stored)| *stored != Stored::Metadata);
    let (mut collateral, mut damaged) = (StoredCollateral::default(), Vec::new());
    for (name, stored) in files {
        let path = folder.join(&name);
        let bytes = fs::read(&path).map_err(|source| CollateralFileError::io(&path, source))?;
        let Err(flaw) = add(&mut collateral, &name, stored, &bytes, signers) else { continue };
        if !may_be_left_out(stored, collateral.metadata()) {
            return Err(CollateralFileError::Damaged { path, source: flaw });
        }
        let kept_as = folder.join(format!("{name}.{DAMAGED}"));
        damaged.push(DamagedFile { path, kept_as, stored, flaw });
    }
    for DamagedFile { path, kept_as, .. } in &damaged {
        fs::rename(path, kept_as).map_err(|source| CollateralFileError::io(path, source))?;
    }
    Ok((collateral.restored(), damaged))
}

/// The broker's files, by name.
fn files(folder: &Path) -> Result<Vec<(String, Stored)>, CollateralFileError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(CollateralFileError::io(folder, source)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let name = entry.map_err(|source| CollateralFileError::io(folder, source))?.file_name();
        let Some(name) = name.to_str() else { continue };
        files.extend(Stored::of(name).map(|stored| (name.to_owned(), stored)));
    }
    Ok(files)
}

/// Whether nothing that the broker has to refuse is accepted without this file.
fn may_be_left_out(stored: Stored, metadata: &MetadataByDigest) -> bool {
    match stored {
        Stored::Metadata | Stored::TokenKeys(_) | Stored::Launch(_) => true,
        Stored::Tdx => false,
        Stored::Der(digest) => digest
            .and_then(|digest| metadata.get(&digest))
            .is_some_and(|known| known.kind == Some(CollateralKind::Certificate)),
    }
}

/// Adds the content of a file.
fn add(
    collateral: &mut StoredCollateral,
    name: &str,
    stored: Stored,
    bytes: &[u8],
    signers: &[BrokerIdentity],
) -> Result<(), FileFlaw> {
    match stored {
        Stored::Metadata => collateral.restore_metadata(serde_json::from_slice(bytes)?),
        Stored::TokenKeys(root) => {
            let keys = stored_keys(name, bytes, signers).ok_or(FileFlaw::KeySet)?;
            collateral.restore_token_keys(root, Some(keys));
        }
        Stored::Der(digest) => {
            if digest.is_some_and(|digest| digest != Digest32::of(bytes)) {
                return Err(FileFlaw::Digest);
            }
            collateral.restore_der(bytes)?;
        }
        Stored::Tdx => {
            let file: TdxFile<'_> = serde_json::from_slice(bytes)?;
            let platform = collateral.restore_tdx(file.checked().ok_or(FileFlaw::Checksum)?)?;
            if names::tdx(&platform) != name {
                return Err(FileFlaw::Platform { found: platform });
            }
        }
        Stored::Launch(measurement) => {
            collateral.restore_launch(measurement.ok_or(ItemError::Measurement)?, bytes)?;
        }
    }
    Ok(())
}

/// A key set that this broker signed for a file of this name, as one of these identities.
fn stored_keys(name: &str, bytes: &[u8], signers: &[BrokerIdentity]) -> Option<KeySet> {
    let bundle = Bundle::parse(bytes).ok()?;
    let signer = signers.iter().find(|signer| **signer == bundle.signer())?;
    let items = bundle.verify(signer, BundleFormat::Kept).ok()?;
    let [item] = items.try_into().ok()?;
    let BundleItem { kind, subject, fetched_at, content, .. } = item;
    (kind == CollateralKind::TokenKeys && subject == name).then_some(KeySet { jwks: content.0, fetched_at })
}

/// The ending of files that are set aside. A later one of the same name replaces them.
const DAMAGED: &str = "damaged";
