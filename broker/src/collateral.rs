//! Collateral on disk: CRLs, issuing CAs and certificates of AMD chips, one file each, named by digest.
//!
//! Nothing in here is trusted: a CRL counts only where its signature verifies under the issuer of the
//! certificate in question, and a CA must chain to an anchor. A list that is overdue goes when a newer one of its issuer comes.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vouchsafe_attestation::chain::{Collateral, CollateralError, read_file};
use vouchsafe_attestation::{Endorsements, VekStore};
use vouchsafe_protocol::{Digest32, UnixTime};

/// Why collateral was not loaded or imported.
#[derive(Debug, thiserror::Error)]
pub enum CollateralFileError {
    /// The system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are neither certificates nor CRLs.
    #[error(transparent)]
    Content(#[from] CollateralError),
    /// A file of the folder is not what its name says.
    #[error("{}: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: CollateralError,
    },
}

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollateralStatus {
    /// The lists.
    pub crls: Vec<CrlStatus>,
    /// SHA-256 of each issuing CA.
    pub certificates: Vec<Digest32>,
    /// For how many AMD chips there is a certificate.
    pub chips: usize,
}

/// Collateral as the verifier takes it.
#[derive(Debug)]
pub struct Loaded {
    /// CRLs and issuing CAs.
    pub collateral: Collateral,
    /// What vendors publish about their platforms.
    pub endorsements: Endorsements,
}

/// What there is of one list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlStatus {
    /// SHA-256 of it.
    pub digest: Digest32,
    /// Issuer, the encoded name in hex.
    pub issuer: String,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next one is due.
    pub next_update: Option<UnixTime>,
    /// How many certificates it revokes.
    pub revoked: usize,
}

impl CrlStatus {
    /// Whether the next list is due already.
    #[must_use]
    pub fn overdue(&self, now: UnixTime) -> bool {
        self.next_update.is_some_and(|due| due < now)
    }
}

/// The folder with the collateral of a broker.
#[derive(Debug)]
pub struct CollateralFolder {
    path: PathBuf,
    crls: Vec<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
}

impl CollateralFolder {
    /// Reads the folder; an absent one is empty.
    ///
    /// # Errors
    /// [`CollateralFileError`] names the file.
    pub fn open(path: &Path) -> Result<Self, CollateralFileError> {
        let mut folder = Self { path: path.to_owned(), crls: Vec::new(), certificates: Vec::new() };
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(folder),
            Err(source) => return Err(io_error(path, source)),
        };
        for entry in entries {
            let file = entry.map_err(|source| io_error(path, source))?.path();
            if file.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            let bytes = fs::read(&file).map_err(|source| io_error(&file, source))?;
            read_file(&bytes, &mut folder.crls, &mut folder.certificates)
                .map_err(|source| CollateralFileError::Damaged { path: file.clone(), source })?;
        }
        folder.crls.sort();
        folder.certificates.sort();
        Ok(folder)
    }

    /// All of it, parsed.
    ///
    /// # Errors
    /// The first item that cannot be used.
    pub fn parse(&self) -> Result<Loaded, CollateralError> {
        parse(&self.crls, &self.certificates)
    }

    /// Takes what a file holds, PEM or DER, and writes it down. All of it or nothing.
    ///
    /// # Errors
    /// [`CollateralFileError`]; what was there before stays in force.
    pub fn import(&mut self, file: &[u8], now: UnixTime) -> Result<(), CollateralFileError> {
        let (mut crls, mut certificates) = (self.crls.clone(), self.certificates.clone());
        read_file(file, &mut crls, &mut certificates)?;
        for items in [&mut crls, &mut certificates] {
            items.sort();
            items.dedup();
        }
        let crls = without_outdated(crls, now)?;
        parse(&crls, &certificates)?;
        let old: Vec<_> =
            self.crls.iter().filter(|crl| !crls.contains(crl)).map(|crl| self.name(crl)).collect();
        fs::create_dir_all(&self.path).map_err(|source| io_error(&self.path, source))?;
        for item in crls.iter().chain(&certificates) {
            self.write(item)?;
        }
        for file in old {
            fs::remove_file(&file).map_err(|source| io_error(&file, source))?;
        }
        (self.crls, self.certificates) = (crls, certificates);
        Ok(())
    }

    /// What there is.
    ///
    /// # Errors
    /// As [`CollateralFolder::parse`].
    pub fn status(&self) -> Result<CollateralStatus, CollateralError> {
        let crls = self.crls.iter().map(status).collect::<Result<_, _>>()?;
        let (veks, issuers) = split(&self.certificates);
        let certificates = issuers.iter().map(|certificate| Digest32::of(certificate)).collect();
        Ok(CollateralStatus { crls, certificates, chips: VekStore::new(&veks).chips() })
    }

    fn name(&self, item: &[u8]) -> PathBuf {
        self.path.join(Digest32::of(item).to_string()).with_extension(EXTENSION)
    }

    fn write(&self, item: &[u8]) -> Result<(), CollateralFileError> {
        let path = self.name(item);
        if path.exists() {
            return Ok(());
        }
        let temporary = path.with_extension("new");
        let written = fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(item)?;
            file.sync_all()
        });
        written.map_err(|source| io_error(&temporary, source))?;
        fs::rename(&temporary, &path).map_err(|source| io_error(&path, source))
    }
}

fn parse(crls: &[Vec<u8>], certificates: &[Vec<u8>]) -> Result<Loaded, CollateralError> {
    let (veks, issuers) = split(certificates);
    let endorsements = Endorsements { veks: VekStore::new(&veks), ..Endorsements::default() };
    Ok(Loaded { collateral: Collateral::new(crls, &issuers)?, endorsements })
}

/// Certificates of chips, and all others.
fn split(certificates: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let of_a_chip = |der: &Vec<u8>| VekStore::new(std::slice::from_ref(der)).chips() > 0;
    certificates.iter().cloned().partition(of_a_chip)
}

fn status(crl: &Vec<u8>) -> Result<CrlStatus, CollateralError> {
    let one = Collateral::new(std::slice::from_ref(crl), &[])?;
    let summary = one.crl_summaries().next().ok_or(CollateralError::MalformedCrl { index: 0 })?;
    Ok(CrlStatus {
        digest: Digest32::of(crl),
        issuer: hex::encode(summary.issuer),
        this_update: summary.this_update,
        next_update: summary.next_update,
        revoked: summary.revoked,
    })
}

/// Drops lists that are overdue and have a newer one of the same issuer. Two lists of one name may belong to
/// two keys, so that being the older one is not enough.
fn without_outdated(crls: Vec<Vec<u8>>, now: UnixTime) -> Result<Vec<Vec<u8>>, CollateralError> {
    let known = crls.iter().map(status).collect::<Result<Vec<_>, _>>()?;
    let outdated = |crl: &CrlStatus| {
        let newer = |other: &CrlStatus| other.issuer == crl.issuer && other.this_update > crl.this_update;
        crl.overdue(now) && known.iter().any(newer)
    };
    Ok(crls.into_iter().zip(&known).filter(|(_, crl)| !outdated(crl)).map(|(bytes, _)| bytes).collect())
}

fn io_error(path: &Path, source: io::Error) -> CollateralFileError {
    CollateralFileError::Io { path: path.to_owned(), source }
}

const EXTENSION: &str = "der";

#[cfg(test)]
mod tests;
