//! What captured evidence is judged by when no broker is asked: anchors, collateral and a time, from files.

use std::path::{Path, PathBuf};

use vouchsafe_attestation::chain::{MAX_CRL_LENGTH, read_file};
use vouchsafe_attestation::google_token::TokenKeys;
use vouchsafe_attestation::launch::{self, EndorsementStore};
use vouchsafe_attestation::tdx::{TdxCollateral, TdxCollateralStore};
use vouchsafe_attestation::{Collateral, Context, Endorsements, TrustAnchors, VerifyMemory};
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::limits::MAX_REQUEST;

use super::{Failure, output};
use crate::collateral::{Described, is_key_set};

/// Everything that a verification is judged by, opened.
pub(super) struct Judge {
    pub(super) endorsements: Endorsements,
    pub(super) now: UnixTime,
    anchors: TrustAnchors,
    collateral: Collateral,
    audiences: Vec<String>,
    memory: VerifyMemory,
}

/// The files that it comes from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Files<'a> {
    pub(super) anchors: &'a [PathBuf],
    pub(super) collateral: &'a [PathBuf],
    pub(super) endorsements: &'a [PathBuf],
    pub(super) audiences: &'a [String],
}

impl Judge {
    /// Anchors beside the built-in ones, and collateral of every kind: CRLs and issuing CAs in PEM or DER; in JSON
    /// Intel's for a platform, and key sets, which count as fetched at `now`. Launch endorsements stand where a
    /// broker would have them from its store: one that does not verify is as good as absent.
    pub(super) fn open(files: &Files<'_>, now: UnixTime) -> Result<Self, Failure> {
        let mut anchors = TrustAnchors::builtin();
        for path in files.anchors {
            let file = output::read_input(path, MAX_REQUEST)?;
            anchors = anchors.with_extra(&file).map_err(|error| Failure::file(path, error))?;
        }
        let (mut crls, mut certificates) = (Vec::new(), Vec::new());
        let (mut platforms, mut token_keys) = (Vec::new(), Vec::new());
        for path in files.collateral {
            let file = output::read_input(path, MAX_CRL_LENGTH)?;
            if file.trim_ascii_start().first() != Some(&b'{') {
                read_file(&file, &mut crls, &mut certificates).map_err(|error| Failure::file(path, error))?;
            } else if is_key_set(&file) {
                token_keys.push(TokenKeys::extra(&file, now).map_err(|error| Failure::file(path, error))?);
            } else {
                let collateral = tdx_collateral(path, &file)?;
                let described = Described::read(&collateral).map_err(|error| Failure::file(path, error))?;
                platforms.push((described.platform, collateral));
            }
        }
        let collateral =
            Collateral::new(&crls, &certificates).map_err(|error| Failure::Usage(error.to_string()))?;
        let tdx = TdxCollateralStore::new(platforms);
        Ok(Self {
            endorsements: Endorsements {
                tdx,
                token_keys,
                launch: launch_store(files.endorsements)?,
                ..Endorsements::default()
            },
            now,
            anchors,
            collateral,
            audiences: files.audiences.to_vec(),
            memory: VerifyMemory::default(),
        })
    }

    pub(super) fn context(&self) -> Context<'_> {
        let Self { anchors, collateral, endorsements, audiences, memory, now } = self;
        Context { anchors, collateral, endorsements, audiences, now: *now, memory }
    }
}

/// Each endorsement under every measurement that it names.
fn launch_store(files: &[PathBuf]) -> Result<EndorsementStore, Failure> {
    let mut items = Vec::new();
    for path in files {
        let file = output::read_input(path, MAX_REQUEST)?;
        let named = launch::measurements(&file).map_err(|error| Failure::file(path, error))?;
        items.extend(named.into_iter().map(|measurement| (measurement, file.clone())));
    }
    Ok(EndorsementStore::new(items))
}

/// Intel's collateral. Whether it serves is for the verifier to say.
pub(super) fn tdx_collateral(path: &Path, file: &[u8]) -> Result<TdxCollateral, Failure> {
    TdxCollateral::parse(file).map_err(|error| Failure::file(path, error))
}
