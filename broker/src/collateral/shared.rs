//! The state that the threads of the service share.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use vouchsafe_attestation::TrustAnchors;
use vouchsafe_attestation::collateral::Loaded;
use vouchsafe_attestation::x509::MissingCrl;

use super::addresses::is_crl_address;
use super::client::Client;
use super::error::CollateralFileError;
use super::folder::CollateralFolder;
use super::jobs::{Asked, Asker, Job, Jobs, Prospect};
use super::pace::Pace;
use crate::config::CollateralConfig;
use crate::metrics::CollateralMetrics;

/// The state that the threads share.
pub(super) struct Shared {
    pub(super) config: CollateralConfig,
    pub(super) pace: Pace,
    pub(super) anchors: TrustAnchors,
    pub(super) client: Client,
    /// For unverified URLs.
    pub(super) issuers: Client,
    folder: Mutex<CollateralFolder>,
    pub(super) loaded: ArcSwap<Loaded>,
    jobs: Mutex<Jobs>,
    pub(super) wake: Condvar,
    pub(super) metrics: CollateralMetrics,
}

impl Shared {
    /// The state at start, from the content of the folder.
    pub(super) fn new(
        pace: Pace,
        config: CollateralConfig,
        folder: CollateralFolder,
        anchors: TrustAnchors,
        metrics: CollateralMetrics,
    ) -> Result<Self, CollateralFileError> {
        Ok(Self {
            client: Client::new(pace.request),
            issuers: Client::new(pace.issuer_request),
            loaded: ArcSwap::from_pointee(folder.parse()?),
            folder: Mutex::new(folder),
            jobs: Mutex::new(Jobs::new(pace, Instant::now())),
            wake: Condvar::new(),
            config,
            pace,
            anchors,
            metrics,
        })
    }

    pub(super) fn folder(&self) -> MutexGuard<'_, CollateralFolder> {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn loaded(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    /// Puts the content of the folder into use.
    pub(super) fn reload(&self) -> Result<(), CollateralFileError> {
        let folder = self.folder();
        self.loaded.store(Arc::new(folder.parse()?));
        Ok(())
    }

    /// Requests an item.
    pub(super) fn want(&self, job: Job, asker: Asker) -> Prospect {
        if !self.config.fetch {
            return Prospect::Never;
        }
        let (kind, now) = (job.kind(), Instant::now());
        let mut jobs = self.jobs();
        let asked = jobs.ask(job.clone(), asker, now);
        let prospect = jobs.prospect(&job, now);
        drop(jobs);
        match asked {
            Asked::Known => {}
            Asked::Queued => self.wake.notify_all(),
            Asked::Full => self.metrics.fetched(kind, "not-queued"),
        }
        prospect
    }

    pub(super) fn want_crls<'c>(&self, crls: impl IntoIterator<Item = &'c MissingCrl>) -> Option<Duration> {
        let waits = crls.into_iter().map(|crl| {
            let url = crl.addresses.iter().find(|url| is_crl_address(url))?;
            match self.want(Job::crl(url.clone(), Some(crl.issuer_key.as_slice().into())), Asker::Verified) {
                Prospect::Soon(wait) | Prospect::Full(wait) => Some(wait),
                Prospect::Gone(_) | Prospect::Never => None,
            }
        });
        // All are requested, even if one is unavailable.
        let waits: Vec<Option<Duration>> = waits.collect();
        waits.into_iter().collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    pub(super) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
