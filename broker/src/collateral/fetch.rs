//! One fetch: request one item, validate it in isolation, store it or report why not.

use std::time::Duration;

use vouchsafe_attestation::anchors::Purpose;
use vouchsafe_attestation::chain::{
    self, ChainError, ChainRequest, CollateralError, MAX_CRL_LENGTH, verify_issuer,
};
use vouchsafe_attestation::google_token::{MAX_JWKS, TokenKeys, TokenKeysError};
use vouchsafe_attestation::tdx::{MAX_TDX_COLLATERAL, Platform};
use vouchsafe_attestation::{Root, VekStore};
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::limits::{MAX_CERTIFICATE, MAX_ENDORSEMENT};

use super::client::{Answer, FetchError};
use super::contents::{Item, launch};
use super::intel::{self, Answers, Described, TdxPart};
use super::jobs::{Ended, Job};
use super::lists::List;
use super::notes::Note;
use super::service::Shared;
use super::wanted::{Chip, Issuer, Measured, Wanted};
use super::{CollateralFileError, ContentError, TdxFlaw};
use crate::clock;

/// How a fetch ended.
#[derive(Debug)]
pub(super) enum Fetched {
    /// Something new was stored; fetch again after this time.
    New(Duration),
    /// The stored item is current; fetch again after this time.
    Unchanged(Duration),
    /// The source does not have it.
    Missing,
}

/// Why a response cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    File(#[from] CollateralFileError),
    #[error("{url}: {source}")]
    Content { url: String, source: ContentError },
    #[error("{url}: not the certificate of this chip and TCB")]
    OtherChip { url: String },
    #[error("{url}: {source}")]
    VekChain { url: String, source: ChainError },
    #[error("{url}: not the requested issuing CA: {source}")]
    Issuer { url: String, source: ChainError },
}

impl Fetched {
    /// As metrics call it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::New(_) => "fetched",
            Self::Unchanged(_) => "unchanged",
            Self::Missing => "missing",
        }
    }
}

impl From<Result<Fetched, Unusable>> for Ended {
    fn from(result: Result<Fetched, Unusable>) -> Self {
        match result {
            Ok(Fetched::New(wait) | Fetched::Unchanged(wait)) => Self::Good(wait),
            Ok(Fetched::Missing) => Self::Missing,
            Err(Unusable::Fetch(error)) => {
                let retry_after = match &error {
                    FetchError::Status { retry_after, .. } => *retry_after,
                    FetchError::TooLarge { .. } => return Self::Refused(error.to_string()),
                    FetchError::Unreachable { .. } => None,
                };
                Self::Down { error: error.to_string(), retry_after }
            }
            // A local fault, which says nothing about the response.
            Err(Unusable::File(error)) => Self::Down { error: error.to_string(), retry_after: None },
            Err(other) => Self::Refused(other.to_string()),
        }
    }
}

impl Shared {
    /// Fetches one item. The stored one is kept unless the new one is better.
    pub(super) fn fetch(&self, job: &Job) -> Result<Fetched, Unusable> {
        match job {
            Job::Crl { url, issuer } => self.fetch_crl(url, issuer.as_deref()),
            Job::Wanted(Wanted::Issuer(issuer)) => self.fetch_issuer(issuer),
            Job::Wanted(Wanted::Vek(chip)) => self.fetch_vek(chip),
            Job::Wanted(Wanted::Tdx(platform)) => self.fetch_tdx(platform),
            Job::Wanted(Wanted::TokenKeys) => self.fetch_token_keys(),
            Job::Wanted(Wanted::Launch(measured)) => self.fetch_launch(measured),
        }
    }

    fn fetch_crl(&self, url: &str, issuer: Option<&[u8]>) -> Result<Fetched, Unusable> {
        let now = clock::now();
        let Answer::Body { bytes, .. } = self.client.get(&self.config.place(url), MAX_CRL_LENGTH)? else {
            return Ok(Fetched::Missing);
        };
        let content =
            |source: CollateralError| Unusable::Content { url: url.to_owned(), source: source.into() };
        let found = List::read(bytes).map_err(content)?;
        let until = found.summary.next_update;
        let is_known = self.folder().from(url).is_some_and(|(digest, _)| digest == found.digest);
        self.keep_signed_by(Item::Crl(found), note(url, now, until), issuer)?;
        let wait = self.pace.refresh(now, until);
        Ok(if is_known { Fetched::Unchanged(wait) } else { Fetched::New(wait) })
    }

    /// The URL is unverified: what it returns is accepted only if it is a CA that chains to an anchor and has
    /// the expected key.
    fn fetch_issuer(&self, issuer: &Issuer) -> Result<Fetched, Unusable> {
        let (url, now) = (issuer.address.as_str(), clock::now());
        let Answer::Body { bytes, .. } = self.issuers.get(&self.config.place(url), MAX_CERTIFICATE)? else {
            return Ok(Fetched::Missing);
        };
        let (key_id, purpose) = (issuer.key_id.as_deref(), Purpose::GoogleAk);
        let der = only_certificate(bytes);
        let crls = verify_issuer(&der, key_id, purpose, &self.anchors, now)
            .map_err(|source| Unusable::Issuer { url: url.to_owned(), source })?;
        self.keep(Item::Certificate(der), note(url, now, None))?;
        self.want_crls(&crls);
        Ok(Fetched::New(LASTING))
    }

    fn fetch_vek(&self, chip: &Chip) -> Result<Fetched, Unusable> {
        for url in self.config.veks(chip) {
            let Answer::Body { bytes, .. } = self.client.get(&url, MAX_CERTIFICATE)? else { continue };
            if !VekStore::new(std::slice::from_ref(&bytes)).has(&chip.id, &chip.tcb) {
                return Err(Unusable::OtherChip { url });
            }
            let (now, loaded) = (clock::now(), self.loaded());
            let chain = chain::verify(&ChainRequest {
                leaf: &bytes,
                certificates: &[],
                purpose: Purpose::AmdVcek,
                anchors: &self.anchors,
                collateral: &loaded.collateral,
                now,
            });
            let chain = chain.map_err(|source| Unusable::VekChain { url: url.clone(), source })?;
            let note = note(&url, now, Some(chain.not_after()));
            self.keep(Item::Certificate(bytes), note)?;
            return Ok(Fetched::New(LASTING));
        }
        Ok(Fetched::Missing)
    }

    fn fetch_tdx(&self, platform: &Platform) -> Result<Fetched, Unusable> {
        let mut answers = Answers::default();
        let mut last = String::new();
        let unusable =
            |url: &str, source: TdxFlaw| Unusable::Content { url: url.to_owned(), source: source.into() };
        for part in [TdxPart::TcbInfo, TdxPart::QeIdentity, TdxPart::PckCrl, TdxPart::RootCrl] {
            last = intel::url(&self.config.intel_pcs, part, platform, &self.config.intel_root_crl);
            let Answer::Body { bytes, headers } = self.client.get(&last, MAX_TDX_COLLATERAL)? else {
                return Ok(Fetched::Missing);
            };
            answers.take(part, &bytes, &headers).map_err(|flaw| unusable(&last, flaw))?;
        }
        let Some(collateral) = answers.assemble() else { return Ok(Fetched::Missing) };
        let described = Described::read(&collateral).map_err(|flaw| unusable(&last, flaw))?;
        if described.platform != *platform {
            return Err(unusable(&last, TdxFlaw::OtherPlatform { found: described.platform }));
        }
        let now = clock::now();
        let source = intel::url(&self.config.intel_pcs, TdxPart::TcbInfo, platform, "");
        let note = note(&source, now, Some(described.until));
        self.keep(Item::Tdx(*platform, Box::new(collateral)), note)?;
        Ok(Fetched::New(self.pace.refresh(now, Some(described.until))))
    }

    fn fetch_token_keys(&self) -> Result<Fetched, Unusable> {
        let url = &self.config.jwks;
        let now = clock::now();
        let Answer::Body { bytes, .. } = self.client.get(url, MAX_JWKS)? else {
            return Ok(Fetched::Missing);
        };
        let root = self.config.jwks_root();
        let parsed = match root {
            Root::Google => TokenKeys::from_google(&bytes, now),
            _ => TokenKeys::extra(&bytes, now),
        };
        let content = |source: TokenKeysError| Unusable::Content { url: url.clone(), source: source.into() };
        parsed.map_err(content)?;
        self.keep(Item::TokenKeys(root, bytes), note(url, now, None))?;
        Ok(Fetched::New(self.token_keys_refresh()))
    }

    fn fetch_launch(&self, measured: &Measured) -> Result<Fetched, Unusable> {
        let url = self.config.endorsement(measured);
        let Answer::Body { bytes, .. } = self.client.get(&url, MAX_ENDORSEMENT)? else {
            return Ok(Fetched::Missing);
        };
        let item = launch(*measured.digest(), &bytes);
        let item = item.map_err(|source| Unusable::Content { url: url.clone(), source })?;
        self.keep(item, note(&url, clock::now(), None))?;
        Ok(Fetched::New(LASTING))
    }

    fn keep(&self, item: Item, note: Note) -> Result<(), Unusable> {
        self.keep_signed_by(item, note, None)
    }

    /// Stores an item if it is better than the stored one; it is in use when this returns.
    fn keep_signed_by(&self, item: Item, note: Note, issuer: Option<&[u8]>) -> Result<(), Unusable> {
        let (kind, digest, url) = (item.kind(), item.digest(), note.source.clone());
        self.folder().put(item, note, issuer).map_err(|error| match error {
            CollateralFileError::Content(source) => Unusable::Content { url, source },
            error => Unusable::File(error),
        })?;
        self.reload()?;
        tracing::info!(event = "collateral.fetched", kind = kind.name(), %digest);
        Ok(())
    }

    /// Google rotates its keys within days, without announcement.
    pub(super) fn token_keys_refresh(&self) -> Duration {
        let [least, most] = self.pace.refresh;
        TOKEN_KEYS.clamp(least, most)
    }
}

/// The only certificate in the response, DER or PEM; otherwise the bytes as they are, for the verifier to
/// refuse.
fn only_certificate(bytes: Vec<u8>) -> Vec<u8> {
    let (mut crls, mut certificates) = (Vec::new(), Vec::new());
    let is_read = chain::read_file(&bytes, &mut crls, &mut certificates).is_ok() && crls.is_empty();
    match certificates.pop() {
        Some(certificate) if is_read && certificates.is_empty() => certificate,
        _ => bytes,
    }
}

fn note(source: &str, fetched_at: UnixTime, valid_until: Option<UnixTime>) -> Note {
    Note { source: source.to_owned(), fetched_at, valid_until }
}

/// For items that never change once issued.
const LASTING: Duration = Duration::from_secs(30 * 86_400);
const TOKEN_KEYS: Duration = Duration::from_secs(3600);
