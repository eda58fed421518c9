//! Fetches one item, has it checked, and stores it or reports why not.

use std::time::Duration;

use ureq::http::HeaderValue;
use vouchsafe_attestation::collateral::{
    Chip, Issuer, Item, ItemError, ItemMetadata, Measured, Missing, PcsAnswers, TdxPart,
};
use vouchsafe_attestation::google_token::MAX_JWKS;
use vouchsafe_attestation::tdx::{MAX_TDX_COLLATERAL, Platform};
use vouchsafe_attestation::x509::MAX_CRL_LENGTH;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::limits::{MAX_CERTIFICATE, MAX_ENDORSEMENT};

use super::client::{Answer, FetchError};
use super::error::CollateralFileError;
use super::jobs::{Ended, Job};
use super::shared::Shared;
use crate::clock;

/// The outcome of a fetch.
#[derive(Debug)]
pub(super) enum Fetched {
    /// A new item was stored; it is fetched again after this time.
    New(Duration),
    /// The stored item is current; it is fetched again after this time.
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
    Item { url: String, source: ItemError },
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
            // A local fault, unrelated to the response.
            Err(Unusable::File(error)) => Self::Down { error: error.to_string(), retry_after: None },
            Err(other) => Self::Refused(other.to_string()),
        }
    }
}

impl Shared {
    /// Fetches one item. The stored one stays in use unless the new one may replace it.
    pub(super) fn fetch(&self, job: &Job) -> Result<Fetched, Unusable> {
        match job {
            Job::Crl { url, issuer } => self.fetch_crl(url, issuer.as_deref()),
            Job::Item(Missing::Issuer(issuer)) => self.fetch_issuer(issuer),
            Job::Item(Missing::Vek(chip)) => self.fetch_vek(chip),
            Job::Item(Missing::Tdx(platform)) => self.fetch_tdx(platform),
            Job::Item(Missing::TokenKeys) => self.fetch_token_keys(),
            Job::Item(Missing::Launch(measured)) => self.fetch_launch(measured),
        }
    }

    fn fetch_crl(&self, url: &str, issuer: Option<&[u8]>) -> Result<Fetched, Unusable> {
        let now = clock::now();
        let Answer::Body { bytes, .. } = self.client.get(&self.config.place(url), MAX_CRL_LENGTH)? else {
            return Ok(Fetched::Missing);
        };
        let (crl, until) = Item::fetched_crl(bytes).map_err(refused_at(url))?;
        let is_known = self.folder().from(url).is_some_and(|(digest, _)| digest == crl.digest());
        self.keep_signed_by(crl, metadata(url, now, until), issuer)?;
        let wait = self.pace.refresh(now, until);
        Ok(if is_known { Fetched::Unchanged(wait) } else { Fetched::New(wait) })
    }

    fn fetch_issuer(&self, issuer: &Issuer) -> Result<Fetched, Unusable> {
        let (url, now) = (issuer.address.as_str(), clock::now());
        let Answer::Body { bytes, .. } = self.issuers.get(&self.config.place(url), MAX_CERTIFICATE)? else {
            return Ok(Fetched::Missing);
        };
        let fetched = Item::fetched_issuer(bytes, issuer, &self.anchors, now);
        let (certificate, crls) = fetched.map_err(refused_at(url))?;
        self.keep(certificate, metadata(url, now, None))?;
        self.want_crls(&crls);
        Ok(Fetched::New(LASTING))
    }

    fn fetch_vek(&self, chip: &Chip) -> Result<Fetched, Unusable> {
        for url in self.config.veks(chip) {
            let Answer::Body { bytes, .. } = self.client.get(&url, MAX_CERTIFICATE)? else { continue };
            let (now, loaded) = (clock::now(), self.loaded());
            let fetched = Item::fetched_vek(bytes, chip, &self.anchors, &loaded.collateral, now);
            let (certificate, until) = fetched.map_err(refused_at(&url))?;
            self.keep(certificate, metadata(&url, now, Some(until)))?;
            return Ok(Fetched::New(LASTING));
        }
        Ok(Fetched::Missing)
    }

    fn fetch_tdx(&self, platform: &Platform) -> Result<Fetched, Unusable> {
        let mut answers = PcsAnswers::default();
        let mut last = String::new();
        for part in [TdxPart::TcbInfo, TdxPart::QeIdentity, TdxPart::PckCrl, TdxPart::RootCrl] {
            last = self.config.intel(part, platform);
            let Answer::Body { bytes, headers } = self.client.get(&last, MAX_TDX_COLLATERAL)? else {
                return Ok(Fetched::Missing);
            };
            let header = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
            answers.add(part, &bytes, header).map_err(|error| refused_at(&last)(error.into()))?;
        }
        let fetched = Item::fetched_tdx(answers, platform).map_err(refused_at(&last))?;
        let Some((collateral, until)) = fetched else { return Ok(Fetched::Missing) };
        let now = clock::now();
        let source = self.config.intel(TdxPart::TcbInfo, platform);
        self.keep(collateral, metadata(&source, now, Some(until)))?;
        Ok(Fetched::New(self.pace.refresh(now, Some(until))))
    }

    fn fetch_token_keys(&self) -> Result<Fetched, Unusable> {
        let url = &self.config.jwks;
        let now = clock::now();
        let Answer::Body { bytes, .. } = self.client.get(url, MAX_JWKS)? else {
            return Ok(Fetched::Missing);
        };
        let keys = Item::fetched_token_keys(self.config.jwks_root(), bytes, now).map_err(refused_at(url))?;
        self.keep(keys, metadata(url, now, None))?;
        Ok(Fetched::New(self.token_keys_refresh()))
    }

    fn fetch_launch(&self, measured: &Measured) -> Result<Fetched, Unusable> {
        let url = self.config.endorsement(measured);
        let Answer::Body { bytes, .. } = self.client.get(&url, MAX_ENDORSEMENT)? else {
            return Ok(Fetched::Missing);
        };
        let endorsement = Item::fetched_launch(&bytes, *measured.digest()).map_err(refused_at(&url))?;
        self.keep(endorsement, metadata(&url, clock::now(), None))?;
        Ok(Fetched::New(LASTING))
    }

    fn keep(&self, item: Item, metadata: ItemMetadata) -> Result<(), Unusable> {
        self.keep_signed_by(item, metadata, None)
    }

    /// Stores an item if the replacement rules accept it; it is in use when this returns.
    fn keep_signed_by(
        &self,
        item: Item,
        metadata: ItemMetadata,
        crl_issuer: Option<&[u8]>,
    ) -> Result<(), Unusable> {
        let (kind, digest, url) = (item.kind(), item.digest(), metadata.source.clone());
        self.folder().put(item, metadata, crl_issuer).map_err(|error| match error {
            CollateralFileError::Item(source) => Unusable::Item { url, source },
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

/// An item from this address is not accepted.
fn refused_at(url: &str) -> impl FnOnce(ItemError) -> Unusable {
    move |source| Unusable::Item { url: url.to_owned(), source }
}

fn metadata(source: &str, fetched_at: UnixTime, valid_until: Option<UnixTime>) -> ItemMetadata {
    ItemMetadata { source: source.to_owned(), fetched_at, valid_until, kind: None }
}

/// For items that never change once they are issued.
const LASTING: Duration = Duration::from_secs(30 * 86_400);
const TOKEN_KEYS: Duration = Duration::from_secs(3600);
